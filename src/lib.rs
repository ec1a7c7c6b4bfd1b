//! Builds a star schema from song and event-log JSON, writes it as Parquet, and loads it into a warehouse.
//!
//! The data passes through these modules:
//!
//! ```text
//! storage      lists, reads and writes objects in folders and in S3
//!    |
//! input        objects -> splits -> chunks; decompression
//!    |
//! decode       bytes -> Arrow record batches and rejects
//!    |
//! star         record batches -> the rows of the five tables
//!    |
//! output       rows -> Parquet parts, reject files, report; published in one step
//!    |
//! warehouse    Parquet parts -> the tables of Redshift or PostgreSQL, in one transaction
//! ```
//!
//! The warehouse can also build the star schema itself: `redshift_engine` lets Redshift copy the raw JSON and transform it
//! by SQL.
//!
//! `model` describes the star schema that they build, as data, and `schema` renders that description as documents.
//! `pipeline` connects the modules, and is the only one that starts threads for the work. [`generate`] generates
//! synthetic input, and `bench` measures throughput. [`cli`] is the command line.
//!
//! These modules are private. Another program uses [`jobs`] with the configuration in [`config`] and an [`observer`]
//! of its own, and gets a [`report`] or an [`error`].

#![deny(unsafe_code)]
#![warn(unreachable_pub)]

mod aws;
mod bench;
pub mod cli;
#[cfg(feature = "cloud")]
mod cloud;
pub mod config;
mod dataset_check;
mod decode;
mod doctor;
pub mod error;
pub mod generate;
mod input;
#[doc(hidden)]
#[allow(
    missing_docs,
    reason = "the items are documented where they are defined"
)]
pub mod internals;
mod interrupt;
pub mod jobs;
mod model;
mod monitoring;
pub mod observer;
mod open_files;
mod output;
mod pipeline;
mod redshift_engine;
pub mod report;
mod retry;
mod schema;
mod star;
mod stop_signal;
mod storage;
mod warehouse;
