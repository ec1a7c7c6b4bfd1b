//! Plans a run without reading data: lists and plans the input, and examines the output location.

use std::collections::BTreeMap;

use serde::Serialize;

use super::input_source::InputSource;
use super::run_input::open_input;
use super::thread_pool::build_thread_pool;
use super::timings::Timings;
use crate::config::RunConfig;
use crate::error::Result;
use crate::input::Split;
use crate::observer::WarningCollector;
use crate::output::describe_target;
use crate::output::run_report::InputReport;
use crate::storage::StoreOpener;

/// The input that a run would read, and the output that it would write.
#[derive(Debug, Clone, Serialize)]
pub struct RunPlan {
    /// The plan of the song objects.
    pub songs: InputPlan,
    /// The plan of the log objects.
    pub logs: InputPlan,
    /// A description of the output location and of what is there now.
    pub out: String,
}

/// The plan of one input.
#[derive(Debug, Clone, Serialize)]
pub struct InputPlan {
    /// Objects that count as input.
    pub objects: u64,
    /// Objects that do not count as input.
    pub ignored_objects: u64,
    /// The ignored objects by the extension of their name.
    pub ignored_extensions: BTreeMap<String, u64>,
    /// Bytes of the objects, as stored.
    pub bytes: u64,
    /// The splits, in input order. One worker processes a split. If Redshift reads the objects, there are none.
    pub splits: Vec<SplitPlan>,
}

/// One split: everything from a byte of one object to a byte of the same or a later object, in input order.
#[derive(Debug, Clone, Serialize)]
pub struct SplitPlan {
    /// Bytes of the split, as stored.
    pub bytes: u64,
    /// The number of objects that the split reads completely or in part.
    pub objects: usize,
    /// The first object.
    pub first_object: String,
    /// The offset of the first byte in the first object.
    pub start: u64,
    /// The last object.
    pub last_object: String,
    /// The offset one past the last byte in the last object, absent if the split reads that object to its end.
    pub end: Option<u64>,
}

/// Lists and plans the input of a run and examines its output location. It reads no records and writes nothing.
///
/// # Errors
/// Returns the error with which the run would fail before it reads records.
pub(crate) fn plan_run(config: &RunConfig) -> Result<RunPlan> {
    build_thread_pool(config.threads)?.install(|| {
        let stores = StoreOpener::new(config.s3.clone());
        let sources = open_input(
            config,
            &stores,
            &Timings::default(),
            &WarningCollector::default(),
        )?;
        let arrangement = config.output_arrangement();
        let inputs = sources.resolved_locations();
        let out = describe_target(&stores, &config.out, arrangement, inputs)?;
        Ok(RunPlan {
            songs: input_plan(&sources.songs),
            logs: input_plan(&sources.logs),
            out,
        })
    })
}

fn input_plan(source: &InputSource) -> InputPlan {
    let splits = source.plan.splits.iter();
    InputPlan {
        splits: splits.map(|split| split_plan(source, split)).collect(),
        ..InputPlan::without_splits(source.initial_report())
    }
}

impl InputPlan {
    /// Returns the plan of an input that is not divided into splits, from the report of its listed objects.
    pub(crate) fn without_splits(report: InputReport) -> Self {
        Self {
            objects: report.objects,
            ignored_objects: report.ignored_objects,
            ignored_extensions: report.ignored_extensions,
            bytes: report.bytes,
            splits: Vec::new(),
        }
    }
}

fn split_plan(source: &InputSource, split: &Split) -> SplitPlan {
    let (first, last) = (split.first_segment(), split.last_segment());
    SplitPlan {
        bytes: split.bytes,
        objects: split.segments.len(),
        first_object: source.display(source.object(first)),
        start: first.start,
        last_object: source.display(source.object(last)),
        end: Some(last.end).filter(|&end| end < u64::MAX),
    }
}
