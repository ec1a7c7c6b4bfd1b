//! Shared parts of the command tests: a sandbox in which the binary runs, and readers of its output.

pub mod dataset_snapshot;
pub mod sample_data;
pub mod sandbox;
