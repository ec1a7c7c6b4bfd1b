//! Generates the SQL that stages raw records in Redshift and derives the staged tables from them: what the engine in this
//! program does with records, as statements. The files of `sql/redshift/transform` are its output.
//!
//! - `raw_staging` creates the tables of raw records, `raw_copy` fills them, and `load_errors` asks what COPY rejected.
//! - `checks` separates valid records from rejected ones, and `record_counts` counts both. The filter is in `filter`,
//!   `numbers` reads the numbers that a cast may fail at, and `problems` finds what is wrong with a value.
//! - `statements` fills the staged tables of the star schema from the valid records: by `pick`, `fact`, `calendar` and
//!   `source_objects`.
//! - `scripts` and `header` are for readers and psql.

mod calendar;
mod checks;
mod double_limits;
mod fact;
mod filter;
mod header;
mod insert;
mod load_errors;
mod numbers;
mod pick;
mod problems;
mod raw_copy;
mod raw_staging;
mod record_counts;
mod record_tables;
mod record_values;
mod scripts;
mod source_objects;
mod statements;
#[cfg(test)]
mod tests;

pub(crate) use checks::{check_statements, rejected_records_statement};
pub(crate) use load_errors::{
    CopyRejects, LoadErrorView, failed_copy_errors_query, insert_copy_rejects,
    load_errors_statement,
};
pub(crate) use raw_copy::{JsonSource, raw_copy_statement, source_list_copy_statement};
pub(crate) use raw_staging::raw_staging_statements;
pub(crate) use record_counts::record_counts_statement;
pub(crate) use scripts::transform_scripts;
pub(crate) use statements::transform_statements;
