//! A run from S3 to S3 writes the same bytes as a run between local directories.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sparkify::config::{IoSizes, MaxRejects, RunConfig};
use sparkify::config::{Location, RunInput};
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::dataset::contents::DatasetContents;
use testkit::dataset::published_run::{PublishedRun, run_ids};
use testkit::s3_server::faults::FaultPlan;
use testkit::s3_server::server::S3Server;

use crate::store_conformance::anonymous_options;
use crate::support::commands;

const BUCKET: &str = "music";

/// The location of the input bucket in rejects.
const BUCKET_URL: &str = "s3://music";

/// How the input is split.
const DEFAULT_SIZES: IoSizes = IoSizes {
    split_bytes: None,
    chunk_bytes: 512 << 10,
    row_group_rows: 256 << 10,
};

/// A bucket that is a local directory too, so that runs can read the same input in both ways.
struct LocalAndS3Input {
    server: S3Server,
    folder: PathBuf,
    out: TempDir,
}

impl LocalAndS3Input {
    fn new(server: S3Server) -> Self {
        let folder = server.bucket(BUCKET);
        let out = TempDir::new().unwrap();
        Self {
            server,
            folder,
            out,
        }
    }

    /// Generates input with all edge cases.
    fn generate(sizes: &[&str]) -> Self {
        let input = Self::new(S3Server::anonymous(FaultPlan::new().with_page_size(50)));
        commands::generate(&input.server, &input.folder, sizes);
        input
    }

