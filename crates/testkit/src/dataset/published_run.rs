//! The runs that were published to a bucket.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::dataset::contents::DatasetContents;
use crate::dir_contents::FilesByPath;
use crate::s3_server::server::S3Server;

/// The directories of all tables.
const TABLE_DIRS: [&str; 10] = [
    "artists",
    "songplays",
    "songs",
    "time",
    "users",
    "merge_state/artists",
    "merge_state/source_objects",
    "merge_state/songplays",
    "merge_state/songs",
    "merge_state/users",
];

/// A complete run in a bucket.
pub struct PublishedRun {
    pub id: String,
    pub dataset: DatasetContents,
}

impl PublishedRun {
    /// Reads the run that `latest.json` names, which must be complete, or returns `None` if there is no
    /// `latest.json`.
    pub fn read_latest(
        server: &S3Server,
        bucket: &str,
        out: &str,
        inputs: &[&str],
    ) -> Option<Self> {
        let objects = server.objects(bucket);
        let latest = parse(objects.get(&format!("{out}/latest.json"))?);
        let id = latest["run"].as_str().unwrap();
        let report = format!("s3://{bucket}/{out}/{id}/_report.json");
        assert_eq!(latest["report"], report);
        let published = latest["published"].as_array().unwrap();
        assert_eq!(published.last().unwrap(), id);
        Some(Self::read_complete(server, bucket, out, id, inputs))
    }

    /// Reads a run, which must be complete.
    pub fn read_complete(
        server: &S3Server,
        bucket: &str,
        out: &str,
        id: &str,
        inputs: &[&str],
    ) -> Self {
        let run_prefix = format!("{out}/{id}/");
        let objects = server.objects(bucket).into_iter();
        let below =
            |(key, bytes): (String, _)| Some((key.strip_prefix(&run_prefix)?.to_owned(), bytes));
        let mut files: FilesByPath = objects.filter_map(below).collect();
        assert_eq!(parse(&files["_report.json"])["run"], id);
        for table in TABLE_DIRS {
            let manifest = files.remove(&format!("{table}.manifest"));
            let manifest =
                parse(&manifest.unwrap_or_else(|| panic!("{table}.manifest is missing")));
            assert_eq!(
                manifest,
                expected_manifest(&files, table, &format!("s3://{bucket}/{run_prefix}"))
            );
        }
        let dataset = DatasetContents::from_files(files, inputs);
        let id = id.to_owned();
        Self { id, dataset }
    }
}

/// Returns the manifest that COPY requires for the parts of a table.
fn expected_manifest(files: &FilesByPath, table: &str, run_prefix: &str) -> Value {
    let parts = files
        .iter()
        .filter(|(name, _)| name.starts_with(&format!("{table}/")));
    let entries = parts.map(|(name, bytes)| {
        json!({
            "url": format!("{run_prefix}{name}"),
            "mandatory": true,
            "meta": {"content_length": bytes.len()},
        })
    });
    json!({"entries": entries.collect::<Vec<_>>()})
}

/// Returns the ids of all runs below `out`, complete or not.
pub fn run_ids(server: &S3Server, bucket: &str, out: &str) -> BTreeSet<String> {
    let below = format!("{out}/");
    let objects = server.objects(bucket);
    let keys = objects.keys().filter_map(|key| key.strip_prefix(&below));
    let runs = keys.filter_map(|key| Some(key.split_once('/')?.0.to_owned()));
    runs.collect()
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap()
}
