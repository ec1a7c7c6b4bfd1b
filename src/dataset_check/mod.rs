//! Checks a published dataset as a reader would see it, and changes nothing.
//!
//! `dataset.rs` goes from the outside to the inside: the report, the list of files, and then one table after the other,
//! each after those that it refers to. The parts of a table are checked side by side: `part_file.rs` reads a part,
//! `statistics.rs` compares its footer with its values, and `table_rows.rs` compares the rows with the model. What is
//! wrong first ends the check with an error of `finding.rs`.

mod calendar_parts;
mod check_report;
mod dataset;
mod finding;
mod integers;
mod keys;
mod listed_files;
mod part_file;
mod reported_counts;
mod state_hash;
mod statistics;
mod table_rows;

pub use check_report::CheckReport;
pub(crate) use dataset::check_dataset;
