//! Several locations, globs and `--include` on the command line.

use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::{deterministic_files, read_report};
use testkit::sample_data::{event, events, song};

/// Returns a sandbox with the logs of three days, and the dataset of the first two days in `expected`.
fn sandbox_by_day() -> Sandbox {
    let sandbox = Sandbox::with_input();
    for (number, day) in ["2018-11-01", "2018-11-02", "2018-12-01"]
        .iter()
        .enumerate()
    {
        let first = 10 * number as u64;
        sandbox.write(&format!("days/{day}/a.json"), events(first..first + 3));
    }
    sandbox.write("days/README.md", "");
    sandbox.write("november/1.json", events(0..3));
    sandbox.write("november/2.json", events(10..13));
    sandbox
        .run("songs", "november", "expected")
        .assert_success();
    sandbox
}

#[track_caller]
fn assert_reads_november(sandbox: &Sandbox, arguments: &[&str]) {
    let mut all = vec!["run", "--quiet", "--songs=songs", "--out=dataset"];
    all.extend(arguments);
    sandbox.exec(&all).assert_success();
    assert!(
        deterministic_files(&sandbox.path("dataset"))
            == deterministic_files(&sandbox.path("expected")),
        "{arguments:?}"
    );
}

#[test]
fn glob_list_and_repeated_flag_are_equivalent() {
    let sandbox = sandbox_by_day();
    for arguments in [
        &["--logs", "days/2018-11-*"][..],
        &["--logs", "days/2018-11-0[12]/"],
        &["--logs=./days//2018-11-*/./a.json"],
        &["--logs", "**/2018-11-*"],
        // A shell expands an unquoted glob to several values of one option.
        &["--logs", "days/2018-11-01", "days/2018-11-02"],
        &["--logs=days/2018-11-02", "--logs=days/2018-11-01"],
        &["--logs=days/2018-11-*", "--logs=days/2018-11-02/a.json"],
    ] {
        assert_reads_november(&sandbox, arguments);
    }
    let root = sandbox.root().display();
    assert_reads_november(&sandbox, &["--logs", &format!("{root}/days/*-11-*")]);
}

#[test]
fn songs_flag_accepts_lists_and_globs() {
    let sandbox = Sandbox::with_input();
    sandbox.write("more/b.json", song(2));
    sandbox.write("more/c.json", song(3));
    let arguments = ["run", "--quiet", "--logs=logs", "--out=dataset", "--songs"];
    sandbox
        .exec(&[&arguments[..], &["songs", "more/[!c].*"]].concat())
        .assert_success();
    assert_eq!(read_report(&sandbox.path("dataset"))["songs"]["records"], 2);
}

#[test]
fn config_file_accepts_globs() {
    let sandbox = sandbox_by_day();
    sandbox.write(
        "dwh.cfg",
        "[S3]\nSONG_DATA='song?/*.json'\nLOG_DATA='days/2018-11-*'\n",
    );
    let output = sandbox
        .exec(&[
            "run",
            "--dry-run",
            "--json",
            "--out=dataset",
            "--config=dwh.cfg",
            "--warehouse=postgres://localhost/music",
        ])
        .assert_success();
    let planned: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(planned["logs"]["objects"], 2);
    assert_eq!(planned["songs"]["objects"], 1);
}

#[test]
fn glob_without_matches_fails_the_run() {
    let sandbox = sandbox_by_day();
    for glob in ["days/2019-*", "days/*/*/*.json", "days/*/b.json", "*.json/"] {
        sandbox.run("songs", glob, "dataset").assert_failure(
            1,
            &[&format!(
                "no logs in {glob}: the glob matches nothing; check --logs; * does not"
            )],
        );
    }
    // The same next to a glob that matches.
    let arguments = [
        "run",
        "-q",
        "--songs=songs",
        "--out=dataset",
        "--logs",
        "days",
        "dayz/*",
    ];
    sandbox
        .exec(&arguments)
        .assert_failure(1, &["cannot read dayz/: No such file"]);
    let arguments = [
        "run",
        "-q",
        "--songs=songs",
        "--out=dataset",
        "--logs",
        "days",
        "days/x*",
    ];
    sandbox
        .exec(&arguments)
        .assert_failure(1, &["no logs in days/x*: the glob matches nothing"]);
    sandbox
        .run("songs", "days/README.md/*", "dataset")
        .assert_failure(1, &["cannot read days/README.md/: Not a directory"]);
    // The glob matches only files that are not input.
    sandbox
        .run("songs", "days/*.md", "dataset")
        .assert_failure(
            1,
            &["no logs in days/*.md: it contains no object whose name ends in "],
        )
        .assert_failure(
            1,
            &["; ignored: 1 (.md 1); check --logs, or read such objects with --include GLOB"],
        );
    assert!(!sandbox.path("dataset").exists());
}

