//! `--metrics`: the file of a run in the text format of Prometheus. `tests/monitoring` reads it with a parser of Prometheus.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, staging_leftovers};
use testkit::http_sink::{HttpSink, SinkAnswer};
use testkit::sample_data::{MALFORMED_RECORD, events};

const FILE: [&str; 2] = ["--metrics", "run.prom"];

fn read_metrics(sandbox: &Sandbox) -> String {
    fs::read_to_string(sandbox.path("run.prom")).unwrap()
}

/// Returns the value of a series of a run to `dataset`, or `None` if there is none. `labels` are those of the metric.
fn find_value(sandbox: &Sandbox, name: &str, labels: &str) -> Option<f64> {
    let out = sandbox.path("dataset");
    let out = fs::canonicalize(sandbox.root())
        .unwrap()
        .join(out.file_name().unwrap());
    let labels = match labels {
        "" => String::new(),
        labels => format!(",{labels}"),
    };
    let series = format!(
        "{name}{{command=\"run\",out=\"{}\"{labels}}} ",
        out.display()
    );
    let text = read_metrics(sandbox);
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.map(|value| value.parse().unwrap())
}

#[track_caller]
fn value(sandbox: &Sandbox, name: &str, labels: &str) -> f64 {
    let found = find_value(sandbox, name, labels);
    found.unwrap_or_else(|| panic!("no {name} {labels} in\n{}", read_metrics(sandbox)))
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs_f64()
}

