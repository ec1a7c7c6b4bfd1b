//! Shared parts of the S3 tests: clients, fixtures, and readers of an output.

pub mod cli_runner;
pub mod dataset_snapshot;
pub mod raw_http;
pub mod sample_bucket;
pub mod sdk_client;
