//! `sparkify rejects`: what a run rejected, grouped.

use std::os::unix::fs::symlink;

use testkit::cli::sandbox::Sandbox;
use testkit::sample_data::{MALFORMED_RECORD, event, events, songs};

/// Returns a sandbox with a run in `dataset` that rejected four log records and one song.
fn sandbox_with_rejects() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("songs/a.json", songs(1..3) + MALFORMED_RECORD);
    let missing = event(8).replace("\"level\":\"paid\",", "");
    let bad_type = |n| event(n).replace("\"sessionId\":7", "\"sessionId\":\"x\"");
    sandbox.write(
        "logs/a.json",
        format!("{}{missing}\n{}\n", events(0..3), bad_type(9)),
    );
    sandbox.write(
        "logs/b.json",
        format!("{}\n{MALFORMED_RECORD}", bad_type(10)),
    );
    sandbox
        .run_with(&["--max-rejects", "100%"])
        .assert_success();
    sandbox
}

#[test]
fn rejects_are_grouped_by_reason_and_key_with_an_example() {
    let sandbox = sandbox_with_rejects();
    let output = sandbox.exec(&["rejects", "dataset"]).assert_success();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines[0].starts_with("run ") && lines[0].ends_with(" in dataset"));
    assert_eq!(lines[2], "     rejects         size   reason   key");
    assert!(lines[4].starts_with("      songs/a.json line 3: "));
    assert_eq!(lines[5], "      {\"ts\": nonsense}");
    let groups: Vec<Vec<&str>> = lines
        .iter()
        .filter(|line| line.starts_with("           "))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let names = groups.iter().map(|group| (group[0], group[3], group[4]));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            ("2", "syntax", "-"),
            ("2", "type", "sessionId"),
            ("1", "missing", "level")
        ]
    );
    assert!(lines.iter().all(|line| line.chars().count() <= 80));
    assert!(lines.last().unwrap().starts_with("5 rejects, "));
}

#[test]
fn rejects_are_grouped_by_any_keys() {
    let sandbox = sandbox_with_rejects();
    let output = sandbox.exec(&["rejects", "dataset", "--by", "object,reason", "--json"]);
    let json = output.assert_success().json();
    assert_eq!(json["rejects_version"], 1);
    assert_eq!(json["status"], "ok");
    assert_eq!(json["total"]["rejects"], 5);
    let groups: Vec<_> = json["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let text = |key: &str| group[key].as_str().unwrap().to_owned();
            (text("object"), text("reason"), group["rejects"].as_u64())
        })
        .collect();
    let expected = [
        ("logs/a.json", "missing"),
        ("logs/a.json", "type"),
        ("logs/b.json", "syntax"),
        ("logs/b.json", "type"),
        ("songs/a.json", "syntax"),
    ];
    let expected = expected.map(|(object, reason)| (object.to_owned(), reason.to_owned(), Some(1)));
    assert_eq!(groups, expected);
    let example = &json["groups"][0]["example"];
    assert_eq!(
        (&example["kind"], &example["line"]),
        (&"log".into(), &4.into())
    );
    assert!(example["text"].as_str().unwrap().starts_with("{\"ts\""));

    let output = sandbox.exec(&["rejects", "dataset", "--by", "kind", "--json"]);
    let json = output.assert_success().json();
    assert_eq!(
        (&json["groups"][0]["kind"], &json["groups"][0]["rejects"]),
        (&"log".into(), &4.into())
    );
    sandbox
        .exec(&["rejects", "dataset", "--by", "colour"])
        .assert_usage_error("expected reason, key, object or kind");
}

#[test]
fn run_without_rejects_says_so() {
    let (sandbox, _) = Sandbox::with_dataset();
    let output = sandbox.exec(&["rejects", "dataset"]).assert_success();
    assert!(
        output.stdout.starts_with("no rejects in run "),
        "{output:?}"
    );
    let output = sandbox.exec(&["rejects", "dataset", "--json"]);
    assert_eq!(output.assert_success().json()["total"]["rejects"], 0);
}

#[test]
fn rejects_of_a_failed_run_are_shown() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/b.json", MALFORMED_RECORD);
    sandbox
        .run_with(&[])
        .assert_failure_with_warnings(3, "dataset.failed");
    for out in ["dataset.failed", "dataset"] {
        let output = sandbox.exec(&["rejects", out]).assert_success();
        let first = output.stdout.lines().next().unwrap();
        assert!(first.starts_with("failed run "), "{output:?}");
        assert!(first.ends_with(" in dataset.failed"), "{output:?}");
    }
    // An older dataset does not hide the failure.
    sandbox
        .run_with(&["--max-rejects", "9"])
        .assert_success_with_warnings();
    sandbox
        .run_with(&[])
        .assert_failure_with_warnings(3, "dataset.failed");
    let output = sandbox.exec(&["rejects", "dataset"]).assert_success();
    assert!(output.stdout.starts_with("run "), "{output:?}");
    let hint = "\na later run failed: see sparkify rejects dataset.failed\n";
    assert!(output.stdout.ends_with(hint), "{output:?}");
    sandbox
        .exec(&["rejects", "songs"])
        .assert_failure(1, &["no run in songs", "_report.failed.json"]);
}

#[test]
fn a_failed_run_beside_the_target_of_a_link_is_found() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("disk/star");
    symlink("disk/star", sandbox.path("dataset")).unwrap();
    sandbox.write("logs/b.json", MALFORMED_RECORD);
    sandbox
        .run_with(&[])
        .assert_failure_with_warnings(3, "disk/star.failed");
    let output = sandbox.exec(&["rejects", "dataset"]).assert_success();
    assert!(output.stdout.starts_with("failed run "), "{output:?}");
    let runs = ["history", "--from", "dataset", "--json"];
    let runs = sandbox.exec(&runs).assert_success().json();
    assert_eq!(runs["runs"][0]["state"], "failed");
}
