//! Publishes a complete output atomically: a folder is exchanged, or `latest.json` is replaced beside the runs.

pub(super) mod local;
pub(super) mod side_by_side;
pub(super) mod unknown_publication;
