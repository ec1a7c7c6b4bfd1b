//! Defines `latest.json`, which lists the published runs of an output location.

use serde::{Deserialize, Serialize};

use super::layout::{RunObject, RunObjectKey};
use super::run_id::RunId;

/// Maximum number of runs in `latest.json`. Runs published earlier are ordered by their ids.
const MAX_PUBLISHED_RUNS: usize = 500;

/// The contents of `latest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(expecting = "expected an object with the keys run and report")]
pub(crate) struct LatestPointer {
    /// The id of the newest complete run.
    pub run: String,
    /// The absolute path or the URL of its report.
    pub report: String,
    /// The ids of the newest [`MAX_PUBLISHED_RUNS`] runs in the order of their publication, the newest last.
    /// Absent if an earlier version wrote the file.
    #[serde(default)]
    published: Vec<String>,
}

impl LatestPointer {
    /// Lists published runs, the newest last. `newest` is the last of them. `name` returns the absolute path or
    /// the URL of a key.
    pub(crate) fn new(published: &[RunId], newest: &RunId, name: impl Fn(&str) -> String) -> Self {
        let report = RunObjectKey {
            run: newest.clone(),
            object: RunObject::Report,
        };
        let dropped = published.len().saturating_sub(MAX_PUBLISHED_RUNS);
        let kept = published.iter().skip(dropped);
        Self {
            run: newest.to_string(),
            report: name(&report.to_string()),
            published: kept.map(RunId::to_string).collect(),
        }
    }

    /// Parses the file, which a user may have edited.
    ///
    /// # Errors
    /// Returns the reason if it is invalid.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let latest: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        match latest.run.parse::<RunId>() {
            Ok(_) => Ok(latest),
            Err(()) => Err(format!("'{}' is not the id of a run", latest.run)),
        }
    }

    /// Returns the ids of the published runs in the order of their publication. The run named by `run` comes last,
    /// even if a user wrote it by hand. Invalid ids are skipped.
    pub(crate) fn into_published_runs(self) -> Vec<RunId> {
        let Self { run, published, .. } = self;
        let others = published.into_iter().filter(|id| *id != run);
        let ids = others.chain([run.clone()]);
        ids.filter_map(|id| id.parse().ok()).collect()
    }
}

/// Returns the runs that `latest.json` lists in the order of their publication. Returns none if the file is invalid,
/// in which case it will be replaced.
pub(crate) fn parse_published(json: &[u8]) -> Vec<RunId> {
    LatestPointer::parse(json).map_or_else(|_| Vec::new(), LatestPointer::into_published_runs)
}
