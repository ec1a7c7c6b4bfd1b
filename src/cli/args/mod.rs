//! Arguments that several commands share.

pub(super) mod engine;
pub(super) mod location;
pub(super) mod logging;
pub(super) mod monitoring;
pub(super) mod s3;
pub(super) mod time_bound;
pub(super) mod time_zone;
pub(super) mod warehouse;
