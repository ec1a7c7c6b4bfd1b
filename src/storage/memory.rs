//! Implements [`Store`] in memory, for tests.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Buf, Bytes};

use super::store::{
    ListMode, ListResult, ObjectContents, ObjectMeta, ObjectRange, ObjectVersion, PutMode,
    PutResult, RangeReader, Store, Upload,
};
use crate::error::{Error, Result};

/// A store of objects in memory. Clones share the objects.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<Objects>>,
    /// The prefix of all keys: empty, or ending in `/`.
    prefix: String,
}

#[derive(Debug, Default)]
struct Objects {
    by_key: BTreeMap<String, MemoryObject>,
    /// The number of objects written so far, which makes versions distinct.
    writes: u64,
}

#[derive(Debug, Clone)]
struct MemoryObject {
    bytes: Bytes,
    version: ObjectVersion,
    /// When the object was written, in seconds since 1970.
    written_at: i64,
}

impl Objects {
    fn insert(&mut self, key: String, bytes: Bytes) {
        self.writes += 1;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let object = MemoryObject {
            bytes,
            version: ObjectVersion::ETag(self.writes.to_string().into()),
            written_at: since_epoch.map_or(0, |time| time.as_secs().cast_signed()),
        };
        self.by_key.insert(key, object);
    }
}

impl MemoryStore {
    /// Creates an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn full_key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        // No operation leaves the map in between two states.
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn list(&self, prefix: &str, mode: ListMode) -> Result<ListResult> {
        let full_prefix = self.full_key(prefix);
        let objects = self.lock();
        let mut listing = ListResult::default();
        let from_prefix = objects.by_key.range(full_prefix.clone()..);
        for (full_key, object) in from_prefix {
            let Some(rest) = full_key.strip_prefix(&full_prefix) else {
                break;
            };
            if mode == ListMode::Delimited
                && let Some((folder, _)) = rest.split_once('/')
            {
                let folder = format!("{prefix}{folder}/");
                if listing.common_prefixes.last() != Some(&folder) {
                    listing.common_prefixes.push(folder);
                }
                continue;
            }
            listing.last_modified = listing.last_modified.max(Some(object.written_at));
            listing.objects.push(ObjectMeta {
                key: format!("{prefix}{rest}"),
                size: object.bytes.len() as u64,
                version: object.version.clone(),
            });
        }
        Ok(listing)
    }

    fn read_ranges(&self, ranges: Vec<ObjectRange>) -> Box<dyn RangeReader> {
        Box::new(MemoryRangeReader {
            store: self.clone(),
            ranges: ranges.into_iter(),
            rest: Bytes::new(),
        })
    }

    fn get(&self, key: &str) -> Result<Option<ObjectContents>> {
        let objects = self.lock();
        let object = objects.by_key.get(&self.full_key(key));
        Ok(object.map(|object| ObjectContents {
            bytes: object.bytes.to_vec(),
            version: object.version.clone(),
        }))
    }

    fn put(&self, key: &str, bytes: Vec<u8>, mode: PutMode) -> Result<PutResult> {
        let key = self.full_key(key);
        let mut objects = self.lock();
        let existing = objects.by_key.get(&key);
        let holds = match mode {
            PutMode::Overwrite => true,
            PutMode::Create => existing.is_none(),
            PutMode::Update(version) => existing.is_some_and(|object| object.version == version),
        };
        if !holds {
            return Ok(PutResult::ConditionFailed);
        }
        objects.insert(key, bytes.into());
        Ok(PutResult::Written)
    }

    fn create(&self, key: &str) -> Result<Box<dyn Upload>> {
        Ok(Box::new(MemoryUpload {
            store: self.clone(),
            key: self.full_key(key),
            bytes: Vec::new(),
        }))
    }

    fn delete(&self, keys: &[String]) -> Result<()> {
        let mut objects = self.lock();
        for key in keys {
            objects.by_key.remove(&self.full_key(key));
        }
        Ok(())
    }

    fn subfolder(&self, prefix: &str) -> Box<dyn Store> {
        Box::new(Self {
            objects: Arc::clone(&self.objects),
            prefix: format!("{}{prefix}/", self.prefix),
        })
    }

    fn display(&self, key: &str) -> String {
        format!("memory:/{}", self.full_key(key))
    }

    fn absolute_name(&self, key: &str) -> String {
        self.display(key)
    }
}

/// Reads ranges of the objects as they were listed.
struct MemoryRangeReader {
    store: MemoryStore,
    ranges: std::vec::IntoIter<ObjectRange>,
    /// The rest of the object of the current range.
    rest: Bytes,
}

impl RangeReader for MemoryRangeReader {
    fn next_range(&mut self) -> Result<()> {
        self.rest = Bytes::new();
        let Some(range) = self.ranges.next() else {
            return Ok(());
        };
        let key = &range.object.key;
        let objects = self.store.lock();
        let object = objects.by_key.get(&self.store.full_key(key));
        let Some(object) = object.filter(|object| object.version == range.object.version) else {
            return Err(
                Error::failed(format!("cannot read {}", self.store.display(key)))
                    .with_reason("the object changed after it was listed"),
            );
        };
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        self.rest = object.bytes.slice(start.min(object.bytes.len())..);
        Ok(())
    }
}

impl Read for MemoryRangeReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = to.len().min(self.rest.len());
        let (read, _) = to.split_at_mut(count);
        self.rest.copy_to_slice(read);
        Ok(count)
    }
}

/// Collects an object, and stores it when it is finished.
struct MemoryUpload {
    store: MemoryStore,
    key: String,
    bytes: Vec<u8>,
}

impl Write for MemoryUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for MemoryUpload {
    fn finish(self: Box<Self>) -> Result<u64> {
        let Self { store, key, bytes } = *self;
        let length = bytes.len() as u64;
        store.lock().insert(key, bytes.into());
        Ok(length)
    }
}
