//! Shared parts of the command tests: a sandbox in which the binary runs, and readers of its output.

pub mod dataset;
pub mod records;
pub mod sandbox;
