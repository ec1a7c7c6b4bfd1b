//! The warehouse: where a published star is loaded, the end of the data path.

pub mod address;
pub mod session;
