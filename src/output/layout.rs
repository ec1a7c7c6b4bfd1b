//! Names everything that a run writes. Staging, publishing, cleaning and loading go by these names, and so does the
//! check for files that sparkify did not write.
//!
//! ```text
//! OUT/_report.json                      the report, which marks a run as complete
//! OUT/songplays/part-00000.parquet      the parts of a table, merge_state/... among them
//! OUT/_rejects/logs-00000.jsonl         the rejects of a split
//! .OUT.sparkify-staging/, OUT.failed/   next to an output that is replaced: a run at work, a failed run
//!
//! OUT/latest.json                       if runs are kept side by side: names the newest complete run
//! OUT/RUN/...                           the same objects for each run, and in S3 the manifests of the tables
//! OUT/RUN/staging/logs.gzip.manifest    what the engine inside Redshift needs for COPY of the input
//! ```

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::run_id::RunId;
use crate::input::{InputCompression, RecordKind};
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;

/// The report of a complete run.
pub(crate) const REPORT_FILE: &str = "_report.json";

/// The report of a failed run. It differs from [`REPORT_FILE`], whose presence marks a run as complete.
pub(super) const FAILED_REPORT_FILE: &str = "_report.failed.json";

/// The folder of the reject files.
pub(crate) const REJECTS_DIR: &str = "_rejects";

/// The folder of what the engine inside Redshift needs for COPY.
const RAW_STAGING_DIR: &str = "staging";

/// The object that names the newest complete run, next to the runs.
pub(crate) const LATEST_FILE: &str = "latest.json";

/// The marker that `sparkify clean` writes below an abandoned run before it removes anything.
const REMOVAL_MARKER: &str = "_removing";

/// The suffix of the names of COPY manifests.
const MANIFEST_SUFFIX: &str = ".manifest";

/// The suffix of the names of staging folders.
const STAGING_SUFFIX: &str = ".sparkify-staging";

/// The suffix of the names of folders in which failed runs keep their rejects and report.
const FAILED_SUFFIX: &str = ".failed";

/// How the datasets of several runs are arranged at their output location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputArrangement {
    /// The location is a folder that contains the dataset of one run. The next run replaces it.
    Replace,
    /// Each run has a folder or a prefix of its own below the location, and `latest.json` names the newest.
    SideBySide,
}

/// A name of an object that no run writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownName;

/// An object of a run. Its text is its key relative to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunObject {
    /// A Parquet part of a table.
    Part {
        /// The table.
        table: &'static TableSchema,
        /// The number of the part.
        number: usize,
    },
    /// The COPY manifest of a table.
    Manifest(&'static TableSchema),
    /// The rejects of a split.
    Rejects {
        /// The kind of the records.
        kind: RecordKind,
        /// The number of the split.
        number: usize,
    },
    /// An object that Redshift reads to stage the input.
    RawStaging(RawStagingObject),
    /// The report of a complete run.
    Report,
    /// The report of a failed run.
    FailedReport,
    /// The marker of a run that is being removed.
    RemovalMarker,
}

/// An object that Redshift reads to stage the input of a run. None of the names ends like that of input, so that a run
/// over a prefix that contains another run does not read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RawStagingObject {
    /// The COPY manifest of the input objects of one kind and compression.
    Manifest {
        /// The kind of the records.
        kind: RecordKind,
        /// The compression of the objects.
        compression: Option<InputCompression>,
    },
    /// The keys of the records that become columns.
    JsonPaths(RecordKind),
    /// The list of all input objects.
    SourceObjects,
    /// The COPY manifest of that list.
    SourceObjectsManifest,
}

impl RawStagingObject {
    /// Returns all such objects.
    fn all() -> impl Iterator<Item = Self> {
        let of_kind = |kind| {
            let manifest = move |compression| Self::Manifest { kind, compression };
            let manifests = InputCompression::ALL_OR_NONE.into_iter().map(manifest);
            manifests.chain([Self::JsonPaths(kind)])
        };
        let of_kinds = [RecordKind::Song, RecordKind::Log]
            .into_iter()
            .flat_map(of_kind);
        of_kinds.chain([Self::SourceObjects, Self::SourceObjectsManifest])
    }
}

impl fmt::Display for RawStagingObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{RAW_STAGING_DIR}/")?;
        match self {
            Self::Manifest { kind, compression } => {
                f.write_str(kind.plural())?;
                if let Some(compression) = compression {
                    write!(f, ".{}", compression.name())?;
                }
                f.write_str(MANIFEST_SUFFIX)
            }
            Self::JsonPaths(kind) => write!(f, "{}.jsonpaths", kind.plural()),
            Self::SourceObjects => f.write_str("source_objects.jsonlines"),
            Self::SourceObjectsManifest => write!(f, "source_objects{MANIFEST_SUFFIX}"),
        }
    }
}

