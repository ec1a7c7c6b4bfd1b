//! Opens the input of a run: its objects, or the rejects that a replay tries again.

use super::input_source::InputSources;
use super::replay::open_rejects;
use super::timings::Timings;
use crate::config::{RunConfig, RunInput};
use crate::error::Result;
use crate::observer::Observer;
use crate::storage::StoreOpener;

/// Opens and plans the songs and the logs of a run.
///
/// # Errors
/// Returns an error if the input cannot be listed or is empty, or if the rejects of a replay cannot be read.
pub(super) fn open_input(
    config: &RunConfig,
    stores: &StoreOpener,
    timings: &Timings,
    observer: &dyn Observer,
) -> Result<InputSources> {
    match &config.input {
        RunInput::Objects { songs, logs } => {
            InputSources::open(songs, logs, config, stores, timings)
        }
        RunInput::Rejects(rejects) => {
            open_rejects(rejects, stores, config.sizes.split_bytes, timings, observer)
        }
    }
}
