//! Shared parts of the S3 tests: clients, fixtures, and readers of an output.

pub mod cli;
pub mod dataset_snapshot;
pub mod fixture;
pub mod raw_http;
pub mod sdk_client;
