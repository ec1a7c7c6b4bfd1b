//! Logs the statements of a session: the beginning of each at debug level with its effect and duration, and the complete
//! SQL at trace level.
//!
//! The SQL contains no secret. What is inserted into it are ids of runs, URLs of manifests, times and limits, and the
//! IAM role of a COPY, which is a name.

use std::time::Instant;

use super::error::StatementError;

/// Maximum length of the beginning of a statement, in characters.
const MAX_SUMMARY_CHARS: usize = 60;

/// A statement that runs.
pub(super) struct RunningStatement<'a> {
    sql: &'a str,
    started: Instant,
}

impl<'a> RunningStatement<'a> {
    /// Logs the SQL of a statement that is about to be sent.
    pub(super) fn start(sql: &'a str) -> Self {
        tracing::trace!(sql, "sending a statement");
        Self {
            sql,
            started: Instant::now(),
        }
    }

    /// Logs that the statement ended, and how many rows it returned or changed.
    pub(super) fn log_result(&self, result: Result<u64, &StatementError>) {
        let statement = statement_summary(self.sql);
        let seconds = self.started.elapsed().as_secs_f64();
        match result {
            Ok(rows) => tracing::debug!(statement, rows, seconds, "statement executed"),
            Err(failure) => {
                tracing::debug!(statement, seconds, error = %failure.error, "statement failed");
            }
        }
    }
}

/// Returns the beginning of a statement on one line. If more follows, it ends in `…`.
pub(crate) fn statement_summary(sql: &str) -> String {
    let mut words = sql.split_whitespace();
    let mut summary = words.next().unwrap_or_default().to_owned();
    for word in words {
        if summary.chars().count() + word.chars().count() >= MAX_SUMMARY_CHARS {
            return summary + " …";
        }
        summary.push(' ');
        summary.push_str(word);
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_the_beginning_on_one_line() {
        for (sql, expected) in [
            ("BEGIN", "BEGIN"),
            (
                "SELECT\n  name,\n  total\nFROM x",
                "SELECT name, total FROM x",
            ),
            (
                "INSERT INTO songs (song_id, title, artist_id, year, duration)\nSELECT 1",
                "INSERT INTO songs (song_id, title, artist_id, year, …",
            ),
            ("", ""),
        ] {
            assert_eq!(statement_summary(sql), expected);
        }
    }
}
