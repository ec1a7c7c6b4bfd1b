//! `run --dry-run`: all that a run would begin with, and nothing done.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::job::{Ended, sparkify};
use crate::music::{EVENT, RUN, SONG, end, put_input, with, with_input, write};
use crate::reply::Reply;
use crate::server::Server;

/// Nothing but listings, and what looks at `latest.json`, has come.
#[track_caller]
fn only_looked(server: &Server) {
    let latest = Which::kind(Kind::Get).of_key("latest.json");
    let looks = server.requests(&Which::kind(Kind::List)) + server.requests(&latest);
    assert_eq!(server.requests(&Which::any()), looks);
}

fn plan(server: &Server, arguments: &[&str]) -> Value {
    let ended = end(server, &with(arguments, &["--dry-run", "--json"]));
    ended.succeeds().json()
}

#[test]
fn what_is_in_a_bucket_is_listed_and_not_read() {
    let server = with_input(Faults::new());
    let bucket = server.bucket("music");
    write(&bucket, "logs/2018/11/b.json.gz", "not even compressed");
    write(&bucket, "logs/README.txt", "");
    write(&bucket, "logs/_SUCCESS", "");
    server.mark("music", "logs/2018/");
    let shown = plan(&server, &RUN);
    only_looked(&server);

    let song = "s3://music/songs/a.json";
    assert_eq!(
        shown["songs"],
        json!({
            "objects": 1, "ignored_objects": 0, "ignored_endings": {}, "bytes": SONG.len(),
            "splits": [{
                "bytes": SONG.len(), "objects": 1,
                "first": song, "from": 0, "last": song, "until": null,
            }],
        })
    );
    let bytes = EVENT.len() + "not even compressed".len();
    assert_eq!(
        shown["logs"],
        json!({
            "objects": 2, "ignored_objects": 2, "bytes": bytes,
            "ignored_endings": {".txt": 1, "hidden": 1},
            "splits": [{
                "bytes": bytes, "objects": 2,
                "first": "s3://music/logs/2018/11/b.json.gz", "from": 0,
                "last": "s3://music/logs/a.json", "until": null,
            }],
        })
    );
    let out = shown["out"].as_str().unwrap();
    let id = out.strip_prefix("s3://music/star/").unwrap();
    let id = id.strip_suffix(", the first run there").unwrap();
    assert_eq!(id.len(), "20181101T000000000Z-01234567".len(), "{out}");
    assert_eq!(server.objects("music").len(), 5);
}

#[test]
fn the_run_that_would_be_followed_is_named() {
    let server = with_input(Faults::new());
    let done = end(&server, &with(&RUN, &["--json"])).succeeds().json();
    let before = server.objects("music");
    let shown = plan(&server, &RUN);
    let beside = format!(", beside s3://music/star/{}", done["run"].as_str().unwrap());
    let out = shown["out"].as_str().unwrap();
    assert!(out.ends_with(&beside), "{out}");
    assert!(server.objects("music") == before);
}

#[test]
fn a_plan_for_people_says_the_same() {
    let server = with_input(Faults::new());
    let text = end(&server, &with(&RUN, &["--dry-run"])).succeeds().stdout;
    let bytes = |text: &str| format!("{} B", text.len());
    for words in [
        &["songs", "1", &bytes(SONG), "0", "1"][..],
        &["logs", "1", &bytes(EVENT), "0", "1"],
        &[
            "split 0",
            "1",
            &bytes(SONG),
            "s3://music/songs/a.json .. end",
        ],
        &[
            "split 0",
            "1",
            &bytes(EVENT),
            "s3://music/logs/a.json .. end",
        ],
        &["would write to s3://music/star/2", ", the first run there"],
    ] {
        let has_all = |line: &str| words.iter().all(|words| line.contains(words));
        assert!(text.lines().any(has_all), "no {words:?} in {text}");
    }
    only_looked(&server);
}

/// A folder with input, which is the current directory of what runs in it.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    put_input(folder.path());
    folder
}

/// How a run ends in a folder, for machines.
fn ended(server: &Server, folder: &Path, out: &str, more: &[&str]) -> Ended {
    let arguments = [
        "run",
        "--quiet",
        "--songs=songs",
        "--logs=logs",
        "--out",
        out,
    ];
    let mut command = sparkify(server, &with(&arguments, more));
    Ended::of(command.current_dir(folder))
}

