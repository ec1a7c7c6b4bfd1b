//! From S3 to S3 a run gives what it gives on folders, byte by byte.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use sparkify::config::{MaxRejects, RunConfig, Sizes};
use sparkify::pipeline;
use sparkify::progress::Progress;
use sparkify::storage::Location;
use tempfile::TempDir;

use crate::every::options;
use crate::faults::Faults;
use crate::job::{self, Ended};
use crate::server::Server;
use crate::star::{Run, Star, runs};

const BUCKET: &str = "music";

/// Where input in the bucket is, as rejects name it.
const URL: &str = "s3://music";

/// How input is cut up.
const WHOLE: Sizes = Sizes {
    split_bytes: None,
    chunk_bytes: 512 << 10,
    row_group_rows: 256 << 10,
};

/// A bucket, which is a folder too: runs can read the same input in both ways.
struct Both {
    server: Server,
    folder: PathBuf,
    out: TempDir,
}

impl Both {
    fn new(server: Server) -> Self {
        let folder = server.bucket(BUCKET);
        let out = TempDir::new().unwrap();
        Self {
            server,
            folder,
            out,
        }
    }

    /// Input with every quirk.
    fn generated(sizes: &[&str]) -> Self {
        let both = Self::new(Server::public(Faults::new().page(50)));
        job::generate(&both.server, &both.folder, sizes);
        both
    }

    /// The name of the folder, as rejects have it.
    fn path(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// Runs in this process. Places without a scheme are below the folder.
    fn run(&self, songs: &str, logs: &str, out: &Location, sizes: Sizes) {
        let place = |name: &str| match name.contains("://") {
            true => Location::parse(name.as_ref()).unwrap(),
            false => Location::Local(self.folder.join(name)),
        };
        let config = RunConfig {
            songs: place(songs).into(),
            logs: place(logs).into(),
            out: out.clone(),
            s3: options(&self.server),
            threads: 2,
            max_rejects: MaxRejects::Percent(100.0),
            allow_empty: true,
            load_after_run: false,
            loaded_objects: Default::default(),
            compression: Default::default(),
            sizes,
        };
        config.validate().unwrap();
        pipeline::run(&config, &Progress::silent()).unwrap();
    }

    /// The star that a run from these places to a folder gives.
    fn on_folder(&self, songs: &str, logs: &str, sizes: Sizes) -> Star {
        let out = self.out.path().join("star");
        self.run(songs, logs, &Location::Local(out.clone()), sizes);
        Star::in_folder(&out, &[self.path(), URL])
    }

    /// The star that a run from these places to S3 gives.
    fn on_s3(&self, songs: &str, logs: &str, sizes: Sizes) -> Star {
        let out = Location::parse("s3://music/star".as_ref()).unwrap();
        self.run(songs, logs, &out, sizes);
        let run = Run::latest(&self.server, BUCKET, "star", &[self.path(), URL]).unwrap();
        let known = runs(&self.server, BUCKET, "star");
        assert_eq!(Some(&run.id), known.last());
        assert_eq!(self.server.unfinished(BUCKET), [""; 0]);
        run.star
    }
}

/// Input that others made, in a bucket and on folders, by the binary and with credentials.
fn is_the_same_from(data: &Path) {
    let (server, out) = (Server::start(), TempDir::new().unwrap());
    let bucket = server.bucket(BUCKET);
    copy(&data.join("song_data"), &bucket.join("song_data"));
    copy(&data.join("log_data"), &bucket.join("log_data"));
    let path = |name| bucket.join(name).to_str().unwrap().to_owned();
    let star = out.path().join("star");
    let (songs, logs) = (path("song_data"), path("log_data"));
    Ended::of(&mut job::run(
        &server,
        &songs,
        &logs,
        star.to_str().unwrap(),
    ))
    .succeeds();
    let (songs, logs) = ("s3://music/song_data", "s3://music/log_data");
    Ended::of(&mut job::run(&server, songs, logs, "s3://music/star")).succeeds();
    let run = Run::latest(&server, BUCKET, "star", &[URL]).unwrap();
    run.star
        .is(&Star::in_folder(&star, &[bucket.to_str().unwrap()]), "");
}

fn copy(from: &Path, to: &Path) {
    for key in crate::disk::keys(from) {
        let to = to.join(&key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from.join(&key), to).unwrap();
    }
}

#[test]
fn the_fixtures_are() {
    is_the_same_from(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"));
}

#[test]
fn the_real_sample_is_where_it_is_at_hand() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sparkify_sample");
    if sample.is_dir() {
        is_the_same_from(&sample);
    }
}

#[test]
fn every_quirk_is_in_splits_of_any_size() {
    let sizes = ["--events=20000", "--songs=300", "--users=500", "--files=7"];
    let both = Both::generated(&sizes);
    for split_bytes in [None, Some(3 << 20), Some(300_000)] {
        let sizes = Sizes {
            split_bytes,
            ..WHOLE
        };
        let expected = both.on_folder("song_data", "log_data", sizes);
        let found = both.on_s3("s3://music/song_data", "s3://music/log_data", sizes);
        found.is(&expected, &format!("{split_bytes:?}"));
        let parts = found
            .parts
            .keys()
            .filter(|key| key.starts_with("songplays/"));
        let least = split_bytes.map_or(1, |_| 3);
        assert!(parts.count() >= least, "{split_bytes:?}");
        assert!(found.rejects.len() > 1, "{split_bytes:?}");
    }
}

#[test]
fn places_can_be_mixed() {
    let sizes = ["--events=2000", "--songs=40", "--users=50", "--files=3"];
    let both = Both::generated(&sizes);
    let expected = both.on_folder("song_data", "log_data", WHOLE);
    let (songs, logs) = ("s3://music/song_data", "s3://music/log_data/");
    both.on_folder("song_data", logs, WHOLE)
        .is(&expected, "logs");
    both.on_folder(songs, "log_data", WHOLE)
        .is(&expected, "songs");
    both.on_folder(songs, logs, WHOLE)
        .is(&expected, "songs and logs");
    both.on_s3("song_data", "log_data", WHOLE)
        .is(&expected, "out");
    both.on_s3("song_data", logs, WHOLE)
        .is(&expected, "logs and out");
}

#[test]
fn one_object_can_be_all_the_logs() {
    let both = Both::new(Server::public(Faults::new()));
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"),
        &both.folder,
    );
    let logs = "log_data/2018/11/2018-11-09-events.json";
    let expected = both.on_folder("song_data", logs, WHOLE);
    assert_eq!(expected.counts["logs"]["objects"], 1);
    let found = both.on_s3("s3://music/song_data", &format!("{URL}/{logs}"), WHOLE);
    found.is(&expected, logs);
}

