//! `sparkify replay`: rejects that were corrected pass, and all others stay accounted for.

use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::{MALFORMED_RECORD, event, events, song, songs};

/// The reject file of the log records of the run in `dataset`.
pub const LOG_REJECTS: &str = "dataset/_rejects/logs-00000.jsonl";

/// Returns an event that is rejected because of its session.
pub fn bad_event(n: u64) -> String {
    event(n).replace("\"sessionId\":7", "\"sessionId\":\"x\"")
}

/// Returns a sandbox with a run in `dataset` that rejected two log records and one song.
pub fn sandbox_with_rejects() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("songs/a.json", songs(1..3) + MALFORMED_RECORD);
    let logs = format!("{}{}\n{}\n", events(0..3), bad_event(3), bad_event(4));
    sandbox.write("logs/a.json", logs);
    sandbox
        .run_with(&["--max-rejects", "100%"])
        .assert_success();
    sandbox
}

/// Reads a reject file.
pub fn read_lines(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path(name)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Writes `fixed.jsonl` with these lines.
pub fn write_fixed(sandbox: &Sandbox, lines: &[Value]) {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    sandbox.write("fixed.jsonl", lines);
}

/// Replays `dataset` with `fixed.jsonl` into `replayed`.
pub fn replay_fixed(sandbox: &Sandbox) -> CommandOutput {
    sandbox.exec(&[
        "replay",
        "--quiet",
        "--from",
        "dataset",
        "--edited",
        "fixed.jsonl",
        "--out",
        "replayed",
    ])
}

/// Asserts that a replay with `fixed.jsonl` fails with these words and writes nothing.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, words: &[&str]) {
    replay_fixed(sandbox).assert_failure(1, words);
    assert!(!sandbox.path("replayed").exists());
    assert!(!sandbox.path("replayed.failed").exists());
    sandbox.assert_no_staging_left();
}

