//! Detects the format of objects from their first bytes, before they are divided into splits.

use std::io::Read;

use rayon::prelude::*;

use super::thread_pool::build_thread_pool;
use crate::decode::sniff::{MAX_SNIFF_BYTES, RecordLayout, detect_layout};
use crate::error::{Error, Result};
use crate::input::{
    CompressionDetection, InputCompression, InputObject, SplitSet, detect_compression, plan_splits,
};
use crate::storage::Store;

/// Plans the splits. The first bytes of an object are sniffed before it is divided, because a compressed object
/// can only be read from its beginning, and its name does not always say that it is compressed.
pub(super) fn plan_with_sniffing(
    stores: &[Box<dyn Store>],
    objects: &mut [InputObject],
    split_bytes: Option<u64>,
) -> Result<SplitSet> {
    let first = plan_splits(objects, split_bytes);
    if !sniff_objects(stores, objects, first.split_objects())? {
        return Ok(first);
    }
    // Other objects may be divided instead.
    let may_be_split = |object: &InputObject| {
        object.is_splittable() && !object.is_sniffed && object.meta.size > first.max_unsplit_bytes
    };
    let numbers = (0..objects.len())
        .filter(|&number| may_be_split(&objects[number]))
        .collect();
    sniff_objects(stores, objects, numbers)?;
    Ok(plan_splits(objects, split_bytes))
}

/// Sniffs the first bytes of the objects with these numbers, in parallel. Returns true if any of the objects
/// cannot be divided, because it is compressed although its name does not say so, or because it has another
/// format.
fn sniff_objects(
    stores: &[Box<dyn Store>],
    objects: &mut [InputObject],
    numbers: Vec<usize>,
) -> Result<bool> {
    let sniff_all = || {
        let sniffed = numbers.par_iter().map(|&number| {
            let object = &objects[number];
            sniff_object(stores[object.location_index as usize].as_ref(), object)
        });
        sniffed.collect::<Result<Vec<_>>>()
    };
    let requests = stores
        .iter()
        .find_map(|store| store.max_concurrent_requests());
    let sniffed = match requests.filter(|_| !numbers.is_empty()) {
        None => sniff_all()?,
        Some(requests) => build_thread_pool(requests)?.install(sniff_all)?,
    };
    let mut any_unsplittable = false;
    for (number, format) in numbers.into_iter().zip(sniffed) {
        let object = &mut objects[number];
        (object.compression, object.layout) = (format.compression, format.layout);
        object.is_sniffed = true;
        any_unsplittable |= !object.is_splittable();
    }
    Ok(any_unsplittable)
}

/// The format of an object, by its first bytes.
struct SniffedFormat {
    compression: Option<InputCompression>,
    layout: RecordLayout,
}

/// Detects the compression and the record layout of an object that is not compressed according to its name.
#[expect(
    clippy::expect_used,
    reason = "all bytes that are sniffed are passed as complete"
)]
fn sniff_object(store: &dyn Store, object: &InputObject) -> Result<SniffedFormat> {
    let mut first = Vec::new();
    let mut reader = store.read_ranges(vec![object.range(0, MAX_SNIFF_BYTES as u64)]);
    reader.next_range()?;
    let read = reader.take(MAX_SNIFF_BYTES as u64).read_to_end(&mut first);
    read.map_err(|e| Error::io("cannot read", store.display(&object.meta.key).as_ref(), e))?;
    let compression = match detect_compression(&first, true, None) {
        CompressionDetection::Compressed(compression) => Some(compression),
        CompressionDetection::Uncompressed | CompressionDetection::NeedInput => None,
    };
    Ok(SniffedFormat {
        compression,
        layout: detect_layout(&first, true).expect("complete bytes have a layout"),
    })
}
