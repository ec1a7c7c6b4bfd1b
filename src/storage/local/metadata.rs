//! Converts the metadata of files.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::storage::store::{ObjectMeta, ObjectVersion};

/// Returns an entry of a listing.
pub(super) fn object_meta(key: String, metadata: &fs::Metadata) -> ObjectMeta {
    ObjectMeta {
        key,
        size: metadata.len(),
        version: mtime_version(metadata),
    }
}

/// Returns the modification time and inode, which come with the size at no extra cost.
pub(super) fn mtime_version(metadata: &fs::Metadata) -> ObjectVersion {
    let seconds = metadata.mtime().checked_mul(1_000_000_000);
    let nanoseconds = seconds.and_then(|seconds| seconds.checked_add(metadata.mtime_nsec()));
    let inode = metadata.ino();
    nanoseconds.map_or(ObjectVersion::Unknown, |nanoseconds| ObjectVersion::Mtime {
        nanoseconds,
        inode,
    })
}