#[test]
fn compressed_logs_are_read_from_s3() {
    let sizes = ["--events=20000", "--songs=20", "--users=500", "--files=3"];
    let both = Both::generated(&sizes);
    let plain = both.on_folder("song_data", "log_data", WHOLE);
    for (number, key) in crate::disk::keys(&both.folder.join("log_data"))
        .iter()
        .enumerate()
    {
        let bytes = fs::read(both.folder.join("log_data").join(key)).unwrap();
        let to = both.folder.join("packed").join(key);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let (ending, packed) = match number % 3 {
            0 => (".gz", gzip(&bytes)),
            1 => (".zst", zstd::encode_all(bytes.as_slice(), 1).unwrap()),
            _ => (".bz2", bzip2(&bytes)),
        };
        fs::write(format!("{}{ending}", to.display()), packed).unwrap();
    }
    let expected = both.on_folder("song_data", "packed", WHOLE);
    let found = both.on_s3("s3://music/song_data", "s3://music/packed", WHOLE);
    found.is(&expected, "packed");
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
fn what_is_ignored_is_counted_the_same() {
    let both = Both::new(Server::public(Faults::new().page(40)));
    let song = include_str!("../../fixtures/song.json");
    let write = |key: &str, text: &str| {
        let path = both.folder.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // More prefixes than are listed one by one: below them all is found in one go.
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
    both.server.mark(BUCKET, "log_data/");
    both.server.mark(BUCKET, "log_data/2018/");
    both.server.mark(BUCKET, "log_data/2019/");
    let expected = both.on_folder("song_data", "log_data", WHOLE);
    let found = both.on_s3("s3://music/song_data", "s3://music/log_data", WHOLE);
    found.is(&expected, "ignored");
    assert_eq!(found.counts["songs"]["ignored_objects"], 3 * 70);
    assert_eq!(found.counts["logs"]["ignored_objects"], 3);
    assert_eq!(found.counts["logs"]["objects"], 2);
}

#[test]
fn a_hundred_megabytes_are_the_same() {
    let sizes = [
        "--events=200000",
        "--songs=500",
        "--users=2000",
        "--files=5",
    ];
    let both = Both::generated(&sizes);
    let expected = both.on_folder("song_data", "log_data", WHOLE);
    let found = both.on_s3("s3://music/song_data", "s3://music/log_data", WHOLE);
    found.is(&expected, "");
    let parts = found
        .parts
        .keys()
        .filter(|key| key.starts_with("songplays/"));
    assert!(parts.count() >= 3);
}
