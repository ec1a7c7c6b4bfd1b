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

/// The runs that `latest.json` lists.
fn published(bucket: &Path) -> Vec<String> {
    let json = std::fs::read(bucket.join("star/latest.json")).unwrap();
    let latest: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let ids = latest["published"].as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Whether a run that succeeded said that another remains the latest. It must have nothing else to say.
#[track_caller]
fn yields(ended: &Ended) -> bool {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "sparkify: warning: s3://music/star/latest.json names run ";
    let says_so = ended.stderr.starts_with(warning) && ended.stderr.lines().count() == 1;
    assert!(says_so || ended.stderr.is_empty(), "{ended:?}");
    says_so
}

fn of_latest(kind: Kind) -> Which {
    Which::kind(kind).of_key("latest.json")
}

#[test]
fn of_runs_at_once_the_newest_is_named_and_all_are_whole() {
    let late = Fault::Late(std::time::Duration::from_millis(30));
    let server = with_input(Faults::new().always(of_latest(Kind::Get), late));
    let yielded: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Ended::of(&mut run(&server))))
            .collect();
        let ended = threads.into_iter().map(|one| one.join().unwrap());
        ended.map(|ended| usize::from(yields(&ended))).sum()
    });
    let all = runs(&server, BUCKET, "star");
    assert_eq!(all.len(), 4);
    let newest = latest(&server).unwrap();
    assert_eq!(Some(&newest.id), all.last());
    assert!(yielded < 4);
    // However they were published, no later one is before an earlier one that worked at the same time.
    assert_eq!(
        published(&server.bucket(BUCKET)),
        Vec::from_iter(all.clone())
    );
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
        let ended = Ended::of(&mut run(&server));
        assert!(yields(&ended));
        let newer = "29990101T000000000Z-00000000";
        assert_eq!(named(&bucket), newer);
        let [.., this, last] = &published(&bucket)[..] else {
            panic!("two runs are published");
        };
        assert_eq!(last, newer);
        let words = [
            newer,
            "was published while this one worked",
            &format!("s3://music/star/{this}"),
        ];
        assert!(
            words.iter().all(|words| ended.stderr.contains(words)),
            "{ended:?}"
        );
        Run::whole(&server, BUCKET, "star", this, &[URL]);
        // The first attempt finds that another run was published; the second inserts this one before it.
        assert_eq!(server.requests(&of_latest(Kind::Put)), 2);
    }
}

#[test]
fn a_run_that_was_published_before_is_followed_however_late_its_clock_says_it_began() {
    // By this version, and by one that wrote no list.
    for writes_list in [false, true] {
        let server = with_input(Faults::new());
        let bucket = server.bucket(BUCKET);
        std::fs::create_dir(bucket.join("star")).unwrap();
        let ahead = publish_other(bucket.parent().unwrap(), "29990101");
        if writes_list {
            let report = format!("s3://music/star/{ahead}/_report.json");
            let json = serde_json::json!({"run": ahead, "report": report, "published": [ahead]});
            std::fs::write(bucket.join("star/latest.json"), json.to_string()).unwrap();
        }
        let mut expected = vec![ahead];
        for _ in 0..2 {
            Ended::of(&mut run(&server)).succeeds();
            expected.push(latest(&server).unwrap().id);
            assert_eq!(published(&bucket), expected);
        }
        assert!(expected[1] < expected[2] && expected[2] < expected[0]);
    }
}

#[test]
fn a_run_that_a_user_names_by_hand_counts_as_the_newest() {
    let server = with_input(Faults::new());
    let bucket = server.bucket(BUCKET);
    for _ in 0..2 {
        Ended::of(&mut run(&server)).succeeds();
    }
    let [first, second] = &published(&bucket)[..] else {
        panic!("two runs are published");
    };
    let path = bucket.join("star/latest.json");
    let json = std::fs::read_to_string(&path).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json["run"] = first.as_str().into();
    std::fs::write(&path, json.to_string()).unwrap();
    Ended::of(&mut run(&server)).succeeds();
    let third = latest(&server).unwrap().id;
    assert_eq!(published(&bucket), [second.clone(), first.clone(), third]);
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
fn a_run_that_cannot_be_named_is_complete_and_says_where() {
    let denied = Fault::Reply(Reply::access_denied());
    let server = with_input(Faults::new().always(of_latest(Kind::Put), denied));
    let ended = Ended::of(&mut run(&server));
    let all = runs(&server, BUCKET, "star");
    let id = all.first().unwrap();
    Run::whole(&server, BUCKET, "star", id, &[URL]);
    let place = format!("the run itself is complete in s3://music/star/{id}");
    ended.fails(&["s3://music/star/latest.json", "AccessDenied", &place]);
}

#[test]
fn a_killed_run_leaves_the_earlier_one_named() {
    // The first run comes to all these points, too, and every run reads latest.json twice.
    for (nth, which) in [
        (2, Which::kind(Kind::Get).of_key("log_data/2018/3.json")),
        (
            2,
            Which::kind(Kind::Put).of_key("songplays/part-00000.parquet"),
        ),
        (2, Which::kind(Kind::Put).of_key("songs.manifest")),
        (2, Which::kind(Kind::Put).of_key("_report.json")),
        (3, of_latest(Kind::Get)),
        (4, of_latest(Kind::Get)),
    ] {
        let case = format!("{which:?} {nth}");
        let running = Arc::new(AtomicU32::new(0));
        let victim = running.clone();
        let server = with_input(Faults::new().at(nth, which, move |_| {
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
