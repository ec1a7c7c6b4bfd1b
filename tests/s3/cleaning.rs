//! `sparkify clean`: what goes, what stays, and what it says of both.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta, Utc};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asked::{Kind, Which};
use crate::client::Client;
use crate::faults::{Fault, Faults};
use crate::job::{Ended, sparkify};
use crate::music::{RUN, end, put_input, with, with_input, write};
use crate::server::Server;

const OUT: &str = "s3://music/star";

/// The id of a run that began so many hours ago.
fn id(hours: i64) -> String {
    let began = Utc::now() - TimeDelta::hours(hours);
    format!("{}-{hours:08x}", began.format("%Y%m%dT%H%M%S%3fZ"))
}

/// Puts an object of a run into a folder, written when the run began.
fn put(star: &Path, id: &str, name: &str, text: &str) {
    let name = format!("{id}/{name}");
    write(star, &name, text);
    let began = id
        .get(..19)
        .map(|time| NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%3fZ"));
    if let Some(Ok(began)) = began {
        let file = fs::File::options()
            .write(true)
            .open(star.join(name))
            .unwrap();
        file.set_modified(began.and_utc().into()).unwrap();
    }
}

/// Puts the parts of a run into a folder.
fn unfinished(star: &Path, id: &str) {
    put(star, id, "songs/part-00000.parquet", "12345");
    put(star, id, "_rejects/logs-00000.jsonl", "123");
}

/// Puts a complete run into a folder.
fn whole(star: &Path, id: &str) {
    unfinished(star, id);
    put(star, id, "_report.json", "12");
}

fn name_latest(star: &Path, id: &str) {
    let latest = json!({ "run": id, "report": "somewhere" });
    write(star, "latest.json", latest.to_string());
}

/// Names runs as published in this order.
fn publish(star: &Path, ids: &[&str]) {
    let latest = json!({ "run": ids.last(), "report": "somewhere", "published": ids });
    write(star, "latest.json", latest.to_string());
}

/// The first parts of the names of all files in a folder.
fn runs(star: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(star).unwrap();
    let full = entries.map(Result::unwrap).filter(|entry| {
        let below = fs::read_dir(entry.path());
        below.map_or(true, |_| !crate::disk::keys(&entry.path()).is_empty())
    });
    full.map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A bucket with a folder for what is cleaned.
fn cleaned(faults: Faults) -> (Server, std::path::PathBuf) {
    let server = Server::faulty(faults);
    let star = server.bucket("music").join("star");
    fs::create_dir(&star).unwrap();
    (server, star)
}

/// A command that succeeds and prints this JSON.
#[track_caller]
fn found(server: &Server, arguments: &[&str]) -> Value {
    let mut found = end(server, &with(arguments, &["--json"])).succeeds().json();
    assert_eq!(found["clean_version"].take(), 1);
    assert_eq!(found["status"].take(), "ok");
    found
}

fn as_found(at: &str, id: &str, state: &str, objects: u64, bytes: u64, uploads: u64) -> Value {
    json!({ "name": format!("{at}/{id}"), "state": state, "objects": objects, "bytes": bytes, "uploads": uploads })
}

#[test]
fn dead_runs_are_removed_and_the_newest_complete_ones_stay() {
    let (server, star) = cleaned(Faults::new());
    let [dead, recent, one, two, three, named] = [30, 5, 1, 60, 90, 120].map(id);
    unfinished(&star, &dead);
    unfinished(&star, &recent);
    for id in [&one, &two, &three, &named] {
        whole(&star, id);
    }
    name_latest(&star, &named);
    let whole = |id, state| as_found(OUT, id, state, 3, 10, 0);
    let begun = |id, state| as_found(OUT, id, state, 2, 8, 0);
    let clean = ["clean", OUT, "--keep", "2"];

    let all = server.objects("music");
    let shown = found(&server, &clean);
    // The one that is named is the newest, whatever its id says.
    let keep = [
        whole(&one, "whole"),
        begun(&recent, "recent"),
        whole(&named, "latest"),
    ];
    assert_eq!(shown["keep"], json!(keep));
    let remove = [
        begun(&dead, "unfinished"),
        whole(&two, "whole"),
        whole(&three, "whole"),
    ];
    assert_eq!(shown["remove"], json!(remove));
    assert_eq!(shown["removed"], false);
    let text = end(&server, &clean).succeeds().stdout;
    assert!(
        text.ends_with("\nwould remove: 3; --yes does it\n"),
        "{text}"
    );
    assert_eq!(
        text.lines()
            .filter(|line| line.starts_with("keep "))
            .count(),
        3
    );
    assert!(text.contains(" under way? "), "{text}");
    assert!(server.objects("music") == all, "shown, not done");
    assert_eq!(server.requests(&Which::kind(Kind::Delete)), 0);

    let done = found(&server, &with(&clean, &["--yes"]));
    assert_eq!(
        (&done["removed"], &done["remove"]),
        (&json!(true), &json!(remove))
    );
    assert_eq!(runs(&star), set(&[&recent, &one, &named, "latest.json"]));
    let text = end(&server, &with(&clean, &["--yes"])).succeeds().stdout;
    assert!(text.ends_with("\nnothing to remove\n"), "{text}");
}

#[test]
fn when_a_run_counts_as_dead_can_be_said() {
    let (server, star) = cleaned(Faults::new());
    let [younger, older] = [1, 3].map(id);
    unfinished(&star, &younger);
    unfinished(&star, &older);
    end(&server, &["clean", OUT, "--yes", "--unfinished-after", "4"]).succeeds();
    assert_eq!(runs(&star), set(&[&younger, &older]));
    end(&server, &["clean", OUT, "--yes", "--unfinished-after", "2"]).succeeds();
    assert_eq!(runs(&star), set(&[&younger]));
    let most = u32::MAX.to_string();
    end(
        &server,
        &["clean", OUT, "--yes", "--unfinished-after", &most],
    )
    .succeeds();
    assert_eq!(runs(&star), set(&[&younger]));
    end(&server, &["clean", OUT, "--yes", "--unfinished-after", "0"]).succeeds();
    assert_eq!(runs(&star), set(&[]));
}

#[test]
fn uploads_that_were_never_finished_are_aborted() {
    let (server, star) = cleaned(Faults::new());
    let client = Client::of(&server);
    let [dead, recent, seen] = [30, 5, 40].map(id);
    unfinished(&star, &seen);
    let upload = |key: &str| drop(client.begin("music", key));
    let songs = |id: &str| format!("star/{id}/songs/part-00000.parquet");
    for key in [
        &songs(&dead),
        &songs(&recent),
        &songs(&seen),
        // Others' work.
        "star/mine.bin",
        &format!("star/{dead}"),
        &format!("other/{dead}/songs/part-00000.parquet"),
        &format!("starred/{dead}/songs/part-00000.parquet"),
    ] {
        upload(key);
    }
    for id in [&dead, &seen] {
        server.age(&star.join(id), Duration::from_secs(30 * 3600));
    }
    let shown = found(&server, &["clean", OUT]);
    let remove = [
        as_found(OUT, &dead, "unfinished", 0, 0, 1),
        as_found(OUT, &seen, "unfinished", 2, 8, 1),
    ];
    assert_eq!(shown["remove"], json!(remove));
    assert_eq!(
        shown["keep"],
        json!([as_found(OUT, &recent, "recent", 0, 0, 1)])
    );
    assert_eq!(server.unfinished("music").len(), 7);

    found(&server, &["clean", OUT, "--yes"]);
    let mut left = server.unfinished("music");
    left.sort();
    let mut expected = [
        format!("other/{dead}/songs/part-00000.parquet"),
        format!("star/{dead}"),
        songs(&recent),
        "star/mine.bin".to_owned(),
        format!("starred/{dead}/songs/part-00000.parquet"),
    ];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(server.objects("music").len(), 0);
}

/// Names that are no run's, of which one of 30 hours ago would go.
fn no_runs() -> Vec<String> {
    let dead = id(30);
    let (time, number) = dead.split_once('-').unwrap();
    let mut names = vec![
        format!("{dead}0"),
        format!("{dead}-copy"),
        format!("copy-of-{dead}"),
        format!(" {dead}"),
        format!("{dead} "),
        format!("+{dead}"),
        time.to_owned(),
        format!("{time}-"),
        format!("{time}-{}", &number[1..]),
        format!("{time}-0000000G"),
        format!("{time}-0000000A"),
        format!("{}-{number}", time.trim_end_matches('Z')),
        format!("20181301T000000000Z-{number}"),
        format!("20180230T000000000Z-{number}"),
        format!("2018-02-01T00:00:00.000Z-{number}"),
        format!("2018 201T000000000Z-{number}"),
        format!("20180201T 00000000Z-{number}"),
        format!("20180201t000000000z-{number}"),
    ];
    names.extend(["songs", "_rejects", "latest", "backup"].map(str::to_owned));
    names
}

#[test]
fn what_no_run_wrote_is_never_touched() {
    let (server, star) = cleaned(Faults::new());
    let folder = TempDir::new().unwrap();
    let (dead, object) = (id(30), id(50));
    let names = no_runs();
    for star in [&star, folder.path()] {
        unfinished(star, &dead);
        for name in &names {
            unfinished(star, name);
        }
        write(star, "mine.parquet", "mine");
        // An object that is named as a run is, but holds nothing.
        write(star, &object, "mine");
        name_latest(star, "none");
    }
    let before = runs(&star);
    for place in [OUT, folder.path().to_str().unwrap()] {
        end(&server, &["clean", place, "--yes", "--keep", "1"]).succeeds();
    }
    let mut expected = before;
    assert!(expected.remove(&dead));
    assert_eq!(runs(&star), expected);
    assert_eq!(runs(folder.path()), expected);
    assert_eq!(server.objects("music").len(), 2 * names.len() + 3);
}

#[test]
fn a_place_without_runs_has_nothing_to_clean() {
    let (server, star) = cleaned(Faults::new());
    write(&star, "mine.parquet", "mine");
    let text = end(&server, &["clean", OUT, "--yes"]).succeeds().stdout;
    assert_eq!(text, "nothing to clean in s3://music/star\n");
    let text = end(&server, &["clean", "s3://music/absent"]).succeeds();
    assert_eq!(text.stdout, "nothing to clean in s3://music/absent\n");
}

#[test]
fn the_whole_bucket_can_be_what_is_cleaned() {
    let (server, _) = cleaned(Faults::new());
    let bucket = server.bucket("music");
    let dead = id(30);
    unfinished(&bucket, &dead);
    unfinished(&bucket.join("star"), &dead);
    end(&server, &["clean", "s3://music", "--yes"]).succeeds();
    assert_eq!(runs(&bucket), set(&["star"]));
}

#[test]
fn listings_of_several_pages_are_seen_to_the_end() {
    let (server, star) = cleaned(Faults::new().page(7));
    let dead = id(30);
    for number in 0..20 {
        put(&star, &dead, &format!("songs/part-{number:05}.parquet"), "");
        whole(&star, &id(50 + number));
    }
    let shown = found(&server, &["clean", OUT, "--yes"]);
    assert_eq!(shown["remove"].as_array().unwrap().len(), 18);
    assert_eq!(shown["keep"].as_array().unwrap().len(), 3);
    assert_eq!(server.objects("music").len(), 9);
}

#[test]
fn more_objects_than_one_removal_takes_go() {
    let (server, star) = cleaned(Faults::new());
    let dead = id(30);
    for number in 0..2100 {
        put(&star, &dead, &format!("songs/part-{number:05}.parquet"), "");
    }
    let shown = found(&server, &["clean", OUT, "--yes"]);
    assert_eq!(shown["remove"][0]["objects"], 2100);
    assert_eq!(server.objects("music").len(), 0);
}

#[test]
fn a_removal_that_fails_says_so_and_leaves_no_whole_run() {
    let (server, star) = cleaned(Faults::new().keep("logs-00000.jsonl"));
    let [newest, old] = [30, 40].map(id);
    whole(&star, &newest);
    whole(&star, &old);
    let clean = ["clean", OUT, "--keep", "1", "--yes", "--json"];
    let what = format!("cannot remove {OUT}/{old}/_rejects/logs-00000.jsonl");
    let words = [what.as_str(), "AccessDenied", "s3:DeleteObject"];
    let ended = end(&server, &clean).fails(&words);
    assert_eq!(ended.json()["status"], "failed");
    assert!(!star.join(&old).join("_report.json").exists());
    assert!(star.join(&newest).join("_report.json").exists());
    let shown = found(&server, &["clean", OUT, "--keep", "1"]);
    assert_eq!(shown["remove"][0]["state"], "unfinished");
}

#[test]
fn the_report_goes_before_all_else() {
    let kept = Faults::new().keep("_report.json");
    let (server, star) = cleaned(kept);
    let [newest, old] = [30, 40].map(id);
    whole(&star, &newest);
    whole(&star, &old);
    let words = [&*format!("{OUT}/{old}/_report.json"), "s3:DeleteObject"];
    end(&server, &["clean", OUT, "--keep", "1", "--yes"]).fails(&words);
    assert_eq!(server.objects("music").len(), 6, "all of it is there");
}

#[test]
fn what_may_not_be_looked_at_or_removed_is_said() {
    let dead = id(30);
    for (kind, words) in [
        (
            Kind::List,
            ["cannot list s3://music/star/", "s3:ListBucket"],
        ),
        (
            Kind::ListUploads,
            [
                "cannot list uploads below s3://music/star/",
                "s3:ListBucketMultipartUploads",
            ],
        ),
        (
            Kind::Get,
            ["cannot read s3://music/star/latest.json", "s3:GetObject"],
        ),
        (
            Kind::Delete,
            ["cannot remove s3://music/star/2", "s3:DeleteObject"],
        ),
        (
            Kind::Put,
            ["cannot write s3://music/star/2", "s3:PutObject"],
        ),
        (
            Kind::AbortUpload,
            [
                "cannot abort the upload of s3://music/star/2",
                "s3:AbortMultipartUpload",
            ],
        ),
    ] {
        let denied = Fault::Reply(crate::reply::Reply::access_denied());
        let (server, star) = cleaned(Faults::new().always(Which::kind(kind), denied));
        unfinished(&star, &dead);
        let key = format!("star/{dead}/songs/part-00001.parquet");
        Client::of(&server).begin("music", &key);
        server.age(&star.join(&dead), Duration::from_secs(30 * 3600));
        end(&server, &["clean", OUT, "--yes"]).fails(&words);
        assert_eq!(server.requests(&Which::kind(kind)), 1, "{kind:?}");
    }
}

#[test]
fn a_run_that_is_killed_is_cleaned_away_when_it_counts_as_dead() {
    let silent = Which::kind(Kind::Put).of_key("_report.json");
    let server = with_input(Faults::new().first(1, silent.clone(), Fault::Silence));
    let mut command = sparkify(&server, &RUN);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    while server.requests(&silent) == 0 {
        std::thread::yield_now();
    }
    let clean = ["clean", OUT, "--yes"];
    let shown = found(&server, &clean);
    assert_eq!(shown["keep"][0]["state"], "recent", "it works on");
    child.kill().unwrap();
    child.wait().unwrap();

    let before = server.objects("music").len();
    assert!(
        before > 2 + 5,
        "its parts and manifests are there: {before}"
    );
    found(&server, &clean);
    assert_eq!(server.objects("music").len(), before);
    // A quarter of an hour is the least that a run is given.
    let at_once = with(&clean, &["--unfinished-after", "0"]);
    let star = server.bucket("music").join("star");
    server.age(&star, Duration::from_secs(14 * 60));
    let shown = found(&server, &at_once);
    assert_eq!(shown["keep"][0]["state"], "recent");
    assert_eq!(server.objects("music").len(), before);
    server.age(&star, Duration::from_secs(60));
    found(&server, &at_once);
    assert_eq!(server.objects("music").len(), 2, "the input");
}

#[test]
fn the_runs_that_were_published_last_stay_whatever_their_clocks_said() {
    let (server, star) = cleaned(Faults::new());
    let [one, two, unlisted] = [50, 60, 40].map(id);
    let ahead = "22000101T000000000Z-00000000".to_owned();
    for id in [&ahead, &one, &two, &unlisted] {
        whole(&star, id);
    }
    let centuries = Duration::from_secs(200 * 365 * 24 * 3600);
    server.age(&star.join(&ahead), centuries);
    publish(&star, &[&ahead, &two, &one]);
    for (keep, expected) in [
        ("4", vec![&unlisted, &ahead, &two, &one]),
        // What was never named is older than all that were.
        ("3", vec![&ahead, &two, &one]),
        ("2", vec![&two, &one]),
        ("1", vec![&one]),
    ] {
        end(&server, &["clean", OUT, "--yes", "--keep", keep]).succeeds();
        let mut names = vec!["latest.json"];
        names.extend(expected.into_iter().map(String::as_str));
        assert_eq!(runs(&star), set(&names), "--keep {keep}");
    }
}

#[test]
fn a_complete_run_that_may_be_about_to_be_named_stays() {
    let (server, star) = cleaned(Faults::new());
    let [fresh, named] = [0, 50].map(id);
    whole(&star, &fresh);
    whole(&star, &named);
    publish(&star, &[&named]);
    let clean = ["clean", OUT, "--yes", "--keep", "1"];
    found(&server, &clean);
    assert_eq!(runs(&star), set(&[&fresh, &named, "latest.json"]));
    server.age(&star.join(&fresh), Duration::from_secs(15 * 60));
    found(&server, &clean);
    assert_eq!(runs(&star), set(&[&named, "latest.json"]));
}

#[test]
fn a_run_that_becomes_the_latest_meanwhile_stays() {
    let [one, two] = [50, 60].map(id);
    let rolled_back = two.clone();
    let latest = Which::kind(Kind::Get).of_key("latest.json");
    let (server, star) = cleaned(Faults::new().at(2, latest, move |buckets| {
        publish(&buckets.join("music/star"), &[&rolled_back]);
    }));
    whole(&star, &one);
    whole(&star, &two);
    publish(&star, &[&two, &one]);
    found(&server, &["clean", OUT, "--yes", "--keep", "1"]);
    assert_eq!(runs(&star), set(&[&one, &two, "latest.json"]));
}

#[test]
fn a_run_that_is_finished_while_a_cleaning_begins_to_remove_it_stays() {
    for name in ["_report.json", "users/part-00000.parquet"] {
        let dead = id(30);
        let (own, id) = (dead.clone(), dead.clone());
        let marker = Which::kind(Kind::Put).of_key("_removing");
        let (server, star) = cleaned(Faults::new().at(1, marker.clone(), move |buckets| {
            put(&buckets.join("music/star"), &id, name, "12");
        }));
        unfinished(&star, &dead);
        found(&server, &["clean", OUT, "--yes"]);
        assert_eq!(server.requests(&marker), 1);
        let left = crate::disk::keys(&star.join(own));
        let names = [
            "_rejects/logs-00000.jsonl",
            name,
            "songs/part-00000.parquet",
        ];
        assert_eq!(left, set(&names), "{name}");
    }
}

#[test]
fn what_a_cleaning_that_was_killed_left_goes_with_the_next_one() {
    let (server, star) = cleaned(Faults::new());
    let dead = id(30);
    unfinished(&star, &dead);
    put(&star, &dead, "_removing", "sparkify clean removes this run");
    let shown = found(&server, &["clean", OUT, "--yes"]);
    assert_eq!(shown["remove"][0]["objects"], 3);
    assert_eq!(server.objects("music").len(), 0);
}

/// A folder that a prefix of a bucket was copied to.
fn copied() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("star")).unwrap();
    folder
}

