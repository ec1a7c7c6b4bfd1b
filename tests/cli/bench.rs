//! `sparkify bench`: its counts, its output, and the files that it leaves. No test depends on timings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread::yield_now;

use serde_json::Value;
use testkit::cli::generated_data::{generate_data, generate_edge_cases};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::dir_contents::read_files;
use testkit::sample_data::{MALFORMED_RECORD, song};

const SONGS_ARG: &str = "--songs=songs";
const LOGS_ARG: &str = "--logs=logs";

/// Runs `bench` quietly once with 1 and 2 threads; temporary files go to the directory `tmp`.
fn run_bench(sandbox: &Sandbox, arguments: &[&str]) -> CommandOutput {
    sandbox.create_dir("tmp");
    let mut command = sandbox.command(&["bench"]);
    command.args(arguments).args(["--quiet", "--runs=1"]);
    if !arguments.iter().any(|a| a.starts_with("--threads")) {
        command.arg("--threads=1,2");
    }
    CommandOutput::run(command.env("TMPDIR", sandbox.path("tmp")))
}

/// Runs `bench --json`, which must succeed, and returns its JSON.
fn bench_json(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let mut arguments = arguments.to_vec();
    arguments.push("--json");
    let output = run_bench(sandbox, &arguments).assert_success();
    serde_json::from_str(&output.stdout).unwrap()
}

/// Returns the keys of a JSON object.
fn keys(object: &Value) -> Vec<&str> {
    let object = object.as_object().unwrap();
    object.keys().map(String::as_str).collect()
}

#[track_caller]
fn assert_bench_result(result: &Value, threads: u64) {
    assert_eq!(result["threads"], threads);
    for key in [
        "seconds",
        "bytes",
        "events",
        "bytes_per_second",
        "events_per_second",
        "speedup",
    ] {
        assert!(result[key].as_f64() > Some(0.0), "{key}: {result}");
    }
    assert_eq!(result["runs_seconds"][0], result["seconds"]);
}

#[track_caller]
fn assert_dir_empty(sandbox: &Sandbox, folder: &str) {
    assert_eq!(fs::read_dir(sandbox.path(folder)).unwrap().count(), 0);
}

#[test]
fn parse_counts_match_a_run() {
    let sandbox = Sandbox::new();
    let generated = generate_edge_cases(&sandbox, 5000);
    for (path, kind) in [("made/log_data", "log"), ("made/song_data", "song")] {
        let found = bench_json(&sandbox, &["parse", path]);
        assert_eq!(found["status"], "ok");
        assert_eq!(
            (&found["bench"], &found["runs"]),
            (&"parse".into(), &1.into())
        );
        assert_eq!(found["path"], path);
        assert_eq!(
            found["kind"], kind,
            "the kind is detected from the first record"
        );
        let (input, generated) = (&found["input"], &generated[&format!("{kind}s")]);
        for key in [
            "objects",
            "ignored_objects",
            "bytes",
            "records",
            "rejected",
            "rejected_by_reason",
        ] {
            assert_eq!(input[key], generated[key], "{path}: {key}");
        }
        let sum: u64 = ["kept", "filtered", "rejected"]
            .map(|key| input[key].as_u64().unwrap())
            .iter()
            .sum();
        assert_eq!(input["records"], sum);
        assert!(input["splits"].as_u64() > Some(0));

        let results = found["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for (result, threads) in results.iter().zip(1..) {
            assert_bench_result(result, threads);
            assert_eq!(result["events"], input["records"]);
            assert_eq!(keys(&result["stages"]), ["decode", "read"]);
            assert_eq!(result["stages"]["decode"]["events"], input["records"]);
        }
        assert_eq!(results[0]["speedup"], 1.0);
    }
}

#[test]
fn parse_counts_decompressed_bytes() {
    let sandbox = Sandbox::new();
    let log = |name: &str| {
        format!(
            "{}/fixtures/edge-cases/{name}/logs",
            env!("CARGO_MANIFEST_DIR")
        )
    };
    for name in ["gzip", "bzip2", "zstd"] {
        let found = bench_json(&sandbox, &["parse", &log(name)]);
        let (stored, read) = (&found["input"]["bytes"], &found["results"][0]["bytes"]);
        let stage = &found["results"][0]["stages"]["read"]["bytes"];
        assert_eq!(read, stage, "{name}");
        assert_ne!(read, stored, "{name}");
    }
    let found = bench_json(&sandbox, &["parse", &log("lf-line-endings")]);
    assert_eq!(found["results"][0]["bytes"], found["input"]["bytes"]);
}

