//! Shared parts of the S3 tests: clients, fixtures, and readers of an output.

pub mod commands;
pub mod sample_bucket;
