//! Arguments that several commands share.

pub mod location;
pub mod s3;
pub mod warehouse;
