//! Several places, globs and `--include` in buckets, and what is asked of the server for them.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::asked::{Kind, Which};
use crate::faults::Faults;
use crate::job::{Ended, sparkify};
use crate::music::{SONG, end, with, write};
use crate::server::Server;
use crate::star::Star;

/// An event of a second.
fn event(second: u64) -> String {
    let ts = 1_541_000_000_000 + second * 1000;
    format!(
        r#"{{"ts":{ts},"userId":"1","sessionId":7,"itemInSession":{second},"level":"paid","page":"NextSong"}}"#
    ) + "\n"
}

/// Logs of four days and two other objects.
fn input(folder: &Path) {
    write(folder, "songs/a.json", SONG);
    for (day, second) in [("10-31", 0), ("11-01", 1), ("11-02", 2), ("11-10", 3)] {
        write(folder, &format!("logs/2018-{day}/a.json"), event(second));
        write(
            folder,
            &format!("logs/2018-{day}/deep/b.json"),
            event(second + 10),
        );
    }
    write(folder, "logs/2018-11-03.json", event(4));
    write(folder, "logs/2018-11-04.txt", event(5));
    write(folder, "logs/_2018-11-05/a.json", event(6));
    write(folder, "logs/[x].json", event(7));
    write(folder, "logs/x.json", event(8));
}

fn server() -> Server {
    let server = Server::faulty(Faults::new().page(3));
    input(&server.bucket("music"));
    server
}

/// What a run would read, by `--dry-run`.
fn planned(server: &Server, arguments: &[&str]) -> Value {
    let usual = [
        "run",
        "--dry-run",
        "--json",
        "--songs=s3://music/songs",
        "--out=s3://music/star",
    ];
    end(server, &with(&usual, arguments)).succeeds().json()
}

