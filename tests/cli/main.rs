//! The built `sparkify` from outside: exit codes, streams, and what it leaves on the disk.
//!
//! One promise runs through all of it: a run ends with the new star, or with one line on stderr and
//! the earlier star as it was.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod allow_empty;
mod bench;
mod compression;
mod documents;
mod failed_runs;
mod generate;
mod input;
mod input_globs;
mod max_rejects;
mod output_dir;
mod reported_inputs;
mod stdio;
mod support;
mod usage;

// These look into /proc, mount file systems or rely on how Linux answers.
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
