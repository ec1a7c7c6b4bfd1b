//! Checks every link of the chain from the input to the warehouse, and says what to do about a broken one.
//!
//! - `check_id` names the checks, `check` says how one came out, and `checkup` runs them in order: a check that needs
//!   another one which failed is skipped, so that a fault is named once.
//! - `versions` and `disk` look at this machine, `s3_access` at the way to S3, `aws_identity` at the credentials, `input`
//!   at the songs and logs, and `output` at the output, where `probe_objects` removes what the checks write.
//! - `network` goes from the name of a server to its certificate, and `warehouse` from the login to the tables.
//! - `cluster_host` takes the host name of a cluster apart. `bucket_policy`, `cluster_role` and `role_reads` ask whether
//!   the COPY of a load can read the output.

#[cfg(feature = "cloud")]
mod attached_roles;
mod aws_identity;
mod bucket_policy;
mod check;
mod check_id;
mod checkup;
mod cluster_host;
mod cluster_role;
mod disk;
mod input;
mod network;
mod output;
mod probe_objects;
mod role_reads;
mod s3_access;
mod versions;
mod warehouse;

pub use check::{CheckResult, CheckStatus};
pub use check_id::CheckId;
pub(crate) use checkup::Checkup;
pub(crate) use disk::{DiskNeeds, check_disk};
pub(crate) use input::{check_input, check_log_jsonpaths};
pub(crate) use output::{check_local_output, check_s3_output};
pub(crate) use s3_access::{BucketHeads, check_s3_access};
pub(crate) use versions::check_versions;
pub(crate) use warehouse::{CopySource, check_warehouse};