#[test]
fn a_local_output_is_looked_at_and_not_made() {
    let server = Server::start();
    let folder = folder();
    let at = folder.path();
    let dry = |out: &str| ended(&server, at, out, &["--dry-run", "--json"]).succeeds();
    let name = |name: &str| at.canonicalize().unwrap().join(name).display().to_string();
    let is_new = format!("{}, a new folder", name("star"));
    assert_eq!(dry("star").json()["out"], is_new);
    let below = format!("{}, a new folder", name("not/yet/star"));
    assert_eq!(dry("not/yet/star").json()["out"], below);
    assert_eq!(fs::read_dir(at).unwrap().count(), 2, "songs and logs");

    fs::create_dir(at.join("empty")).unwrap();
    let is_empty = format!("{}, an empty folder", name("empty"));
    assert_eq!(dry("empty").json()["out"], is_empty);
    assert_eq!(fs::read_dir(at.join("empty")).unwrap().count(), 0);

    ended(&server, at, "star", &[]).succeeds();
    let report = fs::read(at.join("star/_report.json")).unwrap();
    let there = format!("{}, in place of the star there", name("star"));
    assert_eq!(dry("star").json()["out"], there);
    assert_eq!(fs::read(at.join("star/_report.json")).unwrap(), report);
    assert_eq!(server.requests(&Which::any()), 0);
}

#[test]
fn what_a_run_would_refuse_is_refused() {
    let server = with_input(Faults::new());
    let folder = folder();
    let at = folder.path();
    write(at, "mine/notes.txt", "mine");
    write(at, "plain", "a file");
    for (out, code) in [
        ("mine", 1),
        ("plain", 1),
        ("logs", 1),
        (".", 1),
        ("s3://no-such/star", 1),
    ] {
        let dry = ended(&server, at, out, &["--dry-run", "--json"]);
        assert_eq!(dry.json()["status"], "failed");
        let dry = dry.fails_by(code, &[]);
        let run = ended(&server, at, out, &[]).fails_by(code, &[]);
        if !out.starts_with("s3://") {
            assert_eq!(dry.stderr, run.stderr);
        }
        assert!(dry.stderr.contains("no-such") || !out.starts_with("s3://"));
    }
    assert_eq!(fs::read_dir(at.join("mine")).unwrap().count(), 1);
    let arguments = with(&RUN[..6], &["--out=s3://music/logs/star", "--dry-run"]);
    let words = ["it is below the input s3://music/logs"];
    end(&server, &arguments).fails_by(2, &words);
    let arguments = with(&["run", "--songs=s3://music/absent"], &RUN[4..]);
    let words = ["no songs in s3://music/absent", "check --songs"];
    end(&server, &with(&arguments, &["--dry-run"])).fails(&words);
}

#[test]
fn large_objects_are_cut_where_a_run_cuts_them() {
    let server = Server::start();
    let folder = folder();
    let log = fs::File::create(folder.path().join("logs/b.json")).unwrap();
    // A file with nothing in it but its length.
    log.set_len(10 << 30).unwrap();
    let all = ended(&server, folder.path(), "star", &["--dry-run", "--json"]);
    let all = all.succeeds().json();
    let logs = &all["logs"];
    assert_eq!(logs["bytes"], (10_u64 << 30) + EVENT.len() as u64);
    let splits = logs["splits"].as_array().unwrap();
    assert!(splits.len() > 100, "{}", splits.len());
    let first = splits.first().unwrap();
    assert_eq!(
        (&first["first"], &first["objects"]),
        (&json!("logs/a.json"), &json!(2))
    );
    for pair in splits.windows(2) {
        assert_eq!(pair[0]["last"], "logs/b.json");
        assert_eq!(pair[0]["until"], pair[1]["from"]);
    }
    assert_eq!(splits.last().unwrap()["until"], Value::Null);
    let bytes = splits.iter().map(|split| split["bytes"].as_u64().unwrap());
    assert_eq!(json!(bytes.sum::<u64>()), logs["bytes"]);

    let text = ended(&server, folder.path(), "star", &["--dry-run"])
        .succeeds()
        .stdout;
    let more = format!("\n{} more: --json shows all\n", splits.len() - 20);
    assert!(text.contains(&more), "{text}");
}

#[test]
fn places_of_both_kinds_go_together() {
    let server = with_input(Faults::new());
    let folder = folder();
    let arguments = [
        "run",
        "--songs=songs",
        "--logs=s3://music/logs",
        "--out=star",
    ];
    let mut command = sparkify(&server, &with(&arguments, &["--dry-run", "--json"]));
    let shown = Ended::of(command.current_dir(folder.path()))
        .succeeds()
        .json();
    assert_eq!(shown["songs"]["splits"][0]["first"], "songs/a.json");
    assert_eq!(
        shown["logs"]["splits"][0]["first"],
        "s3://music/logs/a.json"
    );
    only_looked(&server);
    assert!(!folder.path().join("star").exists());
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let denied = Fault::Reply(Reply::access_denied());
    let latest = Which::kind(Kind::Get).of_key("latest.json");
    let server = with_input(Faults::new().always(latest, denied));
    let words = ["cannot read s3://music/star/latest.json", "AccessDenied"];
    let ended = end(&server, &with(&RUN, &["--dry-run", "--json"])).fails(&words);
    assert_eq!(ended.json()["status"], "failed");
}
