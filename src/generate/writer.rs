//! Writes the two inputs.

use std::io;
use std::path::Path;

use super::file_writer::{self, ProgressMeter};
use super::options::GenerateOptions;
use super::song_catalog::SongCatalog;
use super::summary::GenerateSummary;
use super::{logs, songs};

/// Writes `song_data` and `log_data` into the directory `out`, which must be empty or new.
///
/// `progress` is called every few megabytes, and at the end, with the numbers of bytes and log events written so far.
///
/// # Errors
/// Returns `InvalidInput` if an option is out of range, `AlreadyExists` if `out` is not an empty directory, and any
/// other error if a file cannot be written. The message names the file. Files that were written before the error
/// remain.
pub fn generate(
    out: &Path,
    options: &GenerateOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<GenerateSummary> {
    options.validate()?;
    file_writer::ensure_empty_dir(out)?;
    let mut meter = ProgressMeter::new(progress);
    let catalog = SongCatalog::known(options.seed, options.songs);
    let songs = songs::write(&out.join("song_data"), options, &catalog, &mut meter)?;
    let logs = logs::write(&out.join("log_data"), options, &catalog, &mut meter)?;
    meter.finish();
    Ok(GenerateSummary {
        events_requested: options.events,
        songs,
        logs,
    })
}
