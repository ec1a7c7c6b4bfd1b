//! Invalid arguments.

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};

#[test]
fn missing_or_unknown_arguments_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for (arguments, words) in [
        (&["run"][..], "--songs <PATH>"),
        (&["run", "--songs", "songs", "--logs", "logs"], "--out"),
        (&["run", "--songs", "songs", "--out", "dataset"], "--logs"),
        (&["run", "--logs", "logs", "--out", "dataset"], "--songs"),
        (&["run", "--songs"], "--songs"),
        (&["run", "--out", "a", "--out", "b"], "multiple times"),
        (&["run", "dataset"], "unexpected argument"),
        (&["walk"], "unrecognized subcommand"),
        (&["--nonsense"], "unexpected argument"),
        (&["generate"], "--out"),
    ] {
        sandbox.exec(arguments).assert_usage_error(words);
    }
    snapshot.assert_unchanged();
}

#[test]
fn invalid_values_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for (argument, words) in [
        ("--threads=0", "--threads"),
        ("--threads=-1", "--threads"),
        ("--threads=many", "--threads"),
        ("--threads=1.5", "--threads"),
        ("--threads=1025", "1..=1024"),
        ("--threads=99999999999999999999", "--threads"),
        ("--out=", "--out"),
    ] {
        let arguments = ["run", "--songs", "songs", "--logs", "logs"];
        let mut arguments = arguments.to_vec();
        if !argument.starts_with("--out") {
            arguments.push("--out=dataset");
        }
        arguments.push(argument);
        sandbox.exec(&arguments).assert_usage_error(words);
    }
    for value in [
        "",
        "nonsense",
        "-1",
        "1.5",
        "101%",
        "100.1%",
        "-1%",
        "NaN%",
        "inf%",
        "%",
        "1%%",
        "1 %",
        "0x10",
        "18446744073709551616",
    ] {
        let output = sandbox.run_with(&[&format!("--max-rejects={value}")]);
        output.assert_usage_error("--max-rejects");
    }
    // As a separate argument, a negative number would be parsed as an option.
    sandbox
        .run_with(&["--max-rejects", "-1"])
        .assert_usage_error("'-1'");
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn unsupported_url_schemes_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for (songs, logs, out, words) in [
        (
            "gs://b/p",
            "logs",
            "dataset",
            "unsupported URL scheme gs://",
        ),
        (
            "songs",
            "file:///x",
            "dataset",
            "unsupported URL scheme file://",
        ),
        (
            "songs",
            "logs",
            "http://b/p",
            "unsupported URL scheme http://",
        ),
        ("s3://", "logs", "dataset", "missing bucket name"),
        ("songs", "s3:///prefix", "dataset", "missing bucket name"),
        ("songs", "logs", "s3://a b/c", "invalid bucket name"),
        ("songs", "s3:/b/p", "dataset", "did you mean s3://b/p?"),
        ("songs", "logs", "", "empty"),
    ] {
        sandbox.run(songs, logs, out).assert_usage_error(words);
    }
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn stdin_and_stdout_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("-/a.json", testkit::sample_data::events(0..3));
    for arguments in [
        &["run", "--songs=-", "--logs=logs", "--out=dataset"][..],
        &[
            "run",
            "--songs=songs",
            "--logs",
            "logs",
            "-",
            "--out=dataset",
        ],
        &["run", "--songs=songs", "--logs=logs", "--out", "-"],
        &["bench", "parse", "-"],
        &["bench", "run", "--songs=songs", "--logs=-"],
        &["bench", "run", "--songs=songs", "--logs=logs", "--out=-"],
        &["generate", "--out=-"],
        &["load", "--from=-", "--warehouse=postgres://localhost/music"],
    ] {
        let output = sandbox
            .exec(arguments)
            .assert_usage_error("invalid value '-'");
        for words in [
            "standard input and output are not supported: input is listed with sizes",
            "write input to a file first",
            "use ./- for a file or folder with that name",
        ] {
            assert!(output.stderr.contains(words), "{output:?}");
        }
    }
    snapshot.assert_unchanged();
    sandbox.run("songs", "./-", "dataset").assert_success();
    snapshot.assert_replaced();
}

#[test]
fn credentials_in_urls_are_rejected_and_redacted() {
    let sandbox = Sandbox::with_input();
    for url in [
        "s3://KEY:SECRET@bucket/p",
        "s3://KEY:SEC/RET@bucket",
        "http://KEY:SECRET@host/SECRET@",
    ] {
        let words = "invalid value '";
        let output = sandbox.run(url, url, "dataset").assert_usage_error(words);
        assert!(
            !output.stderr.contains("SEC") && !output.stderr.contains("KEY"),
            "{output:?}"
        );
        assert!(output.stderr.contains("://***@"), "{output:?}");
    }
}

