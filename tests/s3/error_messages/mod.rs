//! S3 errors, and the one-line message for each.
//!
//! Every command here runs with `--json`, so that both the line on stderr and the JSON document are checked.

mod denied;
mod environment;
mod fixture;
mod retries;