/// The prefixes that were listed below the logs.
fn prefixes(server: &Server) -> Vec<String> {
    let asked = server.asked(&Which::kind(Kind::List));
    let mut keys: Vec<_> = asked.into_iter().map(|asked| asked.key).collect();
    keys.retain(|key| key.starts_with("logs") || key.is_empty());
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn a_glob_lists_only_what_begins_as_it_does() {
    for (glob, objects, listed) in [
        (
            "logs/2018-11-0*",
            5,
            &[
                "logs/2018-11-0",
                "logs/2018-11-01/",
                "logs/2018-11-01/deep/",
                "logs/2018-11-02/",
                "logs/2018-11-02/deep/",
            ][..],
        ),
        (
            "logs/2018-11-0*/",
            4,
            &[
                "logs/2018-11-0",
                "logs/2018-11-01/",
                "logs/2018-11-01/deep/",
                "logs/2018-11-02/",
                "logs/2018-11-02/deep/",
            ],
        ),
        (
            "logs/2018-1?-?1/*.json",
            2,
            &["logs/2018-1", "logs/2018-10-31/", "logs/2018-11-01/"],
        ),
        (
            "logs/**/b.json",
            4,
            &[
                "logs/",
                "logs/2018-10-31/",
                "logs/2018-10-31/deep/",
                "logs/2018-11-01/",
                "logs/2018-11-01/deep/",
                "logs/2018-11-02/",
                "logs/2018-11-02/deep/",
                "logs/2018-11-10/",
                "logs/2018-11-10/deep/",
            ],
        ),
        ("logs/_2018*", 1, &["logs/_2018", "logs/_2018-11-05/"]),
        // Unlike a path, a key with such characters must be written as a glob that matches it.
        ("logs/[x].json", 1, &["logs/"]),
        ("logs/[[]x].json", 1, &["logs/"]),
        ("logs/??.json", 0, &[]),
    ] {
        let server = server();
        let url = format!("s3://music/{glob}");
        if objects == 0 {
            let words = ["no logs in s3://music/logs/??.json: the glob matches nothing"];
            let arguments = [
                "run",
                "-q",
                "--songs=s3://music/songs",
                "--out=s3://music/star",
            ];
            end(&server, &with(&arguments, &["--logs", &url])).fails(&words);
            continue;
        }
        let logs = planned(&server, &["--logs", &url])["logs"].clone();
        assert_eq!(logs["objects"], objects, "{glob}");
        assert_eq!(prefixes(&server), listed, "{glob}");
    }
}

/// Runs to a folder.
fn star(server: &Server, current: &Path, logs: &[&str]) -> Star {
    let out = TempDir::new().unwrap();
    let star = out.path().join("star");
    let mut command = sparkify(server, &["run", "-q", "--songs=s3://music/songs", "--out"]);
    command
        .arg(&star)
        .arg("--logs")
        .args(logs)
        .current_dir(current);
    Ended::of(&mut command).succeeds();
    let places = ["s3://music", current.to_str().unwrap(), ""];
    Star::in_folder(&star, &places)
}

#[test]
fn globs_and_several_places_give_what_the_folder_gives() {
    let server = server();
    let here = server.bucket("music");
    let cases = [
        &["logs/2018-11-*"][..],
        &["logs/2018-11-0*", "logs/2018-1[01]-*1", "logs/x.json"],
        &["logs", "logs/2018-11-0?/**", "logs/2018-11-03.json"],
    ];
    for logs in cases {
        let urls: Vec<_> = logs
            .iter()
            .map(|name| format!("s3://music/{name}"))
            .collect();
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        star(&server, &here, &urls).is(&star(&server, &here, logs), &format!("{logs:?}"));
    }
}

#[test]
fn places_in_a_bucket_and_in_folders_go_together() {
    let server = server();
    let here = TempDir::new().unwrap();
    for second in 20..30 {
        write(here.path(), &format!("more/{second}.json"), event(second));
    }
    write(here.path(), "all/z.json", event(3));
    let logs = [
        "s3://music/logs/2018-11-1*",
        "more/2[0-4].json",
        "s3://music/logs/x.json",
        "more/25.json",
    ];
    let mixed = star(&server, here.path(), &logs);
    assert_eq!(mixed.counts["logs"]["objects"], 9);
    assert_eq!(mixed.counts["logs"]["kept"], 9);
    // In the order of their identities, wherever they were named: paths come before URLs.
    let all: String = [20, 21, 22, 23, 24, 25, 3, 13, 8]
        .into_iter()
        .map(event)
        .collect();
    fs::write(here.path().join("all/z.json"), all).unwrap();
    let one = star(&server, here.path(), &["all"]);
    for table in ["songplays", "users", "time"] {
        let part = format!("{table}/part-00000.parquet");
        assert!(mixed.parts[&part] == one.parts[&part], "{table}");
    }
}

#[test]
fn included_objects_are_read() {
    let server = server();
    let bucket = server.bucket("music");
    write(&bucket, "logs/2018-11-01/firehose-1", event(30));
    write(&bucket, "logs/firehose-2", event(31));
    for (logs, include, objects) in [
        ("s3://music/logs", "--include=firehose-*", 13),
        ("s3://music/logs", "--include=*/firehose-*", 12),
        ("s3://music/logs/2018-11-01", "--include=firehose-?", 3),
        ("s3://music/logs/f*", "--include=firehose-?", 1),
    ] {
        let logs = planned(&server, &["--logs", logs, include])["logs"].clone();
        assert_eq!(logs["objects"], objects, "{include}");
    }
}

#[test]
fn an_object_is_asked_for_once_more_only_if_it_is_cut() {
    let server = Server::start();
    let bucket = server.bucket("music");
    write(&bucket, "songs/a.json", SONG);
    for number in 0..20 {
        write(&bucket, &format!("logs/{number:02}.json"), event(number));
    }
    // Large enough to be cut: events, and compressed ones under a name that does not say so.
    let note = format!("{{\"note\":\"{}\",", "x".repeat(60_000));
    let events = |first: u64| -> String {
        let lines = (first..first + 700).map(|second| event(second).replacen('{', &note, 1));
        lines.collect()
    };
    write(&bucket, "logs/large.json", events(1000));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packed.write_all(events(2000).as_bytes()).unwrap();
    write(&bucket, "logs/packed.json", packed.finish().unwrap());

    let run = [
        "run",
        "--quiet",
        "--songs=s3://music/songs",
        "--logs=s3://music/logs",
        "--out=s3://music/star",
    ];
    let planned = end(&server, &with(&run, &["--dry-run", "--json"]))
        .succeeds()
        .json();
    let looked = server.asked(&Which::kind(Kind::Get));
    let looked: Vec<_> = looked
        .iter()
        .filter(|asked| asked.key.starts_with("logs/"))
        .map(|asked| (asked.key.as_str(), asked.header("range").unwrap()))
        .collect();
    assert_eq!(looked.len(), 2, "{looked:?}");
    for name in ["logs/large.json", "logs/packed.json"] {
        assert!(looked.contains(&(name, "bytes=0-4095")), "{looked:?}");
    }
    let splits = planned["logs"]["splits"].as_array().unwrap();
    let of = |name: &str| {
        let has = |split: &&Value| {
            let (first, last) = (split["first"].as_str(), split["last"].as_str());
            first.unwrap().ends_with(name) || last.unwrap().ends_with(name)
        };
        splits.iter().filter(has).count()
    };
    assert!(of("large.json") > 1);
    assert_eq!(of("packed.json"), 1, "{splits:?}");

    let report = end(&server, &with(&run, &["--json"])).succeeds().json();
    assert_eq!(report["logs"]["kept"], 20 + 2 * 700);
    assert_eq!(report["logs"]["rejected"], 0);
    let small = server.asked(&Which::kind(Kind::Get).of_key("07.json"));
    assert_eq!(
        small.len(),
        1,
        "no more than one request for a small object"
    );
}
