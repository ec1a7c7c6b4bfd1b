//! What a run would do: its input listed and planned, and its output looked at, with no data read.

use std::collections::BTreeMap;

use serde::Serialize;

use super::source::Source;
use super::timings::Timings;
use super::{build_thread_pool, open_sources};
use crate::config::RunConfig;
use crate::error::Result;
use crate::input::Split;
use crate::output::Staging;
use crate::storage::StoreRegistry;

/// What a run would read and write.
#[derive(Debug, Clone, Serialize)]
pub struct RunPlan {
    /// The song objects.
    pub songs: InputPlan,
    /// The log objects.
    pub logs: InputPlan,
    /// Where the star would go, and what is there, in words.
    pub out: String,
}

/// One input.
#[derive(Debug, Clone, Serialize)]
pub struct InputPlan {
    /// Objects that count as input.
    pub objects: u64,
    /// Objects that do not.
    pub ignored_objects: u64,
    /// The same by the endings of their names.
    pub ignored_extensions: BTreeMap<String, u64>,
    /// Bytes of the objects, as stored.
    pub bytes: u64,
    /// The work of one worker at a time, in input order.
    pub splits: Vec<SplitPlan>,
}

/// One split: everything from a byte of one object to a byte of another, in the order of their names.
#[derive(Debug, Clone, Serialize)]
pub struct SplitPlan {
    /// Bytes in it, as stored.
    pub bytes: u64,
    /// Objects that it has a share of.
    pub objects: usize,
    /// The first of them.
    pub first_object: String,
    /// Its first byte in that.
    pub start: u64,
    /// The last of them.
    pub last_object: String,
    /// One past its last byte in that; absent if it goes to the end.
    pub end: Option<u64>,
}

/// Lists and plans the input of a run and looks at its output. Nothing is read or written.
///
/// # Errors
/// Those that the run would begin with.
pub fn plan_run(config: &RunConfig) -> Result<RunPlan> {
    build_thread_pool(config.threads)?.install(|| {
        let stores = StoreRegistry::new(config.s3.clone());
        let (songs, logs) = open_sources(config, &stores, &Timings::default())?;
        let out = Staging::describe_target(
            &stores,
            &config.out,
            [songs.resolved_locations(), logs.resolved_locations()],
        )?;
        Ok(RunPlan {
            songs: input_plan(&songs),
            logs: input_plan(&logs),
            out,
        })
    })
}

fn input_plan(source: &Source) -> InputPlan {
    let report = source.initial_report();
    let splits = source.plan.splits.iter();
    InputPlan {
        objects: report.objects,
        ignored_objects: report.ignored_objects,
        ignored_extensions: report.ignored_extensions,
        bytes: report.bytes,
        splits: splits.map(|split| split_plan(source, split)).collect(),
    }
}

fn split_plan(source: &Source, split: &Split) -> SplitPlan {
    let (first, last) = (split.segments.first(), split.segments.last());
    let name = |object: usize| source.objects.get(object).map(|o| source.display(o));
    let end = last.map(|last| last.end).filter(|&end| end < u64::MAX);
    SplitPlan {
        bytes: split.bytes,
        objects: split.segments.len(),
        first_object: first.and_then(|s| name(s.object)).unwrap_or_default(),
        start: first.map_or(0, |first| first.start),
        last_object: last.and_then(|s| name(s.object)).unwrap_or_default(),
        end,
    }
}