impl FromStr for RawStagingObject {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let object = Self::all().find(|object| object.to_string() == text);
        object.ok_or(UnknownName)
    }
}

impl RunObject {
    /// Returns the folders of a dataset, outer ones before inner ones.
    pub(crate) fn folders() -> impl Iterator<Item = &'static str> {
        let tables = SPARKIFY.dataset_tables().map(|table| table.dir);
        tables.chain([REJECTS_DIR])
    }

    /// Returns true if `path` is a folder of a run, or contains one.
    pub(crate) fn is_folder(path: &Path) -> bool {
        // A local copy of a run in S3 has that folder too.
        let mut folders = Self::folders().chain([RAW_STAGING_DIR]);
        folders.any(|folder| Path::new(folder).starts_with(path))
    }
}

impl fmt::Display for RunObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part { table, number } => write!(f, "{}/part-{number:05}.parquet", table.dir),
            Self::Manifest(table) => f.write_str(&manifest_key(table)),
            Self::Rejects { kind, number } => {
                write!(f, "{REJECTS_DIR}/{}-{number:05}.jsonl", kind.plural())
            }
            Self::RawStaging(object) => object.fmt(f),
            Self::Report => f.write_str(REPORT_FILE),
            Self::FailedReport => f.write_str(FAILED_REPORT_FILE),
            Self::RemovalMarker => f.write_str(REMOVAL_MARKER),
        }
    }
}

impl FromStr for RunObject {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let object = match text {
            REPORT_FILE => Self::Report,
            FAILED_REPORT_FILE => Self::FailedReport,
            REMOVAL_MARKER => Self::RemovalMarker,
            _ if Path::new(text).starts_with(RAW_STAGING_DIR) => Self::RawStaging(text.parse()?),
            _ => match text.strip_suffix(MANIFEST_SUFFIX) {
                Some(dir) => Self::Manifest(table_in(dir)?),
                None => parse_numbered(text)?,
            },
        };
        // Only what `Display` writes is a name of a run: not `part-1.parquet`.
        (object.to_string() == text)
            .then_some(object)
            .ok_or(UnknownName)
    }
}

/// Returns the key of the COPY manifest of a table, relative to the run.
pub(crate) fn manifest_key(table: &TableSchema) -> String {
    format!("{}{MANIFEST_SUFFIX}", table.dir)
}

/// Parses the name of a part or of a reject file.
fn parse_numbered(text: &str) -> Result<RunObject, UnknownName> {
    let (folder, file) = text.rsplit_once('/').ok_or(UnknownName)?;
    let (stem, _) = file.split_once('.').ok_or(UnknownName)?;
    let (name, digits) = stem.split_once('-').ok_or(UnknownName)?;
    let number = digits.parse().map_err(|_| UnknownName)?;
    if folder != REJECTS_DIR {
        let table = table_in(folder)?;
        return Ok(RunObject::Part { table, number });
    }
    let mut kinds = [RecordKind::Song, RecordKind::Log].into_iter();
    let kind = kinds.find(|kind| kind.plural() == name);
    let kind = kind.ok_or(UnknownName)?;
    Ok(RunObject::Rejects { kind, number })
}

fn table_in(dir: &str) -> Result<&'static TableSchema, UnknownName> {
    let table = SPARKIFY.dataset_tables().find(|table| table.dir == dir);
    table.ok_or(UnknownName)
}

/// An object of one of the runs at an output location. Its text is its key relative to the location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunObjectKey {
    /// The id of the run.
    pub run: RunId,
    /// The object.
    pub object: RunObject,
}

impl fmt::Display for RunObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.object)
    }
}

impl FromStr for RunObjectKey {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let (run, object) = text.split_once('/').ok_or(UnknownName)?;
        Ok(Self {
            run: run.parse().map_err(|_| UnknownName)?,
            object: object.parse()?,
        })
    }
}

/// A folder that a run creates next to a local output folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SiblingDir {
    /// The output of a run at work: `.NAME.sparkify-staging`.
    Staging,
    /// The rejects and the report of a failed run: `NAME.failed`.
    Failed,
}

impl SiblingDir {
    /// Returns the path of the folder next to an output folder with a name.
    pub(crate) fn path_beside(self, output: &Path) -> PathBuf {
        let mut name = OsString::new();
        if self == Self::Staging {
            name.push(".");
        }
        name.push(output.file_name().unwrap_or_default());
        name.push(self.suffix());
        output.with_file_name(name)
    }

