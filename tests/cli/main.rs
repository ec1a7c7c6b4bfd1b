//! The `sparkify` binary: exit codes, streams, and the files that it leaves.
//!
//! One guarantee holds everywhere: a run ends with the new dataset, or with one line on stderr and the
//! previous dataset unchanged.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allow_empty;
mod bench;
mod check;
mod completions;
mod compression;
mod dataset_query;
mod documents;
mod edited_rejects;
mod exit_codes;
mod failed_runs;
mod generate;
mod help;
mod input;
mod input_globs;
mod logging;
mod machine;
mod man_pages;
mod max_rejects;
mod metrics;
mod openlineage;
mod output_dir;
mod rejects;
mod replay;
mod schema;
mod snapshots;
mod stdio;
mod unknown_keys;
mod usage;
mod user_reported_inputs;
mod version;
mod webhook;
#[cfg(not(feature = "cloud"))]
mod without_cloud;

// These tests read /proc, mount file systems or depend on the behaviour of Linux.
#[cfg(target_os = "linux")]
mod concurrency;
#[cfg(target_os = "linux")]
mod crash_recovery;
#[cfg(target_os = "linux")]
mod disk_full;
#[cfg(target_os = "linux")]
mod odd_file_names;
#[cfg(target_os = "linux")]
mod permissions;
#[cfg(target_os = "linux")]
mod signals;
