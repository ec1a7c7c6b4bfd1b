//! Generates synthetic song and log data like Sparkify's, of any size, from a seed.
//!
//! The same [`GenerateOptions`] produce the same bytes on every machine. Memory holds a buffer, the concurrent sessions,
//! and one byte for every user and artist. With `edge_cases` the data contains every kind of record that the engine must
//! reject or must accept in spite of its form, and the [`GenerateSummary`] has the exact counts that an engine must report.
//!
//! `log_file_plan` divides the events into log files, `song_catalog` derives the songs, and `users` the users and their
//! sessions. `songs` and `logs` write the two inputs. `edge_cases` edits clean records, case by case.

mod edge_cases;
mod file_writer;
mod json_text;
mod log_file_plan;
mod logs;
mod random;
mod song_catalog;
mod songs;
mod users;
mod vocabulary;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use serde::Serialize;

use file_writer::ProgressMeter;
use song_catalog::SongCatalog;

/// Maximum number of events, songs or files. Session ids are 32-bit integers.
pub const MAX_COUNT: u64 = 10_000_000_000;

/// Options of the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Number of ordinary log events. Edge cases are added to them.
    pub events: u64,
    /// Number of ordinary songs, one object each. Edge cases are added to them.
    pub songs: u64,
    /// Number of users. With few events some of them have none.
    pub users: u64,
    /// Number of log files, spread over at most a year of consecutive days.
    pub files: u64,
    /// Random seed.
    pub seed: u64,
    /// Whether to add every kind of reject and unusual record: at least one of each, and about 0.4 % rejects.
    pub edge_cases: bool,
}

/// Counts of the generated data, which a run over it must report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GenerateSummary {
    /// Requested number of ordinary events. [`LogSummary`] counts the edge cases too.
    pub events_requested: u64,
    /// Counts of the directory `song_data`.
    pub songs: SongSummary,
    /// Counts of the directory `log_data`.
    pub logs: LogSummary,
}

/// Counts that both inputs have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InputSummary {
    /// Files that are input, including empty ones.
    pub objects: u64,
    /// Files whose names are not those of input.
    pub ignored_objects: u64,
    /// `ignored_objects` by the extension of the name.
    pub ignored_extensions: BTreeMap<&'static str, u64>,
    /// Total size of `objects`.
    pub bytes: u64,
    /// Records in `objects`. Each is accepted or rejected once. A syntax error and the text that is skipped after it
    /// are one record.
    pub records: u64,
    /// Records that must be rejected.
    pub rejected: u64,
    /// `rejected` by reason, without the reasons that have no reject.
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
}

/// Counts of the song input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SongSummary {
    /// Counts that both inputs have.
    #[serde(flatten)]
    pub input: InputSummary,
    /// Distinct `song_id`s of accepted records: rows of `songs`.
    pub songs: u64,
    /// Distinct `artist_id`s of accepted records: rows of `artists`.
    pub artists: u64,
}

/// Counts of the log input, where records = kept + filtered + rejected + duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogSummary {
    /// Counts that both inputs have.
    #[serde(flatten)]
    pub input: InputSummary,
    /// Distinct accepted events on page `NextSong`: rows of `songplays`.
    pub kept: u64,
    /// Events on other pages.
    pub filtered: u64,
    /// Repeated deliveries of kept events.
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
            write!(f, "; {ignored_objects} other files, to be ignored")?;
        }
        if *rejected > 0 {
            write!(f, "; {rejected} records to be rejected")?;
            for (nth, (reason, count)) in rejected_by_reason.iter().enumerate() {
                write!(f, "{}{reason} {count}", if nth == 0 { ": " } else { ", " })?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for GenerateSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (songs, logs) = (&self.songs, &self.logs);
        writeln!(f, "song_data: {}", songs.input)?;
        writeln!(f, "  {} songs by {} artists", songs.songs, songs.artists)?;
        writeln!(f, "log_data: {}", logs.input)?;
        writeln!(
            f,
            "  {} plays by {} users, {} with a song in song_data",
            logs.kept, logs.users, logs.matched
        )?;
        write!(
            f,
            "  {} events on other pages, {} duplicates",
            logs.filtered, logs.duplicates
        )
    }
}

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
    validate(options)?;
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
