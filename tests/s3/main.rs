//! S3 as a run meets it: a server of our own on this machine, which can be made to fail as S3 does.
//!
//! The server is tested itself, too: what others are tested on must do what it says.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asked;
mod backend;
mod client;
mod cut;
mod disk;
mod faults;
mod front;
mod listing;
mod reply;
mod server;
mod tally;
mod uploads;
mod wire;

// Tests of the server.
mod as_s3;
mod failures;
mod up_and_down;

// What tests on it share.
mod every;
mod job;
mod music;
mod star;

// Tests of stores.
mod ranges;
mod stores;
mod writes;

// Tests of runs.
mod deliveries;
mod hard;
mod publishing;
mod same;
mod together;

// The tests of the binary.
mod cleaning;
mod dry_run;
mod errors;
mod failed;
mod options;
mod places;
mod secrets;
