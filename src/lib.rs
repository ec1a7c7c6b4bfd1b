//! Song and event-log JSON to a star schema in Parquet.
//!
//! The way of the data, and the modules it walks through:
//!
//! ```text
//! storage      lists objects and reads their bytes: folders and S3
//!    |
//! input        objects -> splits -> chunks; decompression
//!    |
//! decode       bytes -> Arrow record batches and rejects
//!    |
//! star         record batches -> the rows of the five tables
//!    |
//! output       rows -> Parquet parts, reject files, report; published as one step
//!    |
//! warehouse    Parquet parts -> the tables of Redshift or PostgreSQL, in one transaction
//! ```
//!
//! [`pipeline`] wires them together and is the only place that knows threads. [`generate`] makes data
//! to try all this on, [`mod@bench`] measures how fast it goes. [`cli`] is the command line.

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

pub mod aws;
pub mod bench;
pub mod cli;
pub mod config;
pub mod decode;
pub mod error;
pub mod generate;
pub mod input;
pub mod output;
pub mod pipeline;
pub mod progress;
pub mod star;
pub mod storage;
pub mod warehouse;