#[test]
fn a_folder_that_runs_were_copied_to_is_cleaned_alike() {
    let server = Server::start();
    let folder = copied();
    let star = folder.path().join("star");
    let [dead, recent, one, two, named] = [30, 5, 1, 60, 90].map(id);
    unfinished(&star, &dead);
    unfinished(&star, &recent);
    for id in [&one, &two, &named] {
        whole(&star, id);
    }
    let empty = id(31);
    fs::create_dir_all(star.join(&empty).join("songs")).unwrap();
    name_latest(&star, &named);
    let out = star.to_str().unwrap();
    let shown = found(&server, &["clean", out, "--keep=1"]);
    let remove = [
        as_found(out, &one, "whole", 3, 10, 0),
        as_found(out, &dead, "unfinished", 2, 8, 0),
        as_found(out, &empty, "unfinished", 0, 0, 0),
        as_found(out, &two, "whole", 3, 10, 0),
    ];
    assert_eq!(shown["remove"], json!(remove));
    assert_eq!(names(&star).len(), 7);
    found(&server, &["clean", out, "--keep=1", "--yes"]);
    assert_eq!(names(&star), set(&[&recent, &named, "latest.json"]));
    assert_eq!(server.requests(&Which::any()), 0);
}

/// All names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_folder_that_one_is_in_can_be_cleaned() {
    let server = Server::start();
    let folder = copied();
    let star = folder.path().join("star");
    unfinished(&star, &id(30));
    let mut command = sparkify(&server, &["clean", ".", "--yes"]);
    Ended::of(command.current_dir(&star)).succeeds();
    assert_eq!(names(&star), set(&[]));
}

