//! Every store, to be tried in the same way: a folder, and a bucket of a server.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use sparkify::storage::s3::S3Options;
use sparkify::storage::{
    ListMode, Location, ObjectMeta, ObjectRange, RangeReader, Store, StoreRegistry,
};
use tempfile::TempDir;

use crate::faults::Faults;
use crate::server::{REGION, Server};

/// The bucket that is tried.
pub const BUCKET: &str = "music";

/// A prefix that wants care on its way through URLs and XML.
const PREFIX: &str = "in/ä b+c%2F&<d>";

/// A store, and the folder that it is on.
pub struct Case {
    pub name: &'static str,
    pub folder: PathBuf,
    /// The server, if there is one.
    pub server: Option<Server>,
    place: Location,
    stores: StoreRegistry,
    _root: Option<TempDir>,
}

/// Tries all stores.
pub fn every_store(test: impl Fn(&Case)) {
    let (root, server) = (TempDir::new().unwrap(), Server::public(Faults::new()));
    test(&Case::local(root));
    test(&Case::s3(server));
}

/// What users would have to say to reach a server that everyone may use.
pub fn options(server: &Server) -> S3Options {
    S3Options {
        endpoint_url: Some(server.endpoint()),
        region: Some(REGION.to_owned()),
        no_sign_request: true,
        ..S3Options::default()
    }
}

impl Case {
    fn local(root: TempDir) -> Self {
        let folder = root.path().join(PREFIX);
        fs::create_dir_all(&folder).unwrap();
        Self {
            name: "local",
            place: Location::Local(folder.clone()),
            folder,
            server: None,
            stores: StoreRegistry::default(),
            _root: Some(root),
        }
    }

    /// A prefix of a bucket.
    pub fn s3(server: Server) -> Self {
        let folder = server.bucket(BUCKET).join(PREFIX);
        fs::create_dir_all(&folder).unwrap();
        Self {
            name: "s3",
            folder,
            place: Location::S3 {
                bucket: BUCKET.to_owned(),
                prefix: PREFIX.to_owned(),
            },
            stores: StoreRegistry::new(options(&server)),
            server: Some(server),
            _root: None,
        }
    }

    /// The same with fewer requests at a time.
    pub fn with_requests(mut self, requests: usize) -> Self {
        let server = self.server.as_ref().unwrap();
        self.stores = StoreRegistry::new(S3Options {
            max_concurrent_requests: requests,
            ..options(server)
        });
        self
    }

    /// The store of the prefix.
    pub fn store(&self) -> Box<dyn Store> {
        self.stores.open(&self.place).unwrap()
    }

    /// The store of what is named so below the prefix.
    pub fn store_of(&self, name: &str) -> Box<dyn Store> {
        self.stores.open(&self.place.join(name)).unwrap()
    }

    /// How users write what is named so.
    pub fn url(&self, name: &str) -> String {
        match self.server {
            None => self.folder.join(name).display().to_string(),
            Some(_) => format!("s3://{BUCKET}/{PREFIX}/{name}"),
        }
    }

    /// Writes objects behind the back of the store.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Reads one behind the back of the store.
    pub fn get(&self, key: &str) -> Vec<u8> {
        fs::read(self.folder.join(key)).unwrap()
    }

    /// Range readers want entries as they were listed.
    pub fn listed(&self) -> BTreeMap<String, ObjectMeta> {
        let all = everything(self.store().as_ref(), ListMode::Recursive);
        all.into_iter().map(|e| (e.key.clone(), e)).collect()
    }

    /// A reader of ranges of objects: their keys, from where, and until where.
    pub fn read(&self, ranges: &[(&str, u64, u64)]) -> Box<dyn RangeReader> {
        let listed = self.listed();
        let ranges = ranges.iter().map(|&(key, from, until)| ObjectRange {
            object: listed[key].clone(),
            start: from,
            expected_end: until,
        });
        self.store().read_ranges(ranges.collect())
    }
}

/// All objects of a store, found by going down its prefixes.
pub fn everything(store: &dyn Store, depth: ListMode) -> Vec<ObjectMeta> {
    let mut found = Vec::new();
    let mut prefixes = vec![String::new()];
    while let Some(prefix) = prefixes.pop() {
        let level = store.list(&prefix, depth).unwrap();
        assert!(level.unreadable.is_empty());
        found.extend(level.objects);
        prefixes.extend(level.common_prefixes);
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}
