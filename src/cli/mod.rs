//! The command line: parses and checks the arguments, runs a job, and prints its result as text or JSON.
//!
//! There is one file for each command. It has the arguments, their conversion into the configuration of a
//! [job](crate::jobs), and what is printed.

mod app;
mod args;
mod bench;
mod check;
mod clean;
mod completions;
mod console;
mod create_tables;
mod doctor;
mod generate;
mod help;
mod history;
mod history_source;
mod infra;
mod json_log;
mod load;
mod logging;
mod man;
mod operations_query;
mod preconditions;
mod progress;
mod query;
mod rejects;
mod render;
mod replay;
mod run;
mod run_job;
mod schema;
mod signals;
mod status;
mod stderr;
mod stdout;
mod usage_error;
mod version;

pub use app::main;
