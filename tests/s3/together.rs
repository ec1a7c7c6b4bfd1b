//! Runs to one prefix, beside each other and after one that was killed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::hard::{BUCKET, URL, latest, run, with_input};
use crate::job::{self, Ended};
use crate::reply::Reply;
use crate::star::{Run, runs};

/// Publishes a run that began at another time, as another process would.
fn publish_other(buckets: &Path, began: &str) -> String {
    let id = format!("{began}T000000000Z-00000000");
    let report = format!("s3://music/star/{id}/_report.json");
    let json = format!(r#"{{"run": "{id}", "report": "{report}"}}"#);
    let star = buckets.join("music/star");
    std::fs::create_dir_all(star.join(&id)).unwrap();
    std::fs::write(star.join(&id).join("_report.json"), "{}").unwrap();
    std::fs::write(star.join("latest.json"), json).unwrap();
    id
}

fn named(buckets: &Path) -> String {
    let json = std::fs::read(buckets.join("star/latest.json")).unwrap();
    let latest: serde_json::Value = serde_json::from_slice(&json).unwrap();
    latest["run"].as_str().unwrap().to_owned()
}

fn of_latest(kind: Kind) -> Which {
    Which::kind(kind).of_key("latest.json")
}

#[test]
fn of_runs_at_once_the_newest_is_named_and_all_are_whole() {
    let late = Fault::Late(std::time::Duration::from_millis(30));
    let server = with_input(Faults::new().always(of_latest(Kind::Get), late));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| Ended::of(&mut run(&server)).succeeds());
        }
    });
    let all = runs(&server, BUCKET, "star");
    assert_eq!(all.len(), 4);
    let newest = latest(&server).unwrap();
    assert_eq!(Some(&newest.id), all.last());
    for id in &all {
        let one = Run::whole(&server, BUCKET, "star", id, &[URL]);
        one.star.is(&newest.star, id);
    }
}

#[test]
fn a_run_takes_the_place_of_the_one_before() {
    let server = with_input(Faults::new());
    let mut before = None;
    for _ in 0..3 {
        Ended::of(&mut run(&server)).succeeds();
        let id = latest(&server).map(|run| run.id);
        assert!(id > before, "{id:?} behind {before:?}");
        before = id;
    }
    assert_eq!(runs(&server, BUCKET, "star").len(), 3);
}

#[test]
fn a_newer_run_that_is_published_meanwhile_stays_named() {
    // After this run has looked, and before it writes: with and without one that was named before.
    for earlier in [false, true] {
        let server = with_input(Faults::new().at(1, of_latest(Kind::Put), |buckets| {
            publish_other(buckets, "29990101");
        }));
        let bucket = server.bucket(BUCKET);
        if earlier {
            std::fs::create_dir(bucket.join("star")).unwrap();
            publish_other(bucket.parent().unwrap(), "20000101");
        }
        Ended::of(&mut run(&server)).succeeds();
        assert_eq!(named(&bucket), "29990101T000000000Z-00000000");
        assert_eq!(server.requests(&of_latest(Kind::Put)), 1);
    }
}

#[test]
fn an_older_run_that_is_published_meanwhile_does_not_stay_named() {
    let server = with_input(
        Faults::new()
            .at(1, of_latest(Kind::Put), |buckets| {
                publish_other(buckets, "20010101");
            })
            .at(2, of_latest(Kind::Put), |buckets| {
                publish_other(buckets, "20020101");
            }),
    );
    Ended::of(&mut run(&server)).succeeds();
    assert!(latest(&server).is_some());
    assert_eq!(server.requests(&of_latest(Kind::Put)), 3);
}

#[test]
fn what_is_named_may_be_removed_meanwhile() {
    let server = with_input(Faults::new().at(1, of_latest(Kind::Put), |buckets| {
        std::fs::remove_file(buckets.join("music/star/latest.json")).unwrap();
    }));
    let bucket = server.bucket(BUCKET);
    std::fs::create_dir(bucket.join("star")).unwrap();
    publish_other(bucket.parent().unwrap(), "20000101");
    Ended::of(&mut run(&server)).succeeds();
    assert!(latest(&server).is_some());
}