#[test]
fn invalid_globs_are_usage_errors() {
    let sandbox = sandbox_by_day();
    for (glob, words) in [
        ("days/[ab", "write [[] for a literal ["),
        ("days/a**", "write ** between slashes"),
        ("days/*/***", "write ** between slashes"),
    ] {
        sandbox
            .run("songs", glob, "dataset")
            .assert_failure(2, &[words]);
        let include = format!("--include={glob}");
        sandbox.run_with(&[&include]).assert_usage_error(words);
    }
    for include in ["--include=", "--include=days/"] {
        sandbox
            .run_with(&[include])
            .assert_usage_error("no object has such a name");
    }
}

#[test]
fn include_flag_accepts_any_extension() {
    let sandbox = sandbox_by_day();
    for name in [
        "firehose-1",
        "firehose-2",
        "2018/11/firehose-3",
        "2018/11/.firehose-4",
    ] {
        let number = 100 + name.len() as u64;
        sandbox.write(&format!("mixed/{name}"), event(number));
    }
    sandbox.write("mixed/a.json", event(99));
    for (include, objects, ignored) in [
        (&["--include=firehose-*"][..], 4, 1),
        (&["--include=firehose-1", "--include=firehose-2"], 3, 2),
        (&["--include=2018/*/firehose-*"], 2, 3),
        (&["--include=**/*firehose-*"], 4, 1),
        (&["--include=.firehose-?"], 2, 3),
        (&["--include=nothing"], 1, 4),
    ] {
        let arguments = [
            &[
                "run",
                "-q",
                "--songs=songs",
                "--logs=mixed",
                "--out=dataset",
            ],
            include,
        ];
        sandbox.exec(&arguments.concat()).assert_success();
        let logs = read_report(&sandbox.path("dataset"))["logs"].clone();
        assert_eq!(
            (&logs["objects"], &logs["ignored_objects"], &logs["records"]),
            (&objects.into(), &ignored.into(), &objects.into()),
            "{include:?}"
        );
    }
    // An option may name a file as well as a directory.
    sandbox
        .run("songs", "mixed/firehose-1", "dataset")
        .assert_failure(1, &["ignored: 1 (no extension 1)"]);
    let arguments = [
        "run",
        "-q",
        "--songs=songs",
        "--logs=mixed/firehose-1",
        "--out=dataset",
    ];
    sandbox
        .exec(&[&arguments[..], &["--include=firehose-*"]].concat())
        .assert_success();
}

#[test]
fn output_overlapping_input_globs_is_rejected() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("dataset/_rejects/logs-00000.jsonl", events(0..2));
    for logs in [
        "dataset/_rejects/*.jsonl",
        "da*/_rejects",
        "**/_rejects/logs-*",
    ] {
        sandbox.run("songs", logs, "dataset").assert_failure(
            2,
            &["the run would replace or remove its own input dataset/_rejects"],
        );
    }
    // A location relative to the current directory.
    let arguments = [
        "run",
        "-q",
        "--songs=../../songs",
        "--logs=*.jsonl",
        "--out=../../dataset",
    ];
    let mut command = sandbox.command(&arguments);
    command.current_dir(sandbox.path("dataset/_rejects"));
    testkit::cli::output::CommandOutput::run(&mut command)
        .assert_failure(2, &["the run would replace or remove its own input ."]);
    std::fs::remove_file(sandbox.path("dataset/_rejects/logs-00000.jsonl")).unwrap();
    snapshot.assert_unchanged();
    // The next run would read the output of this one.
    for (logs, out) in [
        ("s3://bucket/*", "s3://bucket/dataset"),
        ("s3://bucket/**/*.json", "s3://bucket/dataset"),
        ("s3://bucket/da*/latest.json", "s3://bucket/dataset"),
        ("s3://bucket/logs/2018-*", "s3://bucket/logs/2018-dataset/"),
    ] {
        sandbox
            .run("songs", logs, out)
            .assert_failure(2, &["would be read by the next run"]);
    }
    let include = [
        "run",
        "-q",
        "--songs=songs",
        "--logs=s3://bucket/*/*/users/*",
        "--out=s3://bucket/dataset",
    ];
    sandbox
        .exec(&[&include[..], &["--include=*.parquet"]].concat())
        .assert_failure(2, &["would be read by the next run"]);
}

#[test]
fn bench_accepts_multiple_locations_and_globs() {
    let sandbox = sandbox_by_day();
    let parse = ["bench", "parse", "-q", "--json", "--runs=1", "--threads=1"];
    for paths in [
        &["days/2018-11-*"][..],
        &["november/1.json", "november/2.json"],
    ] {
        let output = sandbox.exec(&[&parse[..], paths].concat()).assert_success();
        let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(
            (&found["input"]["objects"], &found["input"]["kept"]),
            (&2.into(), &6.into())
        );
        assert_eq!(found["path"], paths.join(", "));
    }
    let run = [
        "bench",
        "run",
        "-q",
        "--json",
        "--runs=1",
        "--threads=1",
        "--songs=songs",
    ];
    let output = sandbox
        .exec(
            &[
                &run[..],
                &[
                    "--logs",
                    "days/2018-11-*",
                    "days/README.md",
                    "--include=*.md",
                ],
            ]
            .concat(),
        )
        .assert_success();
    let found: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(found["logs"]["objects"], 3);
}
