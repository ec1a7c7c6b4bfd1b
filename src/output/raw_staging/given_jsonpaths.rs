//! Reads a JSONPaths file of the user.

use super::jsonpaths::check_jsonpaths;
use crate::error::{Error, Result};
use crate::input::{CompressionDetection, detect_compression};
use crate::model::{RecordSchema, staging_column_name};
use crate::storage::{ListMode, Location, StoreOpener};

/// The maximum size of a file in bytes, far above that of any list of the known keys.
const MAX_BYTES: u64 = 1_000_000;

/// The hint of a file that cannot be read.
const HINT: &str = "check --log-jsonpath, or LOG_JSONPATH in the --config file";

/// A JSONPaths file that was given by the user, after it was checked.
#[derive(Debug, Clone)]
pub struct GivenJsonPaths {
    /// The contents.
    pub(super) json: Vec<u8>,
    /// The columns of its paths, in their order.
    pub(super) columns: Vec<String>,
}

impl GivenJsonPaths {
    /// Reads and checks the JSONPaths file for records.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, if COPY would refuse it, or if its paths are not those of the known
    /// keys of the records, each of them once.
    pub fn read(
        stores: &StoreOpener,
        location: &Location,
        record: &'static RecordSchema,
    ) -> Result<Self> {
        let json = read_file(stores, location)?;
        let refused = |reason: String| {
            let keys = record.known_keys().join(", ");
            Error::usage(format!("cannot use the JSONPaths file {location}"))
                .with_reason(reason)
                .with_hint(format!(
                    "leave out --log-jsonpath and LOG_JSONPATH, or write one JSON object {{\"jsonpaths\": [...]}} with a path such as $['key'] \
                     for each of these keys: {keys}"
                ))
        };
        let compression = detect_compression(&json, true, None);
        if let CompressionDetection::Compressed(compression) = compression {
            let name = compression.name();
            return Err(refused(format!("it is compressed with {name}")));
        }
        let keys = check_jsonpaths(&json, record).map_err(refused)?;
        tracing::debug!(%location, "checked the JSONPaths file");
        Ok(Self {
            columns: keys.into_iter().map(staging_column_name).collect(),
            json,
        })
    }
}

/// Reads a small file or object.
fn read_file(stores: &StoreOpener, location: &Location) -> Result<Vec<u8>> {
    let cannot_read = |reason: &str| {
        Error::failed(format!("cannot read {location}"))
            .with_reason(reason)
            .with_hint(HINT)
    };
    let too_large = || cannot_read("it has more than 1 MB, which is too much for a JSONPaths file");
    if matches!(location, Location::Local(path) if path.is_dir()) {
        return Err(cannot_read("it is a folder, expected a JSONPaths file"));
    }
    let opened = stores.open(location);
    let store = opened.map_err(|error| error.or_hint(HINT))?;
    let objects = store.list("", ListMode::Delimited)?.objects;
    // If no object has this key, the store has the objects below it.
    let is_named = |key: &str| match location {
        Location::Local(_) => true,
        Location::S3 { .. } => store.absolute_name(key) == location.to_string(),
    };
    let object = objects.iter().find(|object| is_named(&object.key));
    let Some(object) = object else {
        return Err(cannot_read("there is no such object, or it is empty"));
    };
    if object.size > MAX_BYTES {
        return Err(too_large());
    }
    let contents = store.get(&object.key)?;
    let contents = contents.ok_or_else(|| cannot_read("it was removed"))?;
    if contents.bytes.len() as u64 > MAX_BYTES {
        return Err(too_large());
    }
    Ok(contents.bytes)
}