    /// Returns true if a name ends like those of these folders.
    pub(crate) fn has_suffix(self, name: &OsStr) -> bool {
        name.as_encoded_bytes().ends_with(self.suffix().as_bytes())
    }

    /// Returns the end of the names.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Staging => STAGING_SUFFIX,
            Self::Failed => FAILED_SUFFIX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{InputListing, InputSelectionRules};
    use crate::storage::{ListResult, ObjectMeta, ObjectVersion};

    fn all_objects() -> Vec<RunObject> {
        let mut objects = vec![
            RunObject::Report,
            RunObject::FailedReport,
            RunObject::RemovalMarker,
        ];
        for table in SPARKIFY.dataset_tables() {
            objects.push(RunObject::Manifest(table));
            objects.extend([0, 7, 99_999, 100_000].map(|number| RunObject::Part { table, number }));
        }
        for kind in [RecordKind::Song, RecordKind::Log] {
            objects.extend([0, 100_000].map(|number| RunObject::Rejects { kind, number }));
        }
        objects.extend(RawStagingObject::all().map(RunObject::RawStaging));
        objects
    }

    #[test]
    fn every_name_parses_to_its_object() {
        for object in all_objects() {
            assert_eq!(object.to_string().parse(), Ok(object), "{object}");
            let run = "20261130T051153123Z-0123abcd".parse().unwrap();
            let key = RunObjectKey { run, object };
            assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn names_in_folders_are_in_folders_of_the_run() {
        for object in all_objects() {
            let name = object.to_string();
            let folder = Path::new(&name).parent().unwrap();
            assert!(RunObject::is_folder(folder), "{name}");
        }
        assert!(!RunObject::is_folder(Path::new("playlists")));
        assert!(!RunObject::is_folder(Path::new("songplays/old")));
    }

    #[test]
    fn what_is_staged_for_redshift_has_these_names() {
        let names: Vec<_> = RawStagingObject::all().map(|o| o.to_string()).collect();
        let expected = [
            "staging/songs.manifest",
            "staging/songs.gzip.manifest",
            "staging/songs.bzip2.manifest",
            "staging/songs.zstd.manifest",
            "staging/songs.jsonpaths",
            "staging/logs.manifest",
            "staging/logs.gzip.manifest",
            "staging/logs.bzip2.manifest",
            "staging/logs.zstd.manifest",
            "staging/logs.jsonpaths",
            "staging/source_objects.jsonlines",
            "staging/source_objects.manifest",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn raw_staging_names_are_not_input() {
        let mut level = ListResult::default();
        level
            .objects
            .extend(RawStagingObject::all().map(|object| ObjectMeta {
                key: object.to_string(),
                size: 1,
                version: ObjectVersion::Unknown,
            }));
        let mut listing = InputListing::default();
        let rules = InputSelectionRules::default();
        assert_eq!(listing.add(&rules, "", level).unwrap(), [""; 0]);
        assert_eq!(listing.objects, []);
    }

    #[test]
    fn other_names_are_unknown() {
        for name in [
            "",
            "report.json",
            "songplays",
            "songplays/part-1.parquet",
            "songplays/part-000001.parquet",
            "songplays/part-+0001.parquet",
            "songplays/part-00001.parquet.crc",
            "songplays/part-00001",
            "songplays/file-00001.parquet",
            "playlists/part-00001.parquet",
            "playlists.manifest",
            "_rejects/users-00001.jsonl",
            "_rejects/logs-00001.json",
            "x/_rejects/logs-00001.jsonl",
            "staging",
            "staging/",
            "staging/users.manifest",
            "staging/logs.gz.manifest",
            "staging/logs.gzip.jsonpaths",
            "staging/logs/logs.manifest",
            "staging//logs.manifest",
            "./staging/logs.manifest",
            "staging.manifest",
            "latest.json",
        ] {
            assert_eq!(name.parse::<RunObject>(), Err(UnknownName), "{name}");
        }
        let in_no_run = "2026/songplays/part-00001.parquet";
        assert_eq!(in_no_run.parse::<RunObjectKey>(), Err(UnknownName));
    }

    #[test]
    fn sibling_folders_keep_the_name_of_the_output() {
        let beside = |dir: SiblingDir| dir.path_beside(Path::new("/data/star"));
        let staging = beside(SiblingDir::Staging);
        assert_eq!(staging, Path::new("/data/.star.sparkify-staging"));
        assert_eq!(beside(SiblingDir::Failed), Path::new("/data/star.failed"));
        assert!(SiblingDir::Staging.has_suffix(staging.file_name().unwrap()));
        assert!(!SiblingDir::Staging.has_suffix("star".as_ref()));
    }
}
