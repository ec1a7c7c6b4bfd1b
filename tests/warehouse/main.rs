//! The warehouse, on a real PostgreSQL that is started for these tests and gone after them.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod postgres;
mod redshift;
mod redshift_rules;
