//! Runs to a bucket that fail because of what they read: rejects and report are kept, and nothing else.

use serde_json::Value;

use crate::asked::{Kind, Which};
use crate::faults::{Fault, Faults};
use crate::music::{EVENT, RUN, end, with, with_input, write};
use crate::reply::Reply;
use crate::server::Server;

/// A record that is rejected wherever it is.
const REJECT: &str = "{\"ts\": nonsense}\n";

/// A server with a run in `star`, and by now with logs of which a half is rejected.
fn with_bad_logs(faults: Faults) -> Server {
    let server = with_input(faults);
    end(&server, &RUN).succeeds();
    write(
        &server.bucket("music"),
        "logs/a.json",
        format!("{EVENT}\n{REJECT}"),
    );
    server
}

/// The keys below the run of this id in `star`.
fn keys_of(server: &Server, run: &str) -> Vec<String> {
    let home = format!("star/{run}/");
    let objects = server.objects("music");
    let keys = objects.keys().filter_map(|key| key.strip_prefix(&home));
    keys.map(str::to_owned).collect()
}

fn latest(server: &Server) -> Vec<u8> {
    server.objects("music")["star/latest.json"].clone()
}

#[test]
fn a_run_past_its_limit_keeps_rejects_and_report_below_its_prefix() {
    let server = with_bad_logs(Faults::new());
    let before = latest(&server);
    let ended = end(&server, &with(&RUN, &["--json"]));
    let report = ended.json();
    let run = report["run"].as_str().unwrap().to_owned();
    let kept = format!("rejects and report are in s3://music/star/{run}");
    ended.fails_by(3, &["1 of 2 log records (50.00%)", &kept]);
    assert_eq!(
        (&report["status"], &report["logs"]["kept"]),
        (&"failed".into(), &1.into())
    );
    assert_eq!(
        keys_of(&server, &run),
        ["_rejects/logs-00000.jsonl", "_report.failed.json"]
    );
    let key = format!("star/{run}/_report.failed.json");
    let stored: Value = serde_json::from_slice(&server.objects("music")[&key]).unwrap();
    assert_eq!(stored, report);
    assert_eq!(latest(&server), before);

    // It is no run to load, and a cleaning removes it, and only it, at once.
    let load = [
        "load",
        "--warehouse",
        "postgres://nobody@localhost:1/none",
        "--from",
    ];
    let from = format!("s3://music/star/{run}");
    end(&server, &with(&load, &[&from])).fails(&["the run failed and published nothing"]);
    let clean = ["clean", "s3://music/star", "--json"];
    let found = end(&server, &clean).succeeds().json();
    let [removed] = found["remove"].as_array().unwrap().as_slice() else {
        panic!("{found}");
    };
    assert_eq!(
        (&removed["state"], &removed["objects"]),
        (&"failed".into(), &2.into())
    );
    end(&server, &with(&clean, &["--yes"])).succeeds();
    assert!(keys_of(&server, &run).is_empty());
    assert_eq!(latest(&server), before);
    end(&server, &with(&RUN, &["--max-rejects=1"])).succeeds();
    assert_ne!(latest(&server), before);
}

#[test]
fn parts_that_cannot_be_removed_are_told() {
    let which = Which::kind(Kind::Delete);
    let server = with_bad_logs(Faults::new().always(which, Fault::Reply(Reply::access_denied())));
    let ended = end(&server, &with(&RUN, &["--json"]));
    let report = ended.json();
    let words = [
        "1 of 2 log records",
        "rejects and report could not be kept: ",
        "AccessDenied",
        "goes with sparkify clean",
    ];
    ended.fails_by(3, &words);
    let run = report["run"].as_str().unwrap();
    assert!(
        !keys_of(&server, run)
            .iter()
            .any(|key| key.starts_with("_report"))
    );
}

#[test]
fn a_run_without_events_does_not_become_the_latest() {
    let server = with_input(Faults::new());
    write(
        &server.bucket("music"),
        "logs/a.json",
        EVENT.replace("NextSong", "Home"),
    );
    // There is no run yet that has any.
    let ended = end(&server, &RUN);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let empty = latest(&server);
    write(&server.bucket("music"), "logs/a.json", EVENT);
    end(&server, &RUN).succeeds();
    let full = latest(&server);
    assert_ne!(full, empty);

    write(
        &server.bucket("music"),
        "logs/a.json",
        EVENT.replace("NextSong", "Home"),
    );
    let ended = end(&server, &with(&RUN, &["--json"]));
    let report = ended.json();
    let run = report["run"].as_str().unwrap().to_owned();
    let words = [
        "will not replace the star in s3://music/star, which has 1 songplays",
        "--allow-empty",
    ];
    ended.fails_by(1, &words);
    assert_eq!(keys_of(&server, &run), ["_report.failed.json"]);
    assert_eq!(latest(&server), full);

    let ended = end(&server, &with(&RUN, &["--allow-empty"]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_ne!(latest(&server), full);
}