    /// Returns the path of the directory, as rejects name it.
    fn path(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// Runs the pipeline in this process. Locations without a scheme are below the directory.
    fn run(&self, songs: &str, logs: &str, out: &Location, sizes: IoSizes) {
        let location = |name: &str| match name.contains("://") {
            true => Location::parse(name.as_ref()).unwrap(),
            false => Location::Local(self.folder.join(name)),
        };
        let config = RunConfig {
            input: RunInput::Objects {
                songs: location(songs).into(),
                logs: location(logs).into(),
            },
            out: out.clone(),
            s3: anonymous_options(&self.server),
            threads: 2,
            max_rejects: MaxRejects::Percent(100.0),
            allow_empty: true,
            engine: sparkify::config::Engine::InProcess,
            load_after_run: false,
            loaded_objects: Default::default(),
            compression: Default::default(),
            sizes,
        };
        config.validate().unwrap();
        RunJob { config, load: None }
            .execute(&WarningCollector::default())
            .unwrap();
    }

    /// Runs with a local output directory and returns the dataset.
    fn run_to_local(&self, songs: &str, logs: &str, sizes: IoSizes) -> DatasetContents {
        let out = self.out.path().join("dataset");
        self.run(songs, logs, &Location::Local(out.clone()), sizes);
        DatasetContents::from_dir(&out, &[self.path(), BUCKET_URL])
    }

    /// Runs with an S3 output and returns the dataset.
    fn run_to_s3(&self, songs: &str, logs: &str, sizes: IoSizes) -> DatasetContents {
        let out = Location::parse("s3://music/dataset".as_ref()).unwrap();
        self.run(songs, logs, &out, sizes);
        let run =
            PublishedRun::read_latest(&self.server, BUCKET, "dataset", &[self.path(), BUCKET_URL])
                .unwrap();
        let known_ids = run_ids(&self.server, BUCKET, "dataset");
        assert_eq!(Some(&run.id), known_ids.last());
        assert_eq!(self.server.unfinished_uploads(BUCKET), [""; 0]);
        run.dataset
    }
}

/// Runs the binary with credentials over prepared input, in a bucket and in local directories, and compares
/// the datasets.
fn assert_s3_matches_local(data: &Path) {
    let (server, out) = (S3Server::start(), TempDir::new().unwrap());
    let bucket = server.bucket(BUCKET);
    copy_dir(&data.join("song_data"), &bucket.join("song_data"));
    copy_dir(&data.join("log_data"), &bucket.join("log_data"));
    let path = |name| bucket.join(name).to_str().unwrap().to_owned();
    let out_dir = out.path().join("dataset");
    let (songs, logs) = (path("song_data"), path("log_data"));
    CommandOutput::run(&mut commands::run_command(
        &server,
        &songs,
        &logs,
        out_dir.to_str().unwrap(),
    ))
    .assert_success();
    let (songs, logs) = ("s3://music/song_data", "s3://music/log_data");
    CommandOutput::run(&mut commands::run_command(
        &server,
        songs,
        logs,
        "s3://music/dataset",
    ))
    .assert_success();
    let run = PublishedRun::read_latest(&server, BUCKET, "dataset", &[BUCKET_URL]).unwrap();
    run.dataset.assert_same(
        &DatasetContents::from_dir(&out_dir, &[bucket.to_str().unwrap()]),
        "",
    );
}

fn copy_dir(from: &Path, to: &Path) {
    for key in testkit::dir_contents::list_files(from) {
        let to = to.join(&key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from.join(&key), to).unwrap();
    }
}

#[test]
fn fixtures_give_same_dataset() {
    assert_s3_matches_local(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"));
}

#[test]
fn sample_gives_same_dataset() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sparkify_sample");
    if sample.is_dir() {
        assert_s3_matches_local(&sample);
    }
}

#[test]
fn edge_cases_give_same_dataset_for_any_split_size() {
    let sizes = ["--events=20000", "--songs=300", "--users=500", "--files=7"];
    let input = LocalAndS3Input::generate(&sizes);
    for split_bytes in [None, Some(3 << 20), Some(300_000)] {
        let sizes = IoSizes {
            split_bytes,
            ..DEFAULT_SIZES
        };
        let expected = input.run_to_local("song_data", "log_data", sizes);
        let found = input.run_to_s3("s3://music/song_data", "s3://music/log_data", sizes);
        found.assert_same(&expected, &format!("{split_bytes:?}"));
        let parts = found
            .parts
            .keys()
            .filter(|key| key.starts_with("songplays/"));
        let min_parts = split_bytes.map_or(1, |_| 3);
        assert!(parts.count() >= min_parts, "{split_bytes:?}");
        assert!(found.rejects.len() > 1, "{split_bytes:?}");
    }
}

#[test]
fn local_and_s3_locations_can_be_mixed() {
    let sizes = ["--events=2000", "--songs=40", "--users=50", "--files=3"];
    let input = LocalAndS3Input::generate(&sizes);
    let expected = input.run_to_local("song_data", "log_data", DEFAULT_SIZES);
    let (songs, logs) = ("s3://music/song_data", "s3://music/log_data/");
    input
        .run_to_local("song_data", logs, DEFAULT_SIZES)
        .assert_same(&expected, "logs");
    input
        .run_to_local(songs, "log_data", DEFAULT_SIZES)
        .assert_same(&expected, "songs");
    input
        .run_to_local(songs, logs, DEFAULT_SIZES)
        .assert_same(&expected, "songs and logs");
    input
        .run_to_s3("song_data", "log_data", DEFAULT_SIZES)
        .assert_same(&expected, "out");
    input
        .run_to_s3("song_data", logs, DEFAULT_SIZES)
        .assert_same(&expected, "logs and out");
}

#[test]
fn logs_can_be_one_object() {
    let input = LocalAndS3Input::new(S3Server::anonymous(FaultPlan::new()));
    copy_dir(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"),
        &input.folder,
    );
    let logs = "log_data/2018/11/2018-11-09-events.json";
    let expected = input.run_to_local("song_data", logs, DEFAULT_SIZES);
    assert_eq!(expected.counts["logs"]["objects"], 1);
    let found = input.run_to_s3(
        "s3://music/song_data",
        &format!("{BUCKET_URL}/{logs}"),
        DEFAULT_SIZES,
    );
    found.assert_same(&expected, logs);
}

#[test]
fn compressed_logs_give_same_dataset() {
    let sizes = ["--events=20000", "--songs=20", "--users=500", "--files=3"];
    let input = LocalAndS3Input::generate(&sizes);
    let plain = input.run_to_local("song_data", "log_data", DEFAULT_SIZES);
    for (number, key) in testkit::dir_contents::list_files(&input.folder.join("log_data"))
        .iter()
        .enumerate()
    {
        let bytes = fs::read(input.folder.join("log_data").join(key)).unwrap();
        let to = input.folder.join("packed").join(key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let (extension, compressed) = match number % 3 {
            0 => (".gz", gzip(&bytes)),
            1 => (".zst", zstd::encode_all(bytes.as_slice(), 1).unwrap()),
            _ => (".bz2", bzip2(&bytes)),
        };
        fs::write(format!("{}{extension}", to.display()), compressed).unwrap();
    }
    let expected = input.run_to_local("song_data", "packed", DEFAULT_SIZES);
    let found = input.run_to_s3("s3://music/song_data", "s3://music/packed", DEFAULT_SIZES);
    found.assert_same(&expected, "packed");
    assert_eq!(
        found.counts["tables"]["time"],
        plain.counts["tables"]["time"]
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut to = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

#[test]
fn ignored_objects_are_counted_the_same() {
    let input = LocalAndS3Input::new(S3Server::anonymous(FaultPlan::new().with_page_size(40)));
    let song = include_str!("../../fixtures/song.json");
    let write = |key: &str, text: &str| {
        let path = input.folder.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // More prefixes than are listed one by one: everything below them is found by one recursive listing.
    for number in 0..70 {
        let folder = format!("song_data/{:02}/{number:02}", number / 9);
        write(&format!("{folder}/a/song.json"), song);
        write(&format!("{folder}/_temporary/0/part.json"), "no song");
        write(&format!("{folder}/a/.hidden/part.json"), "no song");
        write(&format!("{folder}/a/.hidden/deeper/part.json"), "no song");
        write(&format!("{folder}/README"), "no song");
    }
    write("log_data/.DS_Store", "no log");
    write("log_data/_SUCCESS", "");
    write("log_data/_tmp/x.json", "no log");
    write("log_data/empty.json", "");
    let event = fs::read("fixtures/log_data/2018/11/2018-11-09-events.json").unwrap();
    write("log_data/2018/x.json", str::from_utf8(&event).unwrap());
    input.server.add_folder_marker(BUCKET, "log_data/");
    input.server.add_folder_marker(BUCKET, "log_data/2018/");
    input.server.add_folder_marker(BUCKET, "log_data/2019/");
    let expected = input.run_to_local("song_data", "log_data", DEFAULT_SIZES);
    let found = input.run_to_s3("s3://music/song_data", "s3://music/log_data", DEFAULT_SIZES);
    found.assert_same(&expected, "ignored");
    assert_eq!(found.counts["songs"]["ignored_objects"], 3 * 70);
    assert_eq!(found.counts["logs"]["ignored_objects"], 3);
    assert_eq!(found.counts["logs"]["objects"], 2);
}

#[test]
fn large_input_gives_same_dataset() {
    let sizes = [
        "--events=200000",
        "--songs=500",
        "--users=2000",
        "--files=5",
    ];
    let input = LocalAndS3Input::generate(&sizes);
    let expected = input.run_to_local("song_data", "log_data", DEFAULT_SIZES);
    let found = input.run_to_s3("s3://music/song_data", "s3://music/log_data", DEFAULT_SIZES);
    found.assert_same(&expected, "");
    let parts = found
        .parts
        .keys()
        .filter(|key| key.starts_with("songplays/"));
    assert!(parts.count() >= 3);
}
