//! The built `sparkify` from outside: exit codes, streams, and what it leaves on the disk.
//!
//! One promise runs through all of it: a run ends with the new star, or with one line on stderr and
//! the earlier star as it was.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod compression;
mod data;
mod empty;
mod failed;
mod field_cases;
mod generate;
mod harness;
mod input;
mod places;
mod rejects;
mod star;
mod streams;
mod target;
mod usage;

// These look into /proc, mount file systems or rely on how Linux answers.
#[cfg(target_os = "linux")]
mod crash;
#[cfg(target_os = "linux")]
mod disk;
#[cfg(target_os = "linux")]
mod names;
#[cfg(target_os = "linux")]
mod permissions;
#[cfg(target_os = "linux")]
mod together;