#[test]
fn replay_as_is_rejects_all_again_and_says_so() {
    let sandbox = sandbox_with_rejects();
    let replay = [
        "replay", "--quiet", "--from", "dataset", "--out", "replayed",
    ];
    sandbox
        .exec(&replay)
        .assert_failure(
            3,
            &[
                "all 3 rejects were rejected again",
                "the first is songs/a.json line 3 ",
            ],
        )
        .assert_failure(3, &["--edited", "rejects and report are in "]);
    assert!(!sandbox.path("replayed").exists());
    let report = fs::read(sandbox.path("replayed.failed/_report.failed.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    let run = read_report(&sandbox.path("dataset"))["run"].clone();
    assert_eq!(report["replayed_run"], run);
    assert_eq!(report["logs"]["records"], 2);
}

#[test]
fn edited_rejects_pass_and_others_keep_their_first_position() {
    let sandbox = sandbox_with_rejects();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    lines[0]["text"] = event(3).replace('{', "{\"device\":1,").into();
    lines[1]["text"] = format!("{}\n{}", event(4), bad_event(5)).into();
    write_fixed(&sandbox, &lines);
    replay_fixed(&sandbox).assert_success();
    let report = read_report(&sandbox.path("replayed"));
    let logs = &report["logs"];
    assert_eq!(
        (&logs["records"], &logs["kept"], &logs["rejected"]),
        (&3.into(), &2.into(), &1.into())
    );
    assert_eq!(report["songs"]["records"], 0);
    assert_eq!(report["tables"]["songplays"]["rows"], 2);
    // An unknown key is where its record was rejected.
    let unknown = json!([{"key": "device", "object": "logs/a.json", "line": 4}]);
    assert_eq!(logs["unknown_keys"], unknown);
    let [again] = read_lines(&sandbox, "replayed/_rejects/logs-00000.jsonl")
        .try_into()
        .unwrap();
    for key in ["object", "line", "offset", "kind", "reason", "key"] {
        assert_eq!(again[key], lines[1][key], "{key}");
    }
    assert_eq!(again["text"], bad_event(5));
    assert_eq!(again["bytes"], bad_event(5).len());
    assert_eq!(again["run"], report["run"]);
}

#[test]
fn summary_says_what_was_replayed() {
    let sandbox = sandbox_with_rejects();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    lines[0]["text"] = event(3).into();
    write_fixed(&sandbox, &lines);
    let output = sandbox.exec(&[
        "replay",
        "--from",
        "dataset",
        "--edited",
        "fixed.jsonl",
        "--out",
        "replayed",
    ]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let run = read_report(&sandbox.path("dataset"))["run"].clone();
    let line = format!(
        "replayed the rejects of run {}: 1 passed, 1 rejected again",
        run.as_str().unwrap()
    );
    assert!(output.stderr.contains(&line), "{output:?}");
}

#[test]
fn only_the_lines_of_an_edited_file_are_replayed() {
    let sandbox = sandbox_with_rejects();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    lines.remove(1);
    lines[0]["text"] = format!("[{},{}]", event(3), event(4)).into();
    write_fixed(&sandbox, &lines);
    replay_fixed(&sandbox).assert_success();
    let logs = &read_report(&sandbox.path("replayed"))["logs"];
    assert_eq!((&logs["records"], &logs["kept"]), (&2.into(), &2.into()));
}

#[test]
fn songs_alone_can_be_replayed() {
    let sandbox = sandbox_with_rejects();
    let mut lines = read_lines(&sandbox, "dataset/_rejects/songs-00000.jsonl");
    lines[0]["text"] = song(3).into();
    write_fixed(&sandbox, &lines);
    replay_fixed(&sandbox).assert_success();
    let report = read_report(&sandbox.path("replayed"));
    assert_eq!(report["tables"]["songs"]["rows"], 1);
    assert_eq!(report["logs"]["records"], 0);
    // The same does not replace a dataset with events.
    sandbox
        .exec(&[
            "replay",
            "--quiet",
            "--from",
            "dataset",
            "--edited",
            "fixed.jsonl",
            "--out",
            "other",
        ])
        .assert_success();
    sandbox.run("songs", "logs", "other").assert_failure(3, &[]);
    sandbox
        .exec(&[
            "run",
            "--quiet",
            "--songs",
            "songs",
            "--logs",
            "logs",
            "--out",
            "other",
            "--max-rejects",
            "9",
        ])
        .assert_success_with_warnings();
    sandbox
        .exec(&[
            "replay",
            "--quiet",
            "--from",
            "dataset",
            "--edited",
            "fixed.jsonl",
            "--out",
            "other",
        ])
        .assert_failure(
            1,
            &[
                "will not replace other: a replay writes only",
                "choose another --out",
            ],
        );
}

#[test]
fn line_that_is_not_of_the_run_is_an_error() {
    let sandbox = sandbox_with_rejects();
    let lines = read_lines(&sandbox, LOG_REJECTS);
    for (key, value) in [
        ("object", json!("logs/b.json")),
        ("line", json!(1)),
        ("offset", json!(0)),
        ("kind", json!("song")),
    ] {
        let mut edited = lines.clone();
        edited[1][key] = value;
        write_fixed(&sandbox, &edited);
        assert_refused(
            &sandbox,
            &[
                "cannot use fixed.jsonl line 2: run ",
                " has no reject of ",
                "change the text",
            ],
        );
    }
    let mut edited = lines.clone();
    edited[1]["line"] = 9.into();
    edited[1]["run"] = "20261130T051153123Z-0123abcd".into();
    write_fixed(&sandbox, &edited);
    assert_refused(
        &sandbox,
        &["the line is of run 20261130T051153123Z-0123abcd"],
    );
    write_fixed(&sandbox, &[lines[0].clone(), lines[0].clone()]);
    assert_refused(
        &sandbox,
        &["cannot use fixed.jsonl line 2: it repeats the reject of logs/a.json line 4"],
    );
}

#[test]
fn damaged_edited_file_is_an_error_with_its_line() {
    let sandbox = sandbox_with_rejects();
    let lines = read_lines(&sandbox, LOG_REJECTS);
    let edited = |change: fn(&mut Value)| {
        let mut lines = lines.clone();
        change(&mut lines[1]);
        write_fixed(&sandbox, &lines);
    };
    edited(|line| line["text_base64"] = "e30=".into());
    assert_refused(
        &sandbox,
        &["fixed.jsonl line 2: it has both text and text_base64"],
    );
    edited(|line| drop(line.as_object_mut().unwrap().remove("text")));
    assert_refused(&sandbox, &["line 2: it has neither text nor text_base64"]);
    edited(|line| line["text"] = " ".into());
    assert_refused(&sandbox, &["line 2: its text is empty; remove the line"]);
    edited(|line| drop(line.as_object_mut().unwrap().remove("kind")));
    assert_refused(&sandbox, &["line 2: it has no kind", "logs-00000.jsonl"]);
    edited(|line| drop(line.as_object_mut().unwrap().remove("object")));
    assert_refused(&sandbox, &["line 2: missing field `object`"]);
    sandbox.write("fixed.jsonl", format!("{}\n\n{{\"run\":\n", lines[0]));
    assert_refused(&sandbox, &["cannot use fixed.jsonl line 3: ", "jq -c"]);
    sandbox.write("fixed.jsonl", "\n");
    assert_refused(
        &sandbox,
        &["nothing to replay in dataset: the edited files have no rejects"],
    );
    fs::remove_file(sandbox.path("fixed.jsonl")).unwrap();
    assert_refused(&sandbox, &["cannot read fixed.jsonl"]);
    sandbox.create_dir("fixed.jsonl");
    assert_refused(&sandbox, &["it is a folder"]);
}

#[test]
fn older_rejects_without_kind_take_it_from_the_name_of_the_file() {
    let sandbox = sandbox_with_rejects();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    lines[0].as_object_mut().unwrap().remove("kind");
    lines[1].as_object_mut().unwrap().remove("kind");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    sandbox.write(LOG_REJECTS, text);
    lines[0]["text"] = event(3).into();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    sandbox.write("copy/logs-00000.jsonl", text);
    let output = sandbox.exec(&[
        "replay",
        "--quiet",
        "--from",
        "dataset",
        "--edited",
        "copy/logs-00000.jsonl",
        "--out",
        "replayed",
    ]);
    output.assert_success();
    assert_eq!(read_report(&sandbox.path("replayed"))["logs"]["kept"], 1);
    let again = read_lines(&sandbox, "replayed/_rejects/logs-00000.jsonl");
    assert_eq!(again[0]["kind"], "log");
}

#[test]
fn text_that_is_not_utf8_is_replayed_from_base64() {
    let sandbox = Sandbox::with_input();
    let mut logs = events(3..5).into_bytes();
    logs.extend(
        event(5)
            .replace("\"paid\"", "\"pa\u{e9}d\"")
            .replace('\u{e9}', "\u{1}")
            .bytes()
            .map(|b| if b == 1 { 0xE9 } else { b }),
    );
    sandbox.write("logs/b.json", logs);
    sandbox
        .run_with(&["--max-rejects", "100%"])
        .assert_success();
    let mut lines = read_lines(&sandbox, LOG_REJECTS);
    assert!(lines[0]["text_base64"].is_string());
    let as_is = [
        "replay", "--quiet", "--from", "dataset", "--out", "replayed",
    ];
    sandbox.exec(&as_is).assert_failure(
        3,
        &[
            "the only reject was rejected again",
            "encoding: invalid UTF-8",
        ],
    );
    let again = read_lines(&sandbox, "replayed.failed/_rejects/logs-00000.jsonl");
    assert_eq!(again[0]["text_base64"], lines[0]["text_base64"]);
    lines[0].as_object_mut().unwrap().remove("text_base64");
    lines[0]["text"] = event(5).into();
    write_fixed(&sandbox, &lines);
    replay_fixed(&sandbox).assert_success();
    assert_eq!(read_report(&sandbox.path("replayed"))["logs"]["kept"], 1);
}

#[test]
fn rejects_with_cut_or_absent_text_are_carried_over() {
    let sandbox = Sandbox::with_input();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(events(3..6).as_bytes()).unwrap();
    let mut truncated = encoder.finish().unwrap();
    truncated.truncate(truncated.len() - 8);
    sandbox.write("logs/b.json.gz", truncated);
    let long = format!("{{\"ts\": {}\n", "x".repeat(70_000));
    sandbox.write("logs/c.json", long + &bad_event(7));
    let output = sandbox.run_with(&["--max-rejects", "100%"]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let before = read_lines(&sandbox, LOG_REJECTS);
    let [absent, cut, whole] = before.as_slice() else {
        panic!("{before:?}");
    };
    assert_eq!(
        (&absent["bytes"], &cut["truncated"]),
        (&0.into(), &true.into())
    );

    let mut lines = before.clone();
    lines[2]["text"] = event(7).into();
    write_fixed(&sandbox, &lines);
    let output = replay_fixed(&sandbox).assert_success_with_warnings();
    assert!(
        output.warnings()[0].starts_with(
            "2 of the rejects cannot be replayed, because the text is cut or absent: fix the object"
        ),
        "{output:?}"
    );
    let report = read_report(&sandbox.path("replayed"));
    let logs = &report["logs"];
    assert_eq!(
        (&logs["records"], &logs["kept"], &logs["rejected"]),
        (&3.into(), &1.into(), &2.into())
    );
    assert_eq!(logs["rejected_by_reason"], json!({"syntax": 2}));
    assert_eq!(logs["rejected_bytes"], cut["bytes"]);
    // Only the id of the run is new.
    let carried = read_lines(&sandbox, "replayed/_rejects/logs-00001.jsonl");
    for (carried, before) in carried.iter().zip([absent, cut]) {
        let mut expected = before.clone();
        expected["run"] = report["run"].clone();
        assert_eq!(*carried, expected);
    }

    // A person who has the complete text removes the flag.
    let mut complete = cut.clone();
    complete.as_object_mut().unwrap().remove("truncated");
    complete["text"] = event(8).into();
    write_fixed(&sandbox, &[complete]);
    replay_fixed(&sandbox).assert_success();
    assert_eq!(read_report(&sandbox.path("replayed"))["logs"]["kept"], 1);

    // Nothing passes if none can be replayed.
    write_fixed(&sandbox, &[absent.clone(), cut.clone()]);
    fs::remove_dir_all(sandbox.path("replayed")).unwrap();
    replay_fixed(&sandbox).assert_failure_with_warnings(
        3,
        "all 2 rejects were rejected again: none of them can be replayed",
    );
    assert!(whole["text"].is_string());
}

#[test]
fn rejects_of_a_failed_run_are_replayed() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/b.json", format!("{}\n{}", bad_event(3), bad_event(4)));
    sandbox.run_with(&[]).assert_failure(3, &["dataset.failed"]);
    let mut lines = read_lines(&sandbox, "dataset.failed/_rejects/logs-00000.jsonl");
    lines[0]["text"] = event(3).into();
    lines[1]["text"] = event(4).into();
    write_fixed(&sandbox, &lines);
    let replay = |out| {
        sandbox.exec(&[
            "replay",
            "--quiet",
            "--from",
            "dataset.failed",
            "--edited",
            "fixed.jsonl",
            "--out",
            out,
        ])
    };
    // The rejects would be removed.
    replay("dataset").assert_failure(2, &["would replace or remove its own input"]);
    replay("replayed").assert_success();
    let report = read_report(&sandbox.path("replayed"));
    assert_eq!(report["logs"]["kept"], 2);
    let rejected = "--max-rejects";
    let output = sandbox.exec(&[
        "replay",
        "--quiet",
        "--from",
        "dataset.failed",
        "--out",
        "none",
        rejected,
        "1",
    ]);
    output.assert_failure(3, &["all 2 rejects were rejected again"]);
}

#[test]
fn output_that_is_the_replayed_run_is_refused() {
    let sandbox = sandbox_with_rejects();
    let replay = ["replay", "--quiet", "--from", "dataset", "--out", "dataset"];
    sandbox.exec(&replay).assert_failure(
        2,
        &[
            "would replace or remove its own input dataset",
            "choose another --out",
        ],
    );
    assert!(sandbox.path(LOG_REJECTS).exists());
}

#[test]
fn run_without_rejects_has_nothing_to_replay() {
    let (sandbox, _) = Sandbox::with_dataset();
    let replay = [
        "replay", "--quiet", "--from", "dataset", "--out", "replayed",
    ];
    sandbox.exec(&replay).assert_failure(
        1,
        &["nothing to replay in dataset: run ", " has no rejects"],
    );
}

#[test]
fn dry_run_shows_the_texts_and_writes_nothing() {
    let sandbox = sandbox_with_rejects();
    let replay = [
        "replay",
        "--from",
        "dataset",
        "--out",
        "replayed",
        "--dry-run",
    ];
    let output = sandbox.exec(&replay).assert_success();
    assert!(output.stdout.contains("would write to "), "{output:?}");
    assert!(output.stdout.contains("logs/a.json"), "{output:?}");
    assert!(!sandbox.path("replayed").exists());
}
