//! One conformance suite for every store: a local directory, a bucket of the test server, and memory.

mod list;
mod put;
mod read;
mod write;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sparkify::config::AwsOptions;
use sparkify::config::Location;
use sparkify::config::S3Options;
use sparkify::internals::storage::{
    ListMode, MemoryStore, ObjectMeta, ObjectRange, PutMode, PutResult, RangeReader, Store,
    StoreOpener,
};
use tempfile::TempDir;
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::{REGION, S3Server};

/// The bucket of the S3 store.
pub const BUCKET: &str = "music";

/// A prefix that needs escaping in URLs and XML.
const PREFIX: &str = "in/ä b+c%2F&<d>";

/// A store under test.
pub struct StoreUnderTest {
    pub name: &'static str,
    /// The server of an S3 store.
    pub server: Option<S3Server>,
    backing: Backing,
}

/// Where the objects are.
enum Backing {
    /// In a directory, to which a location leads.
    Directory {
        folder: PathBuf,
        location: Location,
        registry: Box<StoreOpener>,
        _root: Option<TempDir>,
    },
    /// In memory.
    Memory(MemoryStore),
}

/// Runs a test on every store.
pub fn for_each_store(test: impl Fn(&StoreUnderTest)) {
    for_each_store_with_location(&test);
    test(&StoreUnderTest::memory());
}

/// Runs a test on every store that a location leads to.
pub fn for_each_store_with_location(test: impl Fn(&StoreUnderTest)) {
    let (root, server) = (
        TempDir::new().unwrap(),
        S3Server::anonymous(FaultPlan::new()),
    );
    test(&StoreUnderTest::local(root));
    test(&StoreUnderTest::s3(server));
}

/// Returns the options with which a user reaches a server that accepts unsigned requests.
pub fn anonymous_options(server: &S3Server) -> S3Options {
    S3Options {
        aws: AwsOptions {
            endpoint_url: Some(server.endpoint()),
            region: Some(REGION.to_owned()),
            no_sign_request: true,
            ..AwsOptions::default()
        },
        ..S3Options::default()
    }
}

impl StoreUnderTest {
    fn local(root: TempDir) -> Self {
        let folder = root.path().join(PREFIX);
        fs::create_dir_all(&folder).unwrap();
        Self {
            name: "local",
            server: None,
            backing: Backing::Directory {
                location: Location::Local(folder.clone()),
                folder,
                registry: Box::default(),
                _root: Some(root),
            },
        }
    }

    /// Returns a store on a prefix of a bucket.
    pub fn s3(server: S3Server) -> Self {
        let folder = server.bucket(BUCKET).join(PREFIX);
        fs::create_dir_all(&folder).unwrap();
        Self {
            name: "s3",
            backing: Backing::Directory {
                folder,
                location: Location::S3 {
                    bucket: BUCKET.to_owned(),
                    prefix: PREFIX.to_owned(),
                },
                registry: Box::new(StoreOpener::new(anonymous_options(&server))),
                _root: None,
            },
            server: Some(server),
        }
    }

    fn memory() -> Self {
        Self {
            name: "memory",
            server: None,
            backing: Backing::Memory(MemoryStore::new()),
        }
    }

    /// Limits the number of concurrent requests.
    pub fn with_max_requests(mut self, requests: usize) -> Self {
        let server = self.server.as_ref().unwrap();
        let Backing::Directory { registry, .. } = &mut self.backing else {
            panic!("no requests are sent to {}", self.name);
        };
        **registry = StoreOpener::new(S3Options {
            max_concurrent_requests: requests,
            ..anonymous_options(server)
        });
        self
    }

    /// Returns the store of the prefix.
    pub fn store(&self) -> Box<dyn Store> {
        match &self.backing {
            Backing::Directory {
                location, registry, ..
            } => registry.open(location).unwrap(),
            Backing::Memory(store) => Box::new(store.clone()),
        }
    }

    /// Returns the store of a location below the prefix.
    pub fn store_at(&self, name: &str) -> Box<dyn Store> {
        match &self.backing {
            Backing::Directory {
                location, registry, ..
            } => registry.open(&location.join(name)).unwrap(),
            Backing::Memory(store) => store.subfolder(name),
        }
    }

    /// Returns the location that a user writes for a name below the prefix.
    pub fn url(&self, name: &str) -> String {
        match self.server {
            None => self.path(name).display().to_string(),
            Some(_) => format!("s3://{BUCKET}/{PREFIX}/{name}"),
        }
    }

    /// Returns the file of an object.
    pub fn path(&self, key: &str) -> PathBuf {
        match &self.backing {
            Backing::Directory { folder, .. } => folder.join(key),
            Backing::Memory(_) => panic!("no file of {key} in memory"),
        }
    }

    /// Writes an object, if possible without using the store.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        if let Backing::Memory(store) = &self.backing {
            let put = store.put(key, bytes.as_ref().to_vec(), PutMode::Overwrite);
            assert_eq!(put.unwrap(), PutResult::Written);
            return;
        }
        let path = self.path(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Reads an object, if possible without using the store.
    pub fn get(&self, key: &str) -> Vec<u8> {
        match &self.backing {
            Backing::Directory { .. } => fs::read(self.path(key)).unwrap(),
            Backing::Memory(store) => store.get(key).unwrap().unwrap().bytes,
        }
    }

    /// Returns the listed metadata of all objects by key, as range readers expect it.
    pub fn list_by_key(&self) -> BTreeMap<String, ObjectMeta> {
        let all = list_everything(self.store().as_ref(), ListMode::Recursive);
        all.into_iter().map(|e| (e.key.clone(), e)).collect()
    }

    /// Opens a reader of ranges, each given by key, start and end.
    pub fn open_ranges(&self, ranges: &[(&str, u64, u64)]) -> Box<dyn RangeReader> {
        let listed = self.list_by_key();
        let ranges = ranges.iter().map(|&(key, from, until)| ObjectRange {
            object: listed[key].clone(),
            start: from,
            expected_end: until,
        });
        self.store().read_ranges(ranges.collect())
    }
}

/// Returns all objects of a store, found by listing every prefix.
pub fn list_everything(store: &dyn Store, depth: ListMode) -> Vec<ObjectMeta> {
    let mut found = Vec::new();
    let mut prefixes = vec![String::new()];
    while let Some(prefix) = prefixes.pop() {
        let listing = store.list(&prefix, depth).unwrap();
        assert!(listing.unreadable.is_empty());
        found.extend(listing.objects);
        prefixes.extend(listing.common_prefixes);
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}
