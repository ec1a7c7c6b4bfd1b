//! What the tests of the command share: a sandbox to run it in, and readers of its output.

pub mod dataset;
pub mod records;
pub mod sandbox;
