//! Plans which objects are written, and which COPYs read them.

use super::given_jsonpaths::GivenJsonPaths;
use super::raw_source::{RawObject, RawSource};
use crate::input::{InputCompression, RecordKind};
use crate::model::staging_column_name;
use crate::output::layout::{RawStagingObject, RunObject};
use crate::storage::Location;

/// What a run writes for Redshift before its COPYs. Nothing is written before [`upload`](Self::upload).
#[derive(Debug)]
pub struct RawStagingPlan<'a> {
    /// The COPYs of the records: one for each kind and compression that has objects with contents.
    pub copies: Vec<RawCopy>,
    /// The URL of the manifest of the list of source objects, which has a row for each object.
    pub source_objects_manifest: String,
    /// The URL of that list.
    pub(super) source_objects: String,
    /// The songs and the logs.
    pub(super) sources: [&'a RawSource; 2],
    /// The JSONPaths file of the user for the logs.
    pub(super) log_jsonpaths: Option<&'a GivenJsonPaths>,
}

/// A COPY of the objects of one kind that have the same compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCopy {
    /// The kind of the records.
    pub kind: RecordKind,
    /// The parameter of COPY for the compression of the objects.
    pub compression: Option<&'static str>,
    /// The URL of the manifest.
    pub manifest: String,
    /// The URL of the JSONPaths file.
    pub jsonpaths: String,
    /// The columns, in the order of the paths.
    pub columns: Vec<String>,
    /// The number of objects.
    pub objects: u64,
    /// The size of the objects in bytes, as stored.
    pub bytes: u64,
}

impl<'a> RawStagingPlan<'a> {
    /// Plans what the run at `run` writes for its songs and logs. `log_jsonpaths` is the JSONPaths file of the user for
    /// the logs, if there is one.
    pub fn new(
        run: &Location,
        songs: &'a RawSource,
        logs: &'a RawSource,
        log_jsonpaths: Option<&'a GivenJsonPaths>,
    ) -> Self {
        let url = |object| {
            run.join(&RunObject::RawStaging(object).to_string())
                .to_string()
        };
        let mut plan = Self {
            copies: Vec::new(),
            source_objects_manifest: url(RawStagingObject::SourceObjectsManifest),
            source_objects: url(RawStagingObject::SourceObjects),
            sources: [songs, logs],
            log_jsonpaths,
        };
        for source in plan.sources {
            let kind = source.kind;
            let given = plan.given_jsonpaths(kind);
            for compression in InputCompression::ALL_OR_NONE {
                let (mut objects, mut bytes) = (0, 0);
                for object in objects_to_copy(source, compression) {
                    objects += 1;
                    bytes += object.bytes;
                }
                // COPY fails if a manifest lists nothing.
                if objects == 0 {
                    continue;
                }
                let keys = || source.record.known_keys().into_iter();
                plan.copies.push(RawCopy {
                    kind,
                    compression: compression.map(copy_parameter),
                    manifest: url(RawStagingObject::Manifest { kind, compression }),
                    jsonpaths: url(RawStagingObject::JsonPaths(kind)),
                    columns: given.map_or_else(
                        || keys().map(staging_column_name).collect(),
                        |given| given.columns.clone(),
                    ),
                    objects,
                    bytes,
                });
            }
        }
        plan
    }

    /// Returns the JSONPaths file of the user for a kind of record.
    pub(super) fn given_jsonpaths(&self, kind: RecordKind) -> Option<&'a GivenJsonPaths> {
        match kind {
            RecordKind::Song => None,
            RecordKind::Log => self.log_jsonpaths,
        }
    }
}

/// Returns the objects of a source that COPY reads with a compression. Those without contents have no records, and are
/// no valid gzip files.
pub(super) fn objects_to_copy(
    source: &RawSource,
    compression: Option<InputCompression>,
) -> impl Iterator<Item = &RawObject> {
    let objects = source.objects.iter();
    objects.filter(move |object| object.bytes > 0 && object.compression() == compression)
}

/// Returns the parameter of COPY for a compression.
fn copy_parameter(compression: InputCompression) -> &'static str {
    match compression {
        InputCompression::Gzip => "GZIP",
        InputCompression::Bzip2 => "BZIP2",
        InputCompression::Zstd => "ZSTD",
    }
}
