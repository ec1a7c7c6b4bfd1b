//! Describes where a run would write.

use std::path::Path;

use super::layout::OutputArrangement;
use super::publish::local::{CheckedOutputDir, RunsDir};
use super::publish::side_by_side::SideBySideRun;
use super::run_id::RunId;
use crate::error::Result;
use crate::storage::{Location, StoreOpener};

/// Describes what a run would do to `out`, without changing anything.
///
/// # Errors
/// Returns the errors of [`Staging::open`](super::Staging::open) that can be detected without writing.
pub(crate) fn describe_target(
    stores: &StoreOpener,
    out: &Location,
    arrangement: OutputArrangement,
    inputs: [&[Location]; 2],
) -> Result<String> {
    match (out, arrangement) {
        (Location::Local(path), OutputArrangement::Replace) => {
            let target = CheckedOutputDir::check(path, &local_paths(inputs))?.target;
            let name = target.display();
            let is_non_empty = |mut entries: std::fs::ReadDir| entries.next().is_some();
            Ok(match std::fs::read_dir(&target).map(is_non_empty) {
                Ok(true) => format!("{name}, replacing the existing dataset"),
                Ok(false) => format!("{name}, an empty folder"),
                Err(_) => format!("{name}, a new folder"),
            })
        }
        (Location::Local(path), OutputArrangement::SideBySide) if !path.is_dir() => {
            RunsDir::check(path)?;
            let run = out.join(&RunId::new().to_string());
            Ok(format!("{run}, the first run there"))
        }
        (_, _) => {
            if let Location::Local(path) = out {
                RunsDir::check(path)?;
            }
            let run = SideBySideRun::start(stores.open_output(out)?)?;
            Ok(match run.latest_url() {
                Some(latest) => format!("{}, next to the latest run {latest}", run.url()),
                None => format!("{}, the first run there", run.url()),
            })
        }
    }
}

/// Returns the local paths among the locations of an input.
pub(super) fn local_paths<'a>(inputs: [&'a [Location]; 2]) -> Vec<&'a Path> {
    let local_path = |location: &'a Location| match location {
        Location::Local(path) => Some(path.as_path()),
        Location::S3 { .. } => None,
    };
    inputs
        .into_iter()
        .flatten()
        .filter_map(local_path)
        .collect()
}
