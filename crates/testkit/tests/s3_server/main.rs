//! The S3 server behaves as S3 does, injects the faults that it is told to, and ends without a trace.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bucket_kinds;
mod conformance;
mod faults;
mod lifecycle;
mod raw_http;
