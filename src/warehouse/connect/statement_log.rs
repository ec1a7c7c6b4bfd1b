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
        let statement = summary(self.sql);
        let seconds = self.started.elapsed().as_secs_f64();
        match result {
            Ok(rows) => tracing::debug!(statement, rows, seconds, "statement executed"),
            Err(failure) => {
                tracing::debug!(statement, seconds, error = %failure.error, "statement failed");
            }
        }
    }
}

/// Returns the beginning of a statement: its first line up to a parenthesis. If more follows, it ends in `…`.
fn summary(sql: &str) -> String {
    let beginning = sql.split(['\n', '(']).next().map_or(sql, str::trim_end);
    let end = beginning.char_indices().nth(MAX_SUMMARY_CHARS);
    let shown = end.map_or(beginning, |(end, _)| &beginning[..end]);
    match shown.len() < sql.trim_end().len() {
        true => format!("{shown}…"),
        false => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_name_verb_and_table() {
        for (sql, expected) in [
            ("BEGIN", "BEGIN"),
            (
                "INSERT INTO songs (song_id, title)\nSELECT 1",
                "INSERT INTO songs…",
            ),
            (
                "COPY staged_users (user_id) FROM 's3://b'",
                "COPY staged_users…",
            ),
            ("DO $$\nBEGIN\nEND $$", "DO $$…"),
            ("", ""),
        ] {
            assert_eq!(summary(sql), expected);
        }
        let expected = "ä".repeat(MAX_SUMMARY_CHARS) + "…";
        assert_eq!(summary(&"ä".repeat(100)), expected);
    }
}