#[test]
fn s3_output_below_its_input_is_a_usage_error() {
    let sandbox = Sandbox::with_input();
    for (logs, out) in [
        ("s3://bucket", "s3://bucket/dataset"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/logs", "s3://bucket/logs/dataset/"),
        ("s3://bucket/logs/", "s3://bucket/logs"),
    ] {
        sandbox
            .run("songs", logs, out)
            .assert_failure(2, &["would be read by the next run"]);
    }
}

#[test]
fn generate_rejects_s3_output() {
    let sandbox = Sandbox::new();
    sandbox
        .exec(&["generate", "--quiet", "--out", "s3://bucket/prefix"])
        .assert_usage_error("expected a local folder");
    assert!(
        !sandbox.path("s3:").exists(),
        "a directory named s3: was created"
    );
}

const S3_FLAGS: [&str; 7] = [
    "--region=eu-west-1",
    "--profile=etl",
    "--endpoint-url=http://localhost:1",
    "--no-sign-request",
    "--request-payer",
    "--requests=64",
    "--read-timeout=20",
];

#[test]
fn s3_flags_without_s3_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let warehouse = "--warehouse=postgres://etl@localhost:1/music";
    for flag in S3_FLAGS {
        for arguments in [
            &["run", "--songs=songs", "--logs=logs", "--out=dataset"][..],
            &["load", "--from=dataset", "--dry-run", warehouse],
            &["clean", "dataset", "--yes"],
            &["bench", "parse", "logs"],
            &["bench", "run", "--songs=songs", "--logs=logs"],
        ] {
            let (name, _) = flag.split_once('=').unwrap_or((flag, ""));
            sandbox
                .exec(&[arguments, &[flag]].concat())
                .assert_failure(2, &[&format!("{name} has no effect: ")])
                .assert_failure(2, &[" in S3"]);
        }
    }
    for flags in [
        &["--sse=AES256"][..],
        &["--sse=aws:kms", "--sse-kms-key-id=alias/music"],
    ] {
        sandbox
            .run_with(flags)
            .assert_failure(2, &["--sse has no effect: --out is not in S3"]);
    }
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

/// A location in S3 is enough, also one that only the configuration file names.
#[test]
fn s3_flags_are_accepted_if_one_location_is_in_s3() {
    let sandbox = Sandbox::with_input();
    let in_s3 = "[S3]\nSONG_DATA='s3://bucket/songs'\nLOG_DATA='logs'\n";
    sandbox.write("dwh.cfg", in_s3);
    for arguments in [
        &["--songs=songs", "--logs=s3://bucket/logs", "--out=dataset"][..],
        &["--songs=songs", "--logs=logs", "--out=s3://bucket/dataset"],
        &["--config=dwh.cfg", "--out=dataset"],
    ] {
        let flags = ["run", "--quiet", "--dry-run", "--profile=absent"];
        let mut command = sandbox.command(&[&flags, arguments].concat());
        command
            .env("HOME", sandbox.root())
            .env("AWS_REGION", "eu-west-1")
            .env("SPARKIFY_WAREHOUSE", "postgres://etl@localhost:1/music");
        CommandOutput::run(&mut command).assert_failure(1, &["'absent'"]);
    }
}

/// The environment is the same for all commands: a variable that a command does not need is ignored.
#[test]
fn variables_without_effect_are_ignored() {
    let sandbox = Sandbox::with_input();
    for arguments in [
        &run_args("songs", "logs", "dataset")[..],
        &["load", "--from=dataset", "--dry-run"],
    ] {
        let mut command = sandbox.command(arguments);
        command
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_PROFILE", "etl")
            .env("AWS_ENDPOINT_URL_S3", "http://localhost:1")
            .env("SPARKIFY_WAREHOUSE", "postgres://etl@localhost:1/music")
            .env("SPARKIFY_IAM_ROLE", "default");
        CommandOutput::run(&mut command).assert_success();
    }
}

#[test]
fn warehouse_flags_without_effect_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let warehouse = "--warehouse=postgres://etl@localhost:1/music";
    let without_warehouse = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        CommandOutput::run(command.env_remove("SPARKIFY_WAREHOUSE"))
    };
    for (arguments, message) in [
        (
            &["load", "--from=dataset", "--iam-role=default", warehouse][..],
            "--iam-role has no effect: the warehouse is PostgreSQL",
        ),
        (
            &[
                "run",
                "--songs=songs",
                "--logs=logs",
                "--out=dataset",
                "--full-refresh",
            ],
            "--full-refresh has no effect: no warehouse is named",
        ),
        (
            &["query", "plays-by-hour", "--limit=3", "--dry-run"],
            "--limit has no effect: plays-by-hour has no limit",
        ),
        (
            &["query", warehouse],
            "--warehouse has no effect: no query is named",
        ),
        (
            &["query", "--list", "--ca-bundle=ca.pem"],
            "--ca-bundle has no effect: no query is named",
        ),
    ] {
        without_warehouse(arguments).assert_failure(2, &[message]);
    }
    for command in [&["create-tables"][..], &["query", "top-songs"]] {
        let arguments = [command, &["--iam-role=default", warehouse]].concat();
        sandbox
            .exec(&arguments)
            .assert_usage_error("unexpected argument '--iam-role'");
    }
    snapshot.assert_unchanged();
}

#[test]
fn query_times_may_have_a_space() {
    let sandbox = Sandbox::new();
    let query = |from| sandbox.exec(&["query", "top-songs", "--dry-run", "--from", from]);
    let sql = query("2018-11-15 10:00").assert_success().stdout;
    assert_eq!(sql, query("2018-11-15T10:00").assert_success().stdout);
    assert!(sql.contains("'2018-11-15 10:00:00'"), "{sql}");
    query("2018-11-31").assert_usage_error("'--from <TIME>': invalid date");
    query("yesterday").assert_usage_error("expected a time such as 2018-11-15");
}

#[test]
fn thread_spawn_failure_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    // The address space has room for the stacks of two or three threads and everything else.
    let script = r#"ulimit -v 1800000 && exec "$0" "$@""#;
    let mut command = testkit::cli::command::with_clean_env(std::process::Command::new("sh"));
    command.args(["-c", script, &testkit::cli::command::sparkify_path()]);
    command.args(run_args("songs", "logs", "dataset"));
    command
        .args(["--threads", "1000"])
        .env("RUST_MIN_STACK", "500000000")
        .current_dir(sandbox.root());
    testkit::cli::output::CommandOutput::run(&mut command)
        .assert_failure(1, &["cannot start 1000 threads"]);
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}
