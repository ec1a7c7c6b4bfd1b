//! Replays of rejects: as they are, the same records are rejected for the same reasons at the same places.

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use sparkify::config::{IoSizes, Location, ReplayInput, RunConfig};
use sparkify::jobs::RunJob;
use sparkify::observer::WarningCollector;
use sparkify::report::{RunFailure, RunReport};
use tempfile::TempDir;
use testkit::property_tests::config::config_with_cases;
use testkit::property_tests::json_strategies::mutated_document;

use crate::harness::{RunOptions, read_reject_lines, run_pipeline};

const TINY: IoSizes = IoSizes {
    split_bytes: Some(5),
    chunk_bytes: 1,
    row_group_rows: 1,
};

/// Replays the rejects of the run in `from`.
fn replay(from: &Path, out: &Path, options: RunOptions) -> Result<RunReport, RunFailure> {
    let rejects = ReplayInput {
        from: Location::Local(from.to_owned()),
        edited: Vec::new(),
    };
    let config = RunConfig {
        threads: options.threads,
        sizes: options.sizes,
        ..RunConfig::replay(rejects, Location::Local(out.to_owned()))
    };
    let job = RunJob { config, load: None };
    let completed = job.execute(&WarningCollector::default());
    completed.map(|completed| completed.report().clone())
}

/// Returns all rejects of a run without its id and the details, in an order that does not depend on the splits. A detail
/// may tell what follows the text in its object.
fn sorted_rejects(out: &Path) -> Vec<String> {
    let rejects = ["songs", "logs"].map(|kind| read_reject_lines(out, kind));
    let without_run = |mut line: Value| {
        assert!(line["run"].take().is_string() && line["detail"].take().is_string());
        line.to_string()
    };
    let mut rejects: Vec<_> = rejects.into_iter().flatten().map(without_run).collect();
    rejects.sort();
    rejects
}

/// Asserts that a replay of the rejects of the run in `from` rejects all of them again, for the same reasons and
/// with the same places and texts, whatever the threads and sizes.
fn assert_rejected_again(root: &Path, from: &Path) {
    let rejects = sorted_rejects(from);
    if rejects.is_empty() {
        return;
    }
    for (number, (threads, sizes)) in [(1, IoSizes::default()), (4, TINY)].into_iter().enumerate() {
        let out = root.join(format!("replay-{number}"));
        let failure = replay(from, &out, RunOptions { threads, sizes }).unwrap_err();
        assert_eq!(failure.error.exit_code(), 3, "{failure}");
        let failed = out.with_file_name(format!("replay-{number}.failed"));
        assert_eq!(sorted_rejects(&failed), rejects);
        let report = failure.report.unwrap();
        let (songs, logs) = (&report.songs, &report.logs.input);
        assert_eq!(songs.rejected + logs.rejected, rejects.len() as u64);
        assert_eq!(songs.records + logs.records, rejects.len() as u64);
        // A failed replay can be replayed.
        let again = root.join("again");
        replay(&failed, &again, RunOptions { threads, sizes }).unwrap_err();
        assert_eq!(sorted_rejects(&root.join("again.failed")), rejects);
    }
}

#[test]
fn rejects_of_every_edge_case_are_rejected_again_in_the_same_way() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut replayed = 0;
    for case in fs::read_dir(fixtures.join("edge-cases")).unwrap() {
        let case = case.unwrap().path();
        let input = |kind: &str| {
            let candidates = [case.join(kind), case.join(format!("{kind}.json"))];
            let found = candidates.into_iter().find(|path| path.exists());
            found.unwrap_or(fixtures.join("song.json"))
        };
        let root = TempDir::new().unwrap();
        let out = root.path().join("dataset");
        let config = RunConfig {
            allow_empty: true,
            max_rejects: sparkify::config::MaxRejects::Percent(100.0),
            ..RunConfig::new(
                Location::Local(input("songs")),
                Location::Local(input("logs")),
                Location::Local(out.clone()),
            )
        };
        let job = RunJob { config, load: None };
        let from = match job.execute(&WarningCollector::default()) {
            Ok(_) => out,
            Err(RunFailure {
                report: Some(_), ..
            }) => root.path().join("dataset.failed"),
            Err(failure) => panic!("{}: {failure}", case.display()),
        };
        replayed += sorted_rejects(&from).len();
        assert_rejected_again(root.path(), &from);
    }
    assert!(replayed > 50, "{replayed}");
}

/// Input in which records, arrays, garbage and the beginnings of other formats are next to each other.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        4 => mutated_document(),
        1 => Just(b"[".to_vec()),
        1 => Just(b"\n[1,{\"ts\":1}]\n".to_vec()),
        1 => Just(b"PAR1".to_vec()),
        1 => Just(b"\xFF\xFE".to_vec()),
        1 => Just(b"\x1f\x8b\x08\0".to_vec()),
        1 => Just(b"\xEF\xBB\xBF".to_vec()),
        1 => Just(b"<html>".to_vec()),
        1 => Just(b"{\"ts\":1,\"page\":\"NextSong\"} x {\"ts\":2}\n".to_vec()),
        1 => Just(b"{\"ts\":".to_vec()),
        1 => Just(b",\n ".to_vec()),
    ];
    vec(fragment, 0..6).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(config_with_cases(40))]

    #[test]
    fn rejects_of_garbage_are_rejected_again_in_the_same_way(songs in garbage(), logs in garbage()) {
        let root = TempDir::new().unwrap();
        // A valid record of each kind keeps the run from failing.
        let song = r#"{"song_id":"S","title":"T","artist_id":"A","artist_name":"N","duration":1}"#;
        let event = r#"{"page":"NextSong","ts":1,"userId":1,"sessionId":1,"itemInSession":1,"level":"l"}"#;
        for (kind, valid, bytes) in [("songs", song, songs), ("logs", event, logs)] {
            let folder = root.path().join(kind);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("valid.json"), valid).unwrap();
            fs::write(folder.join("garbage.json"), bytes).unwrap();
        }
        let out = root.path().join("dataset");
        let folder = |kind: &str| root.path().join(kind);
        run_pipeline(&folder("songs"), &folder("logs"), &out, RunOptions { threads: 2, sizes: IoSizes::default() });
        assert_rejected_again(root.path(), &out);
    }
}