#[test]
fn naming_a_run_gets_over_faults() {
    for (kind, fault) in [
        (Kind::Get, Fault::Cut),
        (Kind::Get, Fault::Drop),
        (Kind::Put, Fault::Cut),
        (Kind::Put, Fault::Lose),
        (Kind::Put, Fault::Reply(Reply::conflict("latest.json"))),
        (Kind::Put, Fault::Reply(Reply::slow_down())),
        (Kind::Put, Fault::Reply(Reply::request_timeout())),
        (
            Kind::Put,
            Fault::Reply(Reply::new(501, "NotImplemented", "No conditions here.")),
        ),
    ] {
        let case = format!("{kind:?} {fault:?}");
        let server = with_input(Faults::new().first(1, of_latest(kind), fault));
        let bucket = server.bucket(BUCKET);
        std::fs::create_dir(bucket.join("star")).unwrap();
        publish_other(bucket.parent().unwrap(), "20000101");
        let ended = Ended::of(&mut run(&server));
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{case}");
        assert!(latest(&server).is_some(), "{case}");
        assert_eq!(server.faults(), 1, "{case}");
    }
}

#[test]
fn a_run_that_cannot_be_named_is_whole_and_says_where() {
    let denied = Fault::Reply(Reply::access_denied());
    for kind in [Kind::Get, Kind::Put] {
        let server = with_input(Faults::new().always(of_latest(kind), denied.clone()));
        let ended = Ended::of(&mut run(&server));
        let all = runs(&server, BUCKET, "star");
        let id = all.first().unwrap();
        Run::whole(&server, BUCKET, "star", id, &[URL]);
        ended.fails(&["s3://music/star/latest.json", "AccessDenied"]);
    }
}

#[test]
fn a_killed_run_leaves_the_earlier_one_named() {
    for which in [
        Which::kind(Kind::Get).of_key("log_data/2018/3.json"),
        Which::kind(Kind::Put).of_key("songplays/part-00000.parquet"),
        Which::kind(Kind::Put).of_key("songs.manifest"),
        Which::kind(Kind::Put).of_key("_report.json"),
        of_latest(Kind::Get),
    ] {
        let case = format!("{which:?}");
        let running = Arc::new(AtomicU32::new(0));
        let victim = running.clone();
        // The first run comes to this point, too.
        let server = with_input(Faults::new().at(2, which, move |_| {
            let pid = loop {
                match victim.load(Ordering::Acquire) {
                    0 => thread::yield_now(),
                    pid => break pid,
                }
            };
            job::kill(pid);
        }));
        Ended::of(&mut run(&server)).succeeds();
        let earlier = latest(&server).unwrap();

        let mut child = run(&server).spawn().unwrap();
        running.store(child.id(), Ordering::Release);
        assert_eq!(child.wait().unwrap().code(), None, "{case}");
        let left = latest(&server).unwrap();
        assert_eq!(left.id, earlier.id, "{case}");

        Ended::of(&mut run(&server)).succeeds();
        let next = latest(&server).unwrap();
        assert!(next.id > earlier.id, "{case}");
        next.star.is(&earlier.star, &case);
    }
}

#[test]
fn a_name_of_no_run_is_replaced_however_late_it_says_it_began() {
    let server = with_input(Faults::new());
    let bucket = server.bucket("music");
    std::fs::create_dir_all(bucket.join("star")).unwrap();
    let id = publish_other(bucket.parent().unwrap(), "29990101");
    std::fs::remove_file(bucket.join("star").join(&id).join("_report.json")).unwrap();
    Ended::of(&mut run(&server)).succeeds();
    assert_ne!(named(&bucket), id);
}
