//! Checks every link of the chain from the input to the warehouse.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::config::InputSpec;
use crate::doctor::{
    BucketHeads, CheckResult, CheckStatus, Checkup, CopySource, DiskNeeds, check_disk, check_input,
    check_local_output, check_log_jsonpaths, check_s3_access, check_s3_output, check_versions,
    check_warehouse,
};
use crate::error::Result;
use crate::input::RecordKind;
use crate::storage::s3::S3Options;
use crate::storage::{Location, StoreOpener};
use crate::warehouse::WarehouseConfig;

/// A request to check what a run and its load would use. What is not named is not checked.
#[derive(Debug, Clone, Default)]
pub struct DoctorJob {
    /// The songs.
    pub songs: Option<InputSpec>,
    /// The logs.
    pub logs: Option<InputSpec>,
    /// The JSONPaths file for the logs, which the engine inside Redshift uses.
    pub log_jsonpaths: Option<Location>,
    /// The output.
    pub out: Option<Location>,
    /// The connection to S3.
    pub s3: S3Options,
    /// The warehouse.
    pub warehouse: Option<WarehouseConfig>,
}

/// What the checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DoctorReport {
    /// The results, in the order of the checks.
    pub checks: Vec<CheckResult>,
}

impl DoctorReport {
    /// Returns the number of checks that came out so.
    pub fn count(&self, status: CheckStatus) -> usize {
        let found = self.checks.iter().filter(|check| check.status == status);
        found.count()
    }
}

impl DoctorJob {
    /// Makes the checks, and calls `on_result` after each of them. Changes nothing, except for objects below the output that
    /// are removed again, and for a temporary table in Redshift.
    ///
    /// # Errors
    /// Returns an error if the work is stopped. What the checks find is no error.
    pub fn execute(&self, on_result: &mut dyn FnMut(&CheckResult)) -> Result<DoctorReport> {
        let _span = tracing::info_span!("doctor").entered();
        let mut checkup = Checkup::new(on_result);
        check_versions(&mut checkup)?;
        let stores = StoreOpener::new(self.s3.clone());
        let buckets = self.buckets();
        let heads = match buckets.is_empty() {
            true => BucketHeads::new(),
            false => check_s3_access(&mut checkup, &stores, &self.s3.aws, &buckets)?,
        };
        let mut input_bytes = None;
        for (kind, spec) in [
            (RecordKind::Song, &self.songs),
            (RecordKind::Log, &self.logs),
        ] {
            if let Some(spec) = spec {
                let bytes = check_input(&mut checkup, &stores, kind, spec)?;
                input_bytes = input_bytes.map_or(bytes, |sum: u64| bytes.map(|more| sum + more));
            }
        }
        if let Some(location) = &self.log_jsonpaths {
            check_log_jsonpaths(&mut checkup, &stores, location)?;
        }
        let mut local_out = None;
        match &self.out {
            Some(out @ Location::S3 { .. }) => check_s3_output(&mut checkup, &stores, out)?,
            Some(Location::Local(out)) => {
                check_local_output(&mut checkup, out, self.warehouse.is_none())?;
                local_out = Some(out.as_path());
            }
            None => {}
        }
        let needs = DiskNeeds {
            out: local_out,
            input_bytes,
        };
        check_disk(&mut checkup, &needs)?;
        if let Some(warehouse) = &self.warehouse {
            let source = self.out.as_ref().map(|out| CopySource {
                out,
                buckets: &heads,
                stores: &stores,
            });
            check_warehouse(&mut checkup, warehouse, source.as_ref(), &self.s3.aws)?;
        }
        let checks = checkup.into_results();
        let report = DoctorReport { checks };
        let failed = report.count(CheckStatus::Failed);
        tracing::info!(checks = report.checks.len(), failed, "made the checks");
        Ok(report)
    }

    /// Returns the buckets of all locations.
    fn buckets(&self) -> Vec<String> {
        let inputs = [&self.songs, &self.logs].into_iter().flatten();
        let locations = inputs.flat_map(|spec| &spec.locations);
        let locations = locations.chain(&self.log_jsonpaths).chain(&self.out);
        let buckets = locations.filter_map(|location| match location {
            Location::S3 { bucket, .. } => Some(bucket.clone()),
            Location::Local(_) => None,
        });
        buckets.collect::<BTreeSet<_>>().into_iter().collect()
    }
}
