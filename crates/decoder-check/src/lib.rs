//! The decoder of sparkify on bytes in memory, compared with the reference of `testkit`. The property tests of
//! this crate and the fuzz target use it.

pub mod comparison;
pub mod driver;
