//! Keeps objects as files in a folder.

mod metadata;
mod reader;
mod store;
mod writer;

pub use store::LocalStore;
pub(crate) use writer::is_temporary_file;
