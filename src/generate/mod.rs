//! The generator: a song catalogue and an event log like Sparkify's, of any size, made from a seed.
//!
//! The same [`GenerateOptions`] give the same bytes on every machine. Memory holds a buffer, the sessions
//! that are going on, and a byte for every user and artist. With `awkward` the data is strewn with
//! every kind of record the engine must reject or must not stumble over, and the [`Summary`] says
//! exactly what an engine has to report about it.
//!
//! `calendar` says which log files there are, `catalogue` which songs, `listeners` who plays them;
//! `songs` and `logs` write the two inputs; `awkward` spoils clean records, case by case.

mod calendar;
mod edge_cases;
mod file_writer;
mod logs;
mod random;
mod song_catalog;
mod songs;
mod text;
mod users;
mod vocabulary;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

use file_writer::ProgressMeter;
use song_catalog::SongCatalog;

/// The most events, songs or files that can be asked for: session ids are 32-bit integers.
pub const MAX_COUNT: u64 = 10_000_000_000;

/// What to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Ordinary log events; awkward ones come on top.
    pub events: u64,
    /// Ordinary songs, one object each; awkward ones come on top.
    pub songs: u64,
    /// Users there are; with few events not all of them turn up.
    pub users: u64,
    /// Log files, spread over at most a year of consecutive days.
    pub files: u64,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Mix in every kind of reject and oddity: at least one of each, and about 0.4 % rejects.
    pub edge_cases: bool,
}

/// What was written, and what a run over it must report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Ordinary events, as asked for. [`LogSummary`] counts the awkward ones too.
    pub events_requested: u64,
    /// The folder `song_data`.
    pub songs: SongSummary,
    /// The folder `log_data`.
    pub logs: LogSummary,
}

/// One of the two inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputSummary {
    /// Files that count as input, the empty ones too.
    pub objects: u64,
    /// Files that are not input by their names.
    pub ignored_objects: u64,
    /// The same by the endings of their names.
    pub ignored_extensions: BTreeMap<&'static str, u64>,
    /// Size of `objects` together.
    pub bytes: u64,
    /// Records in them: each is accepted or rejected once, and a syntax error with all it swallows
    /// is one record.
    pub records: u64,
    /// Records to be rejected.
    pub rejected: u64,
    /// `rejected` by the reason; a reason with no reject is left out.
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
}

/// The song input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SongSummary {
    /// What every input has.
    #[serde(flatten)]
    pub input: InputSummary,
    /// Distinct `song_id`s of accepted records: rows of `songs`.
    pub songs: u64,
    /// Distinct `artist_id`s of accepted records: rows of `artists`.
    pub artists: u64,
}

/// The log input: records = kept + filtered + rejected + duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// What every input has.
    #[serde(flatten)]
    pub input: InputSummary,
    /// Distinct accepted events on page `NextSong`: rows of `songplays`.
    pub kept: u64,
    /// Events on other pages.
    pub filtered: u64,
    /// Kept events delivered again.
    pub duplicates: u64,
    /// Kept events whose song is in the song input: rows of `songplays` with a `song_id`.
    pub matched: u64,
    /// Distinct users of kept events: rows of `users`.
    pub users: u64,
}

impl InputSummary {
    fn add_object(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    fn count_reject(&mut self, reason: &'static str) {
        self.records += 1;
        self.rejected += 1;
        *self.rejected_by_reason.entry(reason).or_default() += 1;
    }
}

impl fmt::Display for InputSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            objects,
            ignored_objects,
            ignored_extensions: _,
            bytes,
            records,
            rejected,
            rejected_by_reason,
        } = self;
        write!(f, "{records} records in {objects} objects, {bytes} bytes")?;
        if *ignored_objects > 0 {
            write!(f, ", beside {ignored_objects} files that are no input")?;
        }
        if *rejected > 0 {
            write!(f, "; {rejected} to be rejected")?;
            for (nth, (reason, count)) in rejected_by_reason.iter().enumerate() {
                write!(f, "{}{reason} {count}", if nth == 0 { ": " } else { ", " })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (songs, logs) = (&self.songs, &self.logs);
        writeln!(f, "song_data: {}", songs.input)?;
        writeln!(f, "  {} songs by {} artists", songs.songs, songs.artists)?;
        writeln!(f, "log_data: {}", logs.input)?;
        writeln!(
            f,
            "  {} plays by {} users, {} of them of songs in song_data",
            logs.kept, logs.users, logs.matched
        )?;
        write!(
            f,
            "  {} events on other pages, {} duplicates",
            logs.filtered, logs.duplicates
        )
    }
}

/// Writes `song_data` and `log_data` into `out`, a folder that is empty or not there yet.
///
/// `progress` is called every few megabytes, and at the end, with the bytes and the log events
/// written so far.
///
/// # Errors
/// `InvalidInput` for options that make no sense, `AlreadyExists` when `out` holds anything, and
/// whatever writing a file fails with; the message names the file. What was written until then
/// stays.
pub fn generate(
    out: &Path,
    options: &GenerateOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Summary> {
    validate(options)?;
    file_writer::ensure_empty_dir(out)?;
    let mut meter = ProgressMeter::new(progress);
    let catalog = SongCatalog::known(options.seed, options.songs);
    let songs = songs::write(&out.join("song_data"), options, &catalog, &mut meter)?;
    let logs = logs::write(&out.join("log_data"), options, &catalog, &mut meter)?;
    meter.finish();
    Ok(Summary {
        events_requested: options.events,
        songs,
        logs,
    })
}

fn validate(options: &GenerateOptions) -> io::Result<()> {
    let GenerateOptions {
        events,
        songs,
        users,
        files,
        ..
    } = *options;
    let bounds = [
        ("events", events, 0, MAX_COUNT),
        ("songs", songs, 0, MAX_COUNT),
        ("users", users, 1, i32::MAX as u64),
        ("files", files, 1, MAX_COUNT),
    ];
    match bounds
        .iter()
        .find(|(_, value, least, most)| value < least || value > most)
    {
        None => Ok(()),
        Some((name, value, least, most)) => {
            let message = format!("{name} must be from {least} to {most}, not {value}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, message))
        }
    }
}
