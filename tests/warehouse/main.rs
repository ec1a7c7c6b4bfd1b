//! The warehouse, on a real PostgreSQL that is started for these tests and gone after them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// What tests share.
mod answers;
mod house;
mod postgres;
mod redshift;
mod resolve;
mod rows;

// The S3 server of the other tests, under the names that it has there.
#[allow(dead_code)]
#[path = "../s3/asked.rs"]
mod asked;
#[allow(dead_code)]
#[path = "../s3/backend.rs"]
mod backend;
#[allow(dead_code)]
#[path = "../s3/cut.rs"]
mod cut;
#[allow(dead_code)]
#[path = "../s3/disk.rs"]
mod disk;
#[allow(dead_code)]
#[path = "../s3/faults.rs"]
mod faults;
#[allow(dead_code)]
#[path = "../s3/front.rs"]
mod front;
#[allow(dead_code)]
#[path = "../s3/listing.rs"]
mod listing;
#[allow(dead_code)]
#[path = "../s3/reply.rs"]
mod reply;
#[allow(dead_code)]
#[path = "../s3/server.rs"]
mod server;
#[allow(dead_code)]
#[path = "../s3/tally.rs"]
mod tally;
#[allow(dead_code)]
#[path = "../s3/uploads.rs"]
mod uploads;

// Tests of addresses.
mod address;
mod arguments;
mod config_file;
mod passfile;
mod secrets;

// Tests of sessions.
mod failures;
mod login;
mod tls;

// Tests of loads.
mod altered;
mod batches;
mod codecs;
mod cuts;
mod empty;
mod load;
mod lost;
mod refused;
mod scripts;

// Tests of questions.
mod queries;
mod query;

// Tests of the stand-in for Redshift.
mod redshift_rules;