#[test]
fn what_a_link_leads_to_is_not_removed() {
    let server = Server::start();
    let folder = copied();
    let star = folder.path().join("star");
    let precious = folder.path().join("precious");
    write(&precious, "songs/part-00000.parquet", "mine");
    symlink(&precious, star.join(id(30))).unwrap();
    let [dead, out] = [id(40), star.to_str().unwrap().to_owned()];
    unfinished(&star, &dead);
    let linked = star.join(&dead).join("linked");
    symlink(&precious, &linked).unwrap();
    // A link that was made just now would be a sign of life.
    let long_ago = Timespec {
        tv_sec: 1_000_000_000,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: long_ago,
        last_modification: long_ago,
    };
    utimensat(CWD, &linked, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    end(&server, &["clean", &out, "--yes"]).succeeds();
    assert!(precious.join("songs/part-00000.parquet").exists());
    assert!(!star.join(&dead).join("songs").exists());
}

/// The staging folder of a run that was killed.
const STAGING: &str = ".star.sparkify-staging";

#[test]
fn what_a_killed_run_left_beside_a_folder_goes() {
    let server = Server::start();
    let folder = copied();
    let out = folder.path().join("star");
    put_input(folder.path());
    let run = [
        "run",
        "--quiet",
        "--songs=songs",
        "--logs=logs",
        "--out=star",
    ];
    Ended::of(sparkify(&server, &run).current_dir(folder.path())).succeeds();
    let star = crate::disk::keys(&out);
    write(
        folder.path(),
        &format!("{STAGING}/songs/part-00000.parquet"),
        "12345",
    );
    let out = out.to_str().unwrap();
    let left = folder.path().join(STAGING);
    let expected =
        json!({ "name": left, "state": "unfinished", "objects": 1, "bytes": 5, "uploads": 0 });

    let shown = found(&server, &["clean", out]);
    assert_eq!(
        (&shown["remove"], &shown["keep"]),
        (&json!([expected]), &json!([]))
    );
    assert!(left.exists());
    found(&server, &["clean", out, "--yes"]);
    assert_eq!(names(folder.path()), set(&["logs", "songs", "star"]));
    assert_eq!(crate::disk::keys(Path::new(out)), star);
    let text = end(&server, &["clean", out, "--yes"]).succeeds().stdout;
    assert_eq!(text, format!("nothing to clean in {out}\n"));

    // Also where the first run of all was killed.
    fs::remove_dir_all(out).unwrap();
    write(
        folder.path(),
        &format!("{STAGING}/songs/part-00000.parquet"),
        "12345",
    );
    end(&server, &["clean", out, "--yes"]).succeeds();
    assert!(!left.exists());
    let words = ["cannot clean", "there is no such folder"];
    end(&server, &["clean", out, "--yes"]).fails(&words);
}

#[test]
fn the_staging_folder_of_a_run_that_works_stays() {
    let server = Server::start();
    let folder = copied();
    write(
        folder.path(),
        &format!("{STAGING}/songs/part-00000.parquet"),
        "12345",
    );
    let staging = folder.path().join(STAGING);
    // As a run holds it.
    let lock = fs::File::open(&staging).unwrap();
    lock.lock().unwrap();
    let out = folder.path().join("star");
    let out = out.to_str().unwrap();
    end(&server, &["clean", out, "--yes"]).succeeds();
    assert!(staging.join("songs/part-00000.parquet").exists());
    drop(lock);
    write(&staging, "mine.txt", "mine");
    let words = ["will not empty", "it holds mine.txt, which no run wrote"];
    end(&server, &["clean", out, "--yes"]).fails(&words);
    assert!(staging.join("songs/part-00000.parquet").exists());
}

#[test]
fn what_others_put_beside_the_parts_of_a_run_stays() {
    let (server, star) = cleaned(Faults::new());
    let (dead, newer, older) = (id(30), id(1), id(60));
    unfinished(&star, &dead);
    whole(&star, &newer);
    whole(&star, &older);
    let theirs = [
        format!("star/{dead}/mine/precious.csv"),
        format!("star/{older}/notes.txt"),
        format!("star/{older}/songs/part-00000.csv"),
    ];
    for key in &theirs {
        write(&server.bucket("music"), key, "theirs");
    }
    for id in [&dead, &older] {
        server.age(&star.join(id), Duration::from_secs(30 * 3600));
    }
    found(&server, &["clean", OUT, "--keep", "1", "--yes"]);
    let left = server.objects("music");
    let of_gone = |key: &&String| key.contains(&dead) || key.contains(&older);
    let mut left: Vec<&String> = left.keys().filter(of_gone).collect();
    left.sort();
    let mut theirs: Vec<&String> = theirs.iter().collect();
    theirs.sort();
    assert_eq!(left, theirs);
}

#[test]
fn the_run_that_is_named_stays_whatever_is_in_it() {
    let (server, star) = cleaned(Faults::new());
    let named = id(100);
    unfinished(&star, &named);
    name_latest(&star, &named);
    found(&server, &["clean", OUT, "--keep", "1", "--yes"]);
    assert!(runs(&star).contains(&named));
}
