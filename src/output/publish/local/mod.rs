//! Publishes to a local folder, which contains either the old dataset or the new one at any time.
//!
//! A run writes to a staging folder next to the output folder, on the same file system, and holds a lock on it.
//! Publishing exchanges the two folders with one system call. A killed run leaves its staging folder, which the
//! next run empties and reuses.

mod dir_lock;
mod leftover_dir;
mod output_dir;
mod own_files;
mod staging_dir;

pub(in crate::output) use leftover_dir::LeftoverRunDir;
pub(in crate::output) use output_dir::CheckedOutputDir;
pub(in crate::output) use staging_dir::StagingDir;
