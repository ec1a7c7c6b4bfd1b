//! Publishing: what a run names must be there, also if a cleaning or something else removes it meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::job::{Ended, sparkify};
use crate::music::{RUN, end, with_input};
use crate::reply::Reply;
use crate::server::Server;

/// The folder of the only run below `star`.
fn only_run(buckets: &Path) -> PathBuf {
    let star = fs::read_dir(buckets.join("music/star")).unwrap();
    let runs: Vec<PathBuf> = star
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let [run] = &runs[..] else {
        panic!("one run is expected: {runs:?}");
    };
    run.clone()
}

/// Nothing is there but the input.
#[track_caller]
fn nothing_is_published(server: &Server) {
    let keys: Vec<String> = server.objects("music").into_keys().collect();
    assert_eq!(keys, ["logs/a.json", "songs/a.json"]);
}

#[test]
fn a_run_whose_objects_are_removed_or_changed_while_it_works_fails() {
    let remove = |path: PathBuf| fs::remove_file(path).unwrap();
    let change = |path: PathBuf| fs::write(path, "other").unwrap();
    // The first moment is before the report is written, the second after it.
    let (before, after) = ("songs.manifest", "_report.json");
    for (name, act, why, moments) in [
        (
            "songs/part-00000.parquet",
            remove as fn(PathBuf),
            "is not there any more",
            &[before, after][..],
        ),
        (
            "songs/part-00000.parquet",
            change,
            "has 5 bytes, but ",
            &[before, after],
        ),
        (
            "ledger/songplays/part-00000.parquet",
            remove,
            "is not there any more",
            &[before, after],
        ),
        ("songs.manifest", remove, "is not there any more", &[after]),
        (
            "ledger/users.manifest",
            change,
            "has 5 bytes, but ",
            &[after],
        ),
    ] {
        for moment in moments {
            let which = Which::kind(Kind::Put).of_key(moment);
            let server = with_input(Faults::new().at(1, which, move |buckets| {
                act(only_run(buckets).join(name));
            }));
            let words = ["cannot publish s3://music/star/2", name, why, "run again"];
            end(&server, &RUN).fails(&words);
            nothing_is_published(&server);
        }
    }
}

#[test]
fn a_reject_file_that_is_removed_while_the_run_works_is_missed() {
    let which = Which::kind(Kind::Put).of_key("songs.manifest");
    let server = with_input(Faults::new().at(1, which, |buckets| {
        fs::remove_dir_all(only_run(buckets).join("_rejects")).unwrap();
    }));
    fs::write(server.bucket("music").join("logs/b.json"), "{\"ts\":\n").unwrap();
    let mut arguments = RUN.to_vec();
    arguments.extend(["--max-rejects", "100%"]);
    let ended = end(&server, &arguments);
    let why = "_rejects/logs-00000.jsonl was written and is not there any more";
    assert!(
        ended.code == Some(1) && ended.stderr.contains(why),
        "{ended:?}"
    );
}

#[test]
fn a_run_that_a_cleaning_has_begun_to_remove_fails() {
    for moment in ["users.manifest", "_report.json"] {
        let which = Which::kind(Kind::Put).of_key(moment);
        let server = with_input(Faults::new().at(1, which, |buckets| {
            fs::write(only_run(buckets).join("_removing"), "").unwrap();
        }));
        let words = [
            "cannot publish",
            "sparkify clean has taken this run for dead",
        ];
        end(&server, &RUN).fails(&words);
        nothing_is_published(&server);
    }
}

#[test]
fn what_cannot_be_removed_of_a_run_that_failed_is_said() {
    let which = Which::kind(Kind::Put).of_key("users.manifest");
    let denied = Fault::Reply(Reply::access_denied());
    let faults = Faults::new().at(1, which, |buckets| {
        fs::remove_dir_all(only_run(buckets).join("songs")).unwrap();
    });
    let server = with_input(faults.always(Which::kind(Kind::Delete), denied));
    let words = [
        "cannot publish",
        "what is left in s3://music/star/2",
        "sparkify clean",
    ];
    end(&server, &RUN).fails(&words);
}

/// Runs a cleaning while a run waits for an answer, and says how the run ended.
fn clean_beside_a_run(which: &Which, before_cleaning: impl FnOnce(&Server)) -> (Server, Ended) {
    let late = Fault::Late(Duration::from_secs(3));
    let server = with_input(Faults::new().first(1, which.clone(), late));
    let mut command = sparkify(&server, &RUN);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    while server.requests(which) == 0 {
        thread::yield_now();
    }
    before_cleaning(&server);
    let clean = [
        "clean",
        "s3://music/star",
        "--yes",
        "--unfinished-after",
        "0",
    ];
    end(&server, &clean).succeeds();
    let output = run.wait_with_output().unwrap();
    let ended = Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    (server, ended)
}

#[test]
fn a_run_that_works_is_left_alone_by_a_cleaning() {
    for moment in ["songs.manifest", "_report.json", "latest.json"] {
        let which = Which::kind(Kind::Put).of_key(moment);
        let (server, ended) = clean_beside_a_run(&which, |_| {});
        ended.succeeds();
        let run = only_run(server.bucket("music").parent().unwrap());
        assert!(run.join("_report.json").exists() && !run.join("_removing").exists());
        assert!(run.join("songs/part-00000.parquet").exists());
    }
}

#[test]
fn a_run_that_was_taken_for_dead_publishes_nothing() {
    for moment in ["songs.manifest", "_report.json"] {
        let which = Which::kind(Kind::Put).of_key(moment);
        let (server, ended) = clean_beside_a_run(&which, |server| {
            let star = server.bucket("music").join("star");
            server.age(&star, Duration::from_secs(3600));
        });
        ended.fails(&["cannot publish s3://music/star/2", "is not there any more"]);
        nothing_is_published(&server);
    }
}