#[test]
fn parse_accepts_one_file_and_a_kind_flag() {
    let sandbox = Sandbox::with_input();
    let found = bench_json(&sandbox, &["parse", "logs/a.json"]);
    assert_eq!(
        (&found["kind"], &found["input"]["kept"]),
        (&"log".into(), &3.into())
    );
    let named = bench_json(&sandbox, &["parse", "songs/a.json", "--kind=song"]);
    assert_eq!(
        (&named["kind"], &named["input"]["kept"]),
        (&"song".into(), &1.into())
    );
    // No record is a log record, which is rarely intended.
    let wrong = run_bench(&sandbox, &["parse", "songs", "--kind=log"]);
    let warning = "sparkify: warning: none of the 1 records in songs becomes a row; \
                   check PATH and --kind\n";
    assert_eq!((wrong.code, wrong.stderr.as_str()), (Some(0), warning));
    assert!(
        wrong
            .stdout
            .contains("1 record: 0 kept, 1 filtered (page is not NextSong)"),
        "{}",
        wrong.stdout
    );
}

#[test]
fn run_counts_match_a_run_and_leave_no_files() {
    let sandbox = Sandbox::new();
    let generated = generate_data(&sandbox, "made", 5000, 3);
    let (songs, logs) = (
        format!("--songs={}", generated.songs),
        format!("--logs={}", generated.logs),
    );
    let before = read_files(&sandbox.path("made"));
    let found = bench_json(&sandbox, &["run", &songs, &logs]);
    assert_dir_empty(&sandbox, "tmp");
    assert!(read_files(&sandbox.path("made")) == before);

    let ran = sandbox.exec(&["run", "--quiet", "--json", "--out=dataset", &songs, &logs]);
    let ran: Value = serde_json::from_str(&ran.stdout).unwrap();
    for key in ["songs", "logs", "tables", "status"] {
        assert_eq!(found[key], ran[key], "{key}");
    }
    assert_eq!(found["bench"], "run");
    assert_eq!(found["songs_path"], generated.songs);
    assert_eq!(found["logs_path"], generated.logs);
    let results = found["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for (result, threads) in results.iter().zip(1..) {
        assert_bench_result(result, threads);
        assert_eq!(keys(&result["stages"]), keys(&ran["stages"]));
        assert!(result["idle_seconds"].as_f64() >= Some(0.0));
        #[cfg(target_os = "linux")]
        assert!(result["peak_memory_bytes"].as_u64() > Some(1_000_000));
        let phases = result["phases"].as_array().unwrap();
        let names: Vec<_> = phases.iter().map(|p| p["name"].as_str().unwrap()).collect();
        for name in [
            "list songs",
            "list logs",
            "read songs",
            "build lookup",
            "process logs",
            "find duplicates",
            "write dimensions",
            "publish",
            "other",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        let sum: f64 = phases.iter().map(|p| p["seconds"].as_f64().unwrap()).sum();
        let all = result["seconds"].as_f64().unwrap();
        assert!(
            (sum - all).abs() < 1e-6,
            "phases add up to {sum}, not to {all}"
        );
    }
    let share = found["serial"]["share"].as_f64().unwrap();
    assert!(share > 0.0 && share <= 1.0);
    let cores: Vec<_> = found["serial"]["speedup_bounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|at| at["cores"].as_u64().unwrap())
        .collect();
    assert_eq!(cores, [16, 64]);
}

#[test]
fn run_writes_below_out_and_cleans_up() {
    let sandbox = Sandbox::with_input();
    sandbox.write("disk/mine", "precious");
    bench_json(&sandbox, &["run", SONGS_ARG, LOGS_ARG, "--out=disk"]);
    assert_eq!(read_files(&sandbox.path("disk")).len(), 1);
    assert_eq!(fs::read_dir(sandbox.path("disk")).unwrap().count(), 1);
    assert_dir_empty(&sandbox, "tmp");

    let absent = run_bench(&sandbox, &["run", SONGS_ARG, LOGS_ARG, "--out=absent"]);
    absent
        .assert_failure(1, &["cannot create a temporary folder in absent: "])
        .assert_failure(1, &["; the folder must exist"]);
    assert!(!sandbox.path("absent").exists());
}

#[test]
fn rejects_and_empty_input_do_not_fail_a_benchmark() {
    let sandbox = Sandbox::with_input();
    sandbox.write("songs/b.json", song(2) + MALFORMED_RECORD);
    sandbox.write("logs/b.json", [MALFORMED_RECORD, &song(1), "\n"].concat());
    let found = bench_json(&sandbox, &["run", SONGS_ARG, LOGS_ARG]);
    assert_eq!(found["songs"]["rejected"], 1);
    assert_eq!(found["logs"]["rejected"], 1);
    // A warning that occurs in every pass is printed once.
    sandbox.write("plays-of-nobody/a.json", song(2));
    let output = run_bench(&sandbox, &["run", SONGS_ARG, "--logs=plays-of-nobody"]);
    let warning = "sparkify: warning: none of the 1 records in plays-of-nobody is a NextSong event; \
                   check --logs\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), warning));
    sandbox.write("empty-objects/a.json", "\n");
    let output = run_bench(&sandbox, &["run", SONGS_ARG, "--logs=empty-objects"]);
    let warning = "sparkify: warning: no records in the 1 log object of empty-objects\n";
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), warning));
    assert_dir_empty(&sandbox, "tmp");
}

