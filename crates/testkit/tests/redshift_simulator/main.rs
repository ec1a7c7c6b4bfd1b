//! The Redshift simulator enforces each rule of Redshift.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod copy;
mod copy_json;
mod ddl;
mod fault_injection;
mod fixture;
mod fnv_hash;
mod isolation;
mod json_values;
mod load_errors;
mod session;
mod sql_differences;
