//! The commands and the log-in that use services of AWS around a warehouse.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod infra;
mod infra_crash_recovery;
mod infra_failures;
mod login;
mod login_leaks;
mod login_secrets;
mod login_support;
