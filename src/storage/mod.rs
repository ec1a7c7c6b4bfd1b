//! Lists, reads and writes objects in local folders, in S3 and in memory.
//!
//! Input is read from and output is written to a [`Store`], which covers everything below one prefix. A key
//! is an object's name relative to that prefix, with `/` between its parts.

mod bucket_name;
mod chained_reader;
mod local;
mod location;
mod memory;
mod opener;
pub(crate) mod s3;
mod store;

pub(crate) use bucket_name::ACCESS_POINT_ALIAS_HINT;
pub(crate) use chained_reader::ChainedReader;
pub use local::LocalStore;
pub(crate) use local::is_temporary_file;
pub(crate) use location::GLOB_METACHARACTERS;
pub use location::Location;
pub(crate) use location::{resolve_existing_prefix, s3_url_hint};
pub use memory::MemoryStore;
pub use opener::StoreOpener;
pub(crate) use store::{IncompleteUpload, ListResult, ObjectContents, Upload};
pub use store::{
    ListMode, ObjectMeta, ObjectRange, ObjectVersion, PutMode, PutResult, RangeReader, Store,
};
