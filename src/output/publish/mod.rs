//! Publishing a complete output as one step: a folder is exchanged, a bucket gets a new `latest.json`.

pub(super) mod local;
pub(super) mod s3;
