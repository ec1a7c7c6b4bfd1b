//! S3 as a run sees it: an S3 server in this process, which can be made to fail as S3 does.
//!
//! The server has tests of its own in `crates/testkit`, because these tests depend on its behaviour.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

// Conformance tests of all stores, S3 and local.
mod store_conformance;

// Tests of runs.
mod concurrency;
mod duplicate_events;
mod fault_tolerance;
mod local_s3_parity;
mod publishing;
mod raw_staging;

// Tests of the binary.
mod access_points;
mod aws_config_files;
mod check;
mod clean_command;
mod customer_keys;
mod dataset_query;
mod directory_buckets;
mod doctor;
mod dry_run;
mod error_messages;
mod failed_runs;
mod input_locations;
mod policies;
mod proxies;
mod replay;
mod s3_options;
mod secret_leaks;
mod signals;
mod unusual_keys;
