//! Publishes a complete output atomically: a folder is exchanged, a bucket gets a new `latest.json`.

pub(super) mod local;
pub(super) mod s3;
