//! What the S3 tests share: clients, fixtures, and readers of an output.

pub mod cli;
pub mod dataset;
pub mod fixture;
pub mod raw_http;
pub mod sdk_client;
