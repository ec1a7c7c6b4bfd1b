//! Runs on a server that fails: the same star or one clear line, and never something in between.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::job::{self, Ended};
use crate::reply::Reply;
use crate::server::Server;
use crate::star::{Run, Star, runs};

pub const BUCKET: &str = "music";

/// How input is named in rejects.
pub const URL: &str = "s3://music/";

/// What is bound is far below this.
const SOON: Duration = Duration::from_secs(20);

/// Writes what a small run reads: songs, one of them no song, and events.
pub fn small_input(folder: &Path) {
    let write = |key: String, text: String| {
        let path = folder.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let song = include_str!("../../fixtures/song.json");
    write("song_data/A/a.json".to_owned(), song.to_owned());
    write(
        "song_data/A/b.json".to_owned(),
        "{\"song_id\":\"S\"}\n".to_owned(),
    );
    for object in 0..4 {
        write(format!("log_data/2018/{object}.json"), events(object, 5));
    }
}

/// Some events that no other object has.
pub fn events(object: u64, count: u64) -> String {
    let event = |n: u64| {
        let ts = 1_541_000_000_000 + (object * 1000 + n) * 1000;
        format!(
            r#"{{"ts":{ts},"userId":"{object}","sessionId":{n},"itemInSession":0,"level":"paid","page":"NextSong"}}"#
        )
    };
    (0..count).map(|n| event(n) + "\n").collect()
}

/// A server with a bucket that holds this input.
pub fn with_input(faults: Faults) -> Server {
    let server = Server::faulty(faults);
    small_input(&server.bucket(BUCKET));
    server
}

/// A run in the bucket, to its prefix `star`.
pub fn run(server: &Server) -> Command {
    let (songs, logs) = ("s3://music/song_data", "s3://music/log_data");
    job::run(server, songs, logs, "s3://music/star")
}

/// The same, given up on soon.
pub fn hasty_run(server: &Server) -> Command {
    let mut command = run(server);
    command.args(["--read-timeout", "0.3"]);
    command.env("AWS_MAX_ATTEMPTS", "2");
    command
}

/// The newest run in the bucket, if there is one; it must be whole.
pub fn latest(server: &Server) -> Option<Run> {
    Run::latest(server, BUCKET, "star", &[URL])
}

/// The star that the input of a server gives when nothing fails, built in a folder.
fn expected(server: &Server) -> Star {
    let out = tempfile::tempdir().unwrap();
    let folder = server.bucket(BUCKET);
    let path = |folder: &Path, name| folder.join(name).to_str().unwrap().to_owned();
    let (songs, logs) = (path(&folder, "song_data"), path(&folder, "log_data"));
    let star = path(out.path(), "star");
    Ended::of(&mut job::run(server, &songs, &logs, &star)).succeeds();
    Star::in_folder(star.as_ref(), &[&path(&folder, "")])
}

/// Nothing is published, and nothing is left of what was written.
#[track_caller]
pub fn nothing_is_left(server: &Server) {
    assert!(latest(server).is_none());
    assert_eq!(runs(server, BUCKET, "star"), [].into());
    assert_eq!(server.unfinished(BUCKET), [""; 0]);
}

/// Every way to fail at once, each as probable.
fn quick_faults(probability: f64) -> Vec<(f64, Fault)> {
    let faults = [
        Fault::Reply(Reply::slow_down()),
        Fault::Reply(Reply::internal_error()),
        Fault::Cut,
        Fault::Drop,
        Fault::Lose,
        Fault::Late(Duration::from_millis(20)),
    ];
    faults.map(|fault| (probability, fault)).into()
}

/// The same, and those that are noticed by their silence.
fn all_faults(probability: f64) -> Vec<(f64, Fault)> {
    let silent = [(probability, Fault::Stall), (probability, Fault::Silence)];
    silent
        .into_iter()
        .chain(quick_faults(probability))
        .collect()
}

/// Long records that are rejected, so that the file of rejects is written in parts.
fn long_rejects(server: &Server) {
    let line = format!("{{\"ts\":nonsense {}\n", "x".repeat(60_000));
    let path = server.bucket(BUCKET).join("log_data/2018/rejects.json");
    std::fs::write(path, format!("{{}}\n{}", line.repeat(200))).unwrap();
}

/// The sum over several seeds, all at once.
fn over_seeds(each: impl Fn(u64) -> usize + Sync) -> usize {
    let each = &each;
    thread::scope(|scope| {
        let threads: Vec<_> = (1..=8)
            .map(|seed| scope.spawn(move || each(seed)))
            .collect();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

#[test]
fn faults_that_pass_change_nothing() {
    let faults = over_seeds(|seed| {
        // A part of 8 MiB that stalls has more time than a test.
        let in_parts = seed % 2 == 0;
        let odds = match in_parts {
            true => quick_faults(0.06),
            false => all_faults(0.03),
        };
        let server = with_input(Faults::new().by_chance(seed, 2, odds).page(2));
        if in_parts {
            long_rejects(&server);
        }
        let expected = expected(&server);
        let ended = Ended::of(run(&server).args(["--read-timeout", "0.5"]));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{seed}");
        let found = latest(&server).unwrap();
        found.star.is(&expected, &format!("{seed}"));
        assert_eq!(server.unfinished(BUCKET), [""; 0], "{seed}");
        assert_eq!(runs(&server, BUCKET, "star").len(), 1, "{seed}");
        server.faults()
    });
    assert!(faults > 20, "{faults}");
}

#[test]
fn faults_that_do_not_pass_publish_nothing_that_is_not_whole() {
    let failed = over_seeds(|seed| {
        // From some that may be got over to more than that.
        let odds = all_faults([0.005, 0.01, 0.02, 0.06][usize::try_from(seed % 4).unwrap()]);
        let server = with_input(Faults::new().by_chance(seed, usize::MAX, odds));
        let expected = expected(&server);
        let ended = Ended::within(SOON, &mut hasty_run(&server));
        let published = latest(&server);
        if let Some(published) = &published {
            published.star.is(&expected, &format!("{seed}"));
        }
        if ended.code == Some(0) {
            assert!(published.is_some(), "{seed}");
            return 0;
        }
        ended.fails(&["cannot ", "s3://music/"]);
        1
    });
    assert!(failed >= 1);
}

#[test]
fn a_server_that_is_always_busy_is_given_up_on() {
    let busy = Fault::Reply(Reply::slow_down());
    for kind in [Kind::List, Kind::Get, Kind::Put] {
        let server = with_input(Faults::new().always(Which::kind(kind), busy.clone()));
        Ended::within(SOON, &mut hasty_run(&server)).fails(&[
            "SlowDown (HTTP 503)",
            "(2 tries)",
            "lower --requests",
        ]);
        nothing_is_left(&server);
    }
}

#[test]
fn a_server_that_never_answers_is_given_up_on() {
    for which in [Which::any(), Which::kind(Kind::Get), Which::kind(Kind::Put)] {
        let server = with_input(Faults::new().always(which, Fault::Silence));
        let endpoint = server.endpoint();
        Ended::within(SOON, &mut hasty_run(&server)).fails(&[
            "nothing came for 0.3 s (2 tries)",
            &format!("check that {endpoint} can be reached"),
            "--endpoint-url",
        ]);
        nothing_is_left(&server);
    }
}

#[test]
fn a_server_that_is_not_there_is_given_up_on_soon() {
    let server = with_input(Faults::new());
    // Nobody listens there.
    let nowhere = "http://127.0.0.1:1";
    let ended = Ended::within(SOON, run(&server).args(["--endpoint-url", nowhere]));
    ended.fails(&[
        "cannot list s3://music/song_data: ",
        "(3 tries)",
        &format!("check that {nowhere} can be reached"),
    ]);
    assert_eq!(server.requests(&Which::any()), 0);
}

#[test]
fn an_upload_in_parts_that_fails_is_aborted() {
    let busy = Fault::Reply(Reply::internal_error());
    for (kind, words) in [
        (Kind::CreateUpload, "InternalError (HTTP 500)"),
        (Kind::UploadPart, "InternalError (HTTP 500)"),
        (Kind::CompleteUpload, "InternalError (HTTP 500)"),
    ] {
        let faults = Faults::new().always(Which::kind(kind), busy.clone());
        let server = with_input(faults);
        long_rejects(&server);
        let ended = Ended::within(SOON, &mut hasty_run(&server));
        ended.fails(&["cannot write s3://music/star/", "/_rejects/logs-", words]);
        assert!(server.requests(&Which::kind(kind)) >= 2);
        nothing_is_left(&server);
    }
}

#[test]
fn an_upload_in_parts_may_fail_for_a_while() {
    let late = Reply::new(200, "InternalError", "We encountered an internal error.");
    let cases = [
        vec![(Kind::CreateUpload, Fault::Lose)],
        vec![(Kind::UploadPart, Fault::Cut)],
        vec![(Kind::UploadPart, Fault::Lose)],
        vec![(Kind::UploadPart, Fault::Reply(Reply::request_timeout()))],
        vec![(Kind::CompleteUpload, Fault::Lose)],
        vec![
            (Kind::CompleteUpload, Fault::Lose),
            (Kind::Head, Fault::Drop),
        ],
        vec![(Kind::CompleteUpload, Fault::Cut)],
        vec![(Kind::CompleteUpload, Fault::Reply(Reply::slow_down()))],
        vec![(Kind::CompleteUpload, Fault::Reply(late))],
    ];
    thread::scope(|scope| {
        for faults in cases {
            scope.spawn(|| upload_fails_once(faults));
        }
    });
}

fn upload_fails_once(once: Vec<(Kind, Fault)>) {
    let (case, count) = (format!("{once:?}"), once.len());
    let first = |faults: Faults, (kind, fault)| faults.first(1, Which::kind(kind), fault);
    let server = with_input(once.into_iter().fold(Faults::new(), first));
    long_rejects(&server);
    let ended = Ended::of(&mut run(&server));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{case}");
    assert_eq!(server.faults(), count, "{case}");
    assert!(latest(&server).is_some(), "{case}");
    assert_eq!(server.unfinished(BUCKET), [""; 0], "{case}");
}

#[test]
fn what_cannot_be_removed_does_not_hold_up_the_end() {
    let busy = Fault::Reply(Reply::internal_error());
    let mut faults = Faults::new().always(Which::kind(Kind::CompleteUpload), busy);
    for kind in [Kind::AbortUpload, Kind::ListUploads, Kind::Delete] {
        faults = faults.always(Which::kind(kind), Fault::Silence);
    }
    let server = with_input(faults);
    long_rejects(&server);
    let ended = Ended::within(SOON, &mut hasty_run(&server));
    ended.fails(&["cannot write s3://music/star/", "InternalError"]);
    // By then nothing is tried twice.
    assert_eq!(server.requests(&Which::kind(Kind::Delete)), 1);
    assert!(latest(&server).is_none());
}

#[test]
fn an_object_that_changes_while_it_is_wanted_ends_the_run() {
    let which = || Which::kind(Kind::Get).of_key("2018/2.json");
    let same_length = events(7, 5);
    let server = with_input(Faults::new().at(1, which(), move |buckets| {
        std::fs::write(buckets.join("music/log_data/2018/2.json"), same_length).unwrap();
    }));
    Ended::of(&mut run(&server)).fails(&[
        "cannot read s3://music/log_data/2018/2.json",
        "changed after it was listed",
        "run again when nothing writes to it",
    ]);
    // The rejects of the songs were there already.
    let rejects = Which::kind(Kind::Put).of_key("_rejects/songs-00000.jsonl");
    assert_eq!(server.requests(&rejects), 1);
    nothing_is_left(&server);
}

#[test]
fn an_object_that_changes_between_two_pieces_ends_the_run() {
    for longer in [false, true] {
        let key = "music/log_data/2018/long.json";
        let which = Which::kind(Kind::Get).of_key("2018/long.json");
        let server = with_input(Faults::new().at(2, which, move |buckets| {
            let text = events(8, if longer { 60_000 } else { 10 });
            std::fs::write(buckets.join(key), text).unwrap();
        }));
        let path = server.bucket(BUCKET).join("log_data/2018/long.json");
        std::fs::write(path, events(9, 50_000)).unwrap();
        Ended::of(&mut run(&server)).fails(&[
            "cannot read s3://music/log_data/2018/long.json",
            "changed after it was listed",
        ]);
        nothing_is_left(&server);
    }
}

#[test]
fn an_object_that_vanishes_while_it_is_wanted_ends_the_run() {
    let which = Which::kind(Kind::Get).of_key("2018/2.json");
    let server = with_input(Faults::new().at(1, which, |buckets| {
        std::fs::remove_file(buckets.join("music/log_data/2018/2.json")).unwrap();
    }));
    Ended::of(&mut run(&server)).fails(&[
        "cannot read s3://music/log_data/2018/2.json",
        "NoSuchKey (HTTP 404)",
        "it was there when it was listed",
    ]);
    nothing_is_left(&server);
}

#[test]
fn no_more_requests_are_under_way_than_allowed() {
    for requests in [1, 3] {
        let late = Fault::Late(Duration::from_millis(3));
        let server = with_input(Faults::new().always(Which::kind(Kind::Get), late));
        for object in 10..60 {
            let key = format!("log_data/2018/{object}.json");
            std::fs::write(server.bucket(BUCKET).join(key), events(object, 3)).unwrap();
        }
        let long = server.bucket(BUCKET).join("log_data/2018/long.json");
        std::fs::write(long, events(99, 100_000)).unwrap();
        let (threads, most) = ("4", requests.to_string());
        let mut command = run(&server);
        Ended::of(command.args(["--threads", threads, "--requests", &most])).succeeds();
        assert_eq!(server.most_gets_at_once(), requests);
        assert!(latest(&server).is_some());
    }
}
