//! An S3 server in this process, which can be made to fail as S3 does.
//!
//! It is [s3s-fs](https://crates.io/crates/s3s-fs) with the operations of its own in which that crate differs
//! from S3: listings in pages, ETags, conditional reads and writes, multipart uploads, batch deletes and the
//! error codes that sparkify tells apart. A proxy in front of it records requests and injects faults: error
//! responses, truncated bodies, stalls, and connections that end before, during or after a request.
//! `tests/s3_server` states what it imitates.
//!
//! A [proxy](forward_proxy) can stand in front of it, and it has a TLS port for the host names of S3.
//!
//! A bucket whose name ends in `--x-s3` is a [directory bucket](directory_bucket). A [policy](policy::Policy) limits
//! what requests may do; without one any signed request may do anything, except for deletes that a
//! [fault plan](faults::FaultPlan::deny_delete) denies.
//!
//! It does not simulate: regions and redirects (they are injected as errors), bucket policies that deny something, versions of objects, encryption with keys
//! of KMS, request payment, or the request limits of a prefix.

pub mod bucket_dir;
pub mod customer_keys;
pub mod directory_bucket;
pub mod error_response;
pub mod fault_proxy;
pub mod faults;
pub mod forward_proxy;
pub mod listing;
pub mod pending_uploads;
pub mod policy;
pub mod request;
pub mod request_log;
pub mod s3_api;
pub mod sdk_client;
pub mod server;
pub(crate) mod tls;
pub mod truncated_body;
mod virtual_host;
