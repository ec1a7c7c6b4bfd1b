//! Counts what was generated.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

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
    pub(super) fn add_object(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }

    pub(super) fn count_reject(&mut self, reason: &'static str) {
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