#[test]
fn a_run_writes_what_it_counted() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/b.json", events(0..1) + MALFORMED_RECORD);
    let began = now();
    let output = sandbox.run_with(&[&FILE[..], &["--max-rejects", "1", "--json"]].concat());
    let report = output.assert_success().json();
    for (name, labels, expected) in [
        ("sparkify_last_run_success", "", 1.0),
        ("sparkify_last_run_exit_code", "", 0.0),
        (
            "sparkify_info",
            r#"version="0.2.0",engine="in-process""#,
            1.0,
        ),
        ("sparkify_records", r#"kind="songs",outcome="kept""#, 1.0),
        ("sparkify_records", r#"kind="logs",outcome="kept""#, 3.0),
        (
            "sparkify_records",
            r#"kind="logs",outcome="duplicate""#,
            1.0,
        ),
        ("sparkify_records", r#"kind="logs",outcome="filtered""#, 0.0),
        ("sparkify_records", r#"kind="logs",outcome="rejected""#, 1.0),
        (
            "sparkify_rejected_records",
            r#"kind="logs",reason="syntax""#,
            1.0,
        ),
        ("sparkify_objects", r#"kind="logs",state="read""#, 2.0),
        ("sparkify_table_rows", r#"table="songplays""#, 3.0),
    ] {
        assert_eq!(value(&sandbox, name, labels), expected, "{name} {labels}");
    }
    for (name, labels, expected) in [
        (
            "sparkify_input_bytes",
            r#"kind="logs",form="stored""#,
            &report["logs"]["bytes"],
        ),
        (
            "sparkify_table_bytes",
            r#"table="users""#,
            &report["tables"]["users"]["bytes"],
        ),
        (
            "sparkify_peak_memory_bytes",
            "",
            &report["peak_memory_bytes"],
        ),
        (
            "sparkify_stage_seconds",
            r#"stage="decode""#,
            &report["stages"]["decode"]["seconds"],
        ),
        ("sparkify_build_seconds", "", &report["total"]["seconds"]),
    ] {
        let expected = expected.as_f64().unwrap();
        assert_eq!(value(&sandbox, name, labels), expected, "{name} {labels}");
    }
    let ended = value(&sandbox, "sparkify_last_run_timestamp_seconds", "");
    assert!((began - 0.001..=now()).contains(&ended), "{ended}");
    let newest = value(&sandbox, "sparkify_newest_event_timestamp_seconds", "");
    let lag = value(&sandbox, "sparkify_newest_event_lag_seconds", "");
    assert!((ended - newest - lag).abs() < 0.01, "{newest} {lag}");
    assert_eq!(staging_leftovers(sandbox.root()), Vec::<String>::new());
}

#[test]
fn a_failure_is_written_and_keeps_the_time_of_the_last_success() {
    let sandbox = Sandbox::with_input();
    sandbox.run_with(&FILE).assert_success();
    let success = value(&sandbox, "sparkify_last_success_timestamp_seconds", "");
    let newest = value(&sandbox, "sparkify_newest_event_timestamp_seconds", "");
    sandbox.write("logs/b.json", events(20..21) + MALFORMED_RECORD);
    for (more, code) in [
        (&["--max-rejects", "0"][..], 3),
        // A wrong usage that only the job notices.
        (&["--full-refresh"], 2),
    ] {
        let output = sandbox.run_with(&[&FILE[..], more].concat());
        assert_eq!(output.code, Some(code), "{output:?}");
        assert_eq!(value(&sandbox, "sparkify_last_run_success", ""), 0.0);
        let exit_code = value(&sandbox, "sparkify_last_run_exit_code", "");
        assert_eq!(exit_code, f64::from(code));
        for (name, before) in [
            ("sparkify_last_success_timestamp_seconds", success),
            ("sparkify_newest_event_timestamp_seconds", newest),
        ] {
            assert_eq!(value(&sandbox, name, ""), before, "{name}");
        }
        let ended = value(&sandbox, "sparkify_last_run_timestamp_seconds", "");
        assert!(ended > success);
        // Only a run that read its input to the end has counts.
        let rejected = find_value(
            &sandbox,
            "sparkify_records",
            r#"kind="logs",outcome="rejected""#,
        );
        assert_eq!(rejected, (code == 3).then_some(1.0));
    }
    sandbox
        .run_with(&[&FILE[..], &["--max-rejects", "1"]].concat())
        .assert_success();
    let later = value(&sandbox, "sparkify_last_success_timestamp_seconds", "");
    assert!(later > success);
    assert!(value(&sandbox, "sparkify_newest_event_timestamp_seconds", "") > newest);
}

#[test]
fn a_damaged_file_is_replaced() {
    let sandbox = Sandbox::with_input();
    for damaged in [
        &b"sparkify_last_success_timestamp_seconds{"[..],
        b"\xff\xfe\0",
        b"",
    ] {
        sandbox.write("run.prom", damaged);
        sandbox.run_with(&FILE).assert_success();
        assert_eq!(value(&sandbox, "sparkify_last_run_success", ""), 1.0);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_noticed_before_the_work() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("folder");
    for (file, reason) in [
        (
            "nowhere/run.prom",
            "its folder does not exist; create nowhere",
        ),
        ("folder", "it is not a regular file"),
        ("/dev/null", "it is not a regular file"),
        ("/proc/run.prom", "cannot create a file beside it"),
    ] {
        let output = sandbox.run_with(&["--metrics", file]);
        output.assert_failure(2, &[&format!("cannot write metrics to {file}: {reason}")]);
        assert!(!sandbox.path("dataset").exists());
    }
}

#[test]
fn a_file_that_cannot_be_written_in_the_end_is_a_warning() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("metrics");
    // The run waits for an answer to its first event, so that there is time to remove the folder.
    let sink = HttpSink::with_answers([SinkAnswer::Silence]);
    let mut command = sandbox.command(&[
        "run",
        "--quiet",
        "--songs",
        "songs",
        "--logs",
        "logs",
        "--out",
        "dataset",
        "--metrics",
        "metrics/run.prom",
        "--openlineage",
        &sink.url(""),
    ]);
    let output = thread::scope(|scope| {
        let run = scope.spawn(|| CommandOutput::run(&mut command));
        while sink.requests().is_empty() && !run.is_finished() {
            thread::sleep(Duration::from_millis(10));
        }
        fs::remove_dir(sandbox.path("metrics")).unwrap();
        run.join().unwrap()
    });
    let output = output.assert_success_with_warnings();
    let warning = output.warnings()[1];
    let start = "cannot write metrics to metrics/run.prom: ";
    assert!(warning.starts_with(start), "{output:?}");
    assert!(sandbox.path("dataset/_report.json").exists());
}

#[test]
fn files_are_not_written_into_the_dataset() {
    let sandbox = Sandbox::with_input();
    sandbox.run_with(&[]).assert_success();
    for flag in ["--metrics", "--openlineage"] {
        for (out, file) in [
            ("dataset", "dataset/run.prom"),
            ("./dataset/", "x/../dataset/run"),
        ] {
            sandbox.create_dir("x");
            let run = [
                "run", "-q", "--songs", "songs", "--logs", "logs", "--out", out,
            ];
            let output = sandbox.exec(&[&run[..], &[flag, file]].concat());
            output.assert_failure(2, &[&format!("cannot use {flag} {file}: it is in ")]);
        }
    }
    sandbox.run_with(&[]).assert_success();
}

#[test]
fn others_may_read_the_file_as_the_umask_says() {
    let sandbox = Sandbox::with_input();
    let binary = testkit::cli::command::sparkify_path();
    for (umask, mode) in [("022", 0o644), ("027", 0o640)] {
        let script = format!(
            "umask {umask}; exec '{binary}' run -q --songs songs --logs logs --out dataset --metrics run.prom"
        );
        let mut shell = std::process::Command::new("sh");
        let mut shell = testkit::cli::command::with_clean_env({
            shell.args(["-c", &script]).current_dir(sandbox.root());
            shell
        });
        CommandOutput::run(&mut shell).assert_success();
        let metadata = fs::metadata(sandbox.path("run.prom")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, mode, "{umask}");
    }
}

#[test]
fn a_dry_run_writes_no_metrics() {
    let sandbox = Sandbox::with_input();
    let output = sandbox.run_with(&[&FILE[..], &["--dry-run"]].concat());
    output.assert_success();
    assert!(!sandbox.path("run.prom").exists());
}