#[test]
fn missing_input_fails_a_benchmark_and_leaves_no_files() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("empty");
    for (arguments, words) in [
        (&["parse", "nowhere"][..], "cannot read nowhere: "),
        (
            &["parse", "empty"],
            "no logs in empty: it contains no object",
        ),
        (&["parse", "empty"], "; check PATH"),
        (&["parse", "empty", "--kind=song"], "no songs in empty: "),
        (&["run", SONGS_ARG, "--logs=empty"], "no logs in empty: "),
        (&["run", "--songs=empty", LOGS_ARG], "; check --songs"),
        (
            &["run", SONGS_ARG, "--logs=nowhere"],
            "cannot read nowhere: ",
        ),
    ] {
        let output = run_bench(&sandbox, arguments).assert_failure(1, &[words]);
        assert_eq!(output.stdout, "");
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let output = run_bench(&sandbox, &arguments).assert_failure(1, &[words]);
        let document: Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(document["status"], "failed");
        assert_eq!(document["bench_version"], 2);
        let error = document["error"].as_str().unwrap();
        assert_eq!(output.stderr, format!("sparkify: {error}\n"));
    }
    assert_dir_empty(&sandbox, "tmp");
}

/// Passes over different input cannot be compared.
#[test]
fn changed_input_fails_a_benchmark() {
    let sandbox = Sandbox::with_input();
    let mut child = sandbox
        .command(&[
            "bench",
            "parse",
            "logs",
            "--runs=1000",
            "--threads=1",
            "--quiet",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whole files are added: a file that is written while it is read would fail the pass itself.
    for number in 0.. {
        if child.try_wait().unwrap().is_some() {
            break;
        }
        sandbox.write("new.json", testkit::sample_data::event(number));
        fs::rename(
            sandbox.path("new.json"),
            sandbox.path(&format!("logs/{number}.json")),
        )
        .unwrap();
        yield_now();
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        // The run may detect the change first.
        stderr.contains("changed during the benchmark") || stderr.contains("changed while the run"),
        "{stderr}"
    );
}

#[test]
fn run_rejects_s3_output() {
    let sandbox = Sandbox::with_input();
    run_bench(
        &sandbox,
        &["run", SONGS_ARG, LOGS_ARG, "--out=s3://bucket/prefix"],
    )
    .assert_usage_error("expected a local folder");
    assert_dir_empty(&sandbox, "tmp");
}

#[test]
fn invalid_arguments_are_usage_errors() {
    let sandbox = Sandbox::with_input();
    for list in [
        "0", "", ",", "1,,2", "1,", "1,0", "1,x", "1 2", "1025", "-1", "1,-2", "1.5",
    ] {
        let threads = format!("--threads={list}");
        run_bench(&sandbox, &["parse", "logs", &threads]).assert_usage_error("--threads");
        run_bench(&sandbox, &["run", SONGS_ARG, LOGS_ARG, &threads])
            .assert_usage_error("--threads");
    }
    for runs in ["0", "-1", "many", "1001", ""] {
        let arguments = ["bench", "parse", "logs", &format!("--runs={runs}")];
        sandbox.exec(&arguments).assert_usage_error("--runs");
    }
    for (arguments, words) in [
        (&["parse"][..], "<PATH>"),
        (
            &["parse", "logs", "--kind=tape"],
            "[possible values: log, song]",
        ),
        (&["parse", "logs", "--out=dataset"], "unexpected argument"),
        (&["run", SONGS_ARG], "--logs"),
        (&["run", LOGS_ARG], "--songs"),
        (&["run", SONGS_ARG, LOGS_ARG, "--out="], "--out"),
        (
            &["run", SONGS_ARG, LOGS_ARG, "--max-rejects=0"],
            "unexpected argument",
        ),
        (&["walk"], "unrecognized subcommand"),
    ] {
        run_bench(&sandbox, arguments).assert_usage_error(words);
    }
    let output = sandbox.exec(&["bench"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    assert!(
        output
            .stderr
            .contains("Usage: sparkify bench [OPTIONS] <COMMAND>")
    );
}

#[test]
fn thread_counts_are_deduplicated_and_sorted() {
    let sandbox = Sandbox::with_input();
    let found = bench_json(
        &sandbox,
        &["parse", "logs", "--threads=3,2,3", "--threads=2"],
    );
    let results = found["results"].as_array().unwrap();
    let threads: Vec<_> = results.iter().map(|r| r["threads"].as_u64()).collect();
    assert_eq!(threads, [Some(2), Some(3)]);
    assert!(results.iter().all(|r| r["speedup"].is_null()));
    let found = bench_json(&sandbox, &["run", SONGS_ARG, LOGS_ARG, "--threads=2"]);
    assert!(found["serial"].is_null());
}

#[test]
fn tables_are_printed_without_json() {
    let sandbox = Sandbox::with_input();
    for (arguments, words) in [
        (
            &["parse", "logs"][..],
            &[
                "logs in logs: 1 object, ",
                "3 records: 3 kept",
                "one run at each",
                "decode",
            ][..],
        ),
        (
            &["run", SONGS_ARG, LOGS_ARG],
            &[
                "peak memory",
                "encode",
                "publish (1)",
                "serial share of one thread's time ",
            ],
        ),
        (
            &["run", SONGS_ARG, LOGS_ARG, "--threads=1,2,3,4,5,6,7,8,9"],
            &["9 threads", "Amdahl"],
        ),
        (
            &["run", SONGS_ARG, LOGS_ARG, "--threads=2"],
            &["without 1 in --threads"],
        ),
    ] {
        let output = run_bench(&sandbox, arguments).assert_success();
        for words in words {
            assert!(output.stdout.contains(words), "{words}: {}", output.stdout);
        }
        for line in output.stdout.lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert!(!line.contains(char::is_control), "{line:?}");
        }
    }
}

#[test]
fn killed_benchmark_leaves_an_identifiable_directory() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("tmp");
    let mut command = sandbox.command(&[
        "bench",
        "run",
        SONGS_ARG,
        LOGS_ARG,
        "--quiet",
        "--runs=1000",
    ]);
    command
        .env("TMPDIR", sandbox.path("tmp"))
        .stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let left = || -> Vec<String> {
        let entries = fs::read_dir(sandbox.path("tmp")).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        entries.map(|entry| name(entry.unwrap())).collect()
    };
    while left().is_empty() && child.try_wait().unwrap().is_none() {
        yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = left();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("sparkify-bench-"), "{left:?}");
    let metadata = fs::metadata(sandbox.path("tmp").join(&left[0])).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o077, 0, "{left:?}");
}
