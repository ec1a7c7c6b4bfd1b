//! What several test suites, the benches and the fuzz target share. Nothing here knows the library that is
//! tested: it works on bytes, files, sockets and the built binary.
//!
//! - [`aws_api`]: a server in this process that answers as the APIs of AWS other than S3 do
//! - [`cli`]: runs the binary in a sandbox, and asserts on its exit code, stdout and stderr
//! - [`dataset`]: reads a dataset from a directory or a bucket, and compares it
//! - [`dir_contents`]: the files of a directory
//! - [`sample_data`]: a few songs and events
//! - [`mod@reference`]: an independent implementation of all rules, in plain and slow code
//! - [`property_tests`]: generated JSON, and the number of cases
//! - [`s3_server`]: an S3 server in this process that can be made to fail
//! - [`http_sink`]: an HTTP server in this process that keeps what is posted to it
//! - [`postgres_server`]: PostgreSQL servers that end with the test process
//! - [`redshift_simulator`]: the rules of Redshift in front of such a PostgreSQL server

pub mod aws_api;
pub mod cli;
pub mod dataset;
pub mod dir_contents;
pub mod http_sink;
pub mod postgres_server;
pub mod property_tests;
pub mod redshift_simulator;
pub mod reference;
pub mod s3_server;
pub mod sample_data;
