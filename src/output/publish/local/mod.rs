//! Publishes to a local folder.
//!
//! **A run without a warehouse** replaces the folder, which contains either the old dataset or the new one at any time.
//! It writes to a staging folder next to the output folder, on the same file system, and holds a lock on it.
//! Publishing exchanges the two folders with one system call. A killed run leaves its staging folder, which the
//! next run empties and reuses.
//!
//! **A run with a warehouse** writes to a folder of its own below the output folder, as in S3
//! ([`side_by_side`](super::side_by_side)). It holds a shared lock on the output folder ([`RunsDir`]), which a run that
//! replaces it would lock exclusively.

mod dir_lock;
mod leftover_dir;
mod output_dir;
mod own_files;
mod runs_dir;
mod staging_dir;

pub(in crate::output) use leftover_dir::LeftoverRunDir;
pub(in crate::output) use output_dir::CheckedOutputDir;
pub(in crate::output) use runs_dir::RunsDir;
pub(in crate::output) use staging_dir::StagingDir;
