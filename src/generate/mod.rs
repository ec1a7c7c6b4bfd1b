//! Generates synthetic song and log data like Sparkify's, of any size, from a seed.
//!
//! The same [`GenerateOptions`] produce the same bytes on every machine. Memory holds a buffer, the concurrent sessions,
//! and one byte for every user and artist. With `edge_cases` the data contains every kind of record that the engine must
//! reject or must accept in spite of its form, and the [`GenerateSummary`] has the exact counts that an engine must report.
//!
//! `log_file_plan` divides the events into log files, `song_catalog` derives the songs, and `users` the users and their
//! sessions. `songs` and `logs` write the two inputs, and `writer` calls them. `edge_cases` edits clean records, case by
//! case.

mod edge_cases;
mod file_writer;
mod json_text;
mod log_file_plan;
mod logs;
mod options;
mod random;
mod song_catalog;
mod songs;
mod summary;
mod users;
mod vocabulary;
mod writer;

pub use options::{GenerateOptions, MAX_COUNT};
pub use summary::{GenerateSummary, InputSummary, LogSummary, SongSummary};
pub use writer::generate;
