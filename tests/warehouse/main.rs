//! The warehouse, on a real PostgreSQL that is started for these tests and gone after them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// What tests share.
mod house;
mod postgres;
mod redshift;
mod resolve;
mod rows;
mod server;

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
mod load;
mod refused;

// Tests of questions.
mod queries;
mod query;

// Tests of the stand-in for Redshift.
mod redshift_rules;
