//! S3 as a run meets it: a server of our own on this machine, which can be made to fail as S3 does.
//!
//! What the binary is tested on must do what it says: so there are tests of the server itself too.

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
mod sparkify;
mod tally;
mod uploads;
mod wire;

// The tests of the server.
mod as_s3;
mod failures;
mod up_and_down;

// The tests of the binary.
mod cleaning;
mod dry_run;
mod errors;
mod options;
mod secrets;
