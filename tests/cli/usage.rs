//! Invalid arguments, and the help text.

use crate::support::sandbox::{Sandbox, run_args};

#[test]
fn help_shows_examples() {
    let sandbox = Sandbox::new();
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["generate", "--help"],
        &["bench", "--help"],
        &["bench", "parse", "--help"],
        &["bench", "run", "--help"],
        &["help", "run"],
    ] {
        let output = sandbox.exec(arguments).assert_success();
        let (_, examples) = output.stdout.split_once("\nExamples:\n").unwrap();
        assert!(examples.starts_with("  sparkify "), "{examples}");
        assert!(!output.stdout.contains('\x1b'));
        let wide = output.stdout.lines().find(|line| line.len() > 100);
        assert_eq!(wide, None, "line is too long for a terminal");
    }
}

#[test]
fn version_flag_prints_the_package_version() {
    let output = Sandbox::new().exec(&["--version"]).assert_success();
    assert_eq!(
        output.stdout,
        concat!("sparkify ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn missing_or_unknown_arguments_are_usage_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for (arguments, words) in [
        (&["run"][..], "--songs <PATH>"),
        (&["run", "--songs", "songs", "--logs", "logs"], "--out"),
        (&["run", "--songs", "songs", "--out", "star"], "--logs"),
        (&["run", "--logs", "logs", "--out", "star"], "--songs"),
        (&["run", "--songs"], "--songs"),
        (&["run", "--out", "a", "--out", "b"], "multiple times"),
        (&["run", "star"], "unexpected argument"),
        (&["walk"], "unrecognized subcommand"),
        (&["--nonsense"], "unexpected argument"),
        (&["generate"], "--out"),
    ] {
        sandbox.exec(arguments).assert_usage_error(words);
    }
    snapshot.assert_unchanged();
}

#[test]
fn missing_subcommand_prints_help() {
    let output = Sandbox::new().exec(&[]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""));
    assert!(output.stderr.contains("Usage: sparkify <COMMAND>"));
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
            arguments.push("--out=star");
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
        ("gs://b/p", "logs", "star", "unsupported URL scheme gs://"),
        (
            "songs",
            "file:///x",
            "star",
            "unsupported URL scheme file://",
        ),
        (
            "songs",
            "logs",
            "http://b/p",
            "unsupported URL scheme http://",
        ),
        ("s3://", "logs", "star", "missing bucket name"),
        ("songs", "s3:///prefix", "star", "missing bucket name"),
        ("songs", "logs", "s3://a b/c", "invalid bucket name"),
        ("songs", "s3:/b/p", "star", "did you mean s3://b/p?"),
        ("S3://b/p", "logs", "star", "did you mean s3://b/p?"),
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
    sandbox.write("-/a.json", crate::support::records::events(0..3));
    for arguments in [
        &["run", "--songs=-", "--logs=logs", "--out=star"][..],
        &["run", "--songs=songs", "--logs", "logs", "-", "--out=star"],
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
    sandbox.run("songs", "./-", "star").assert_success();
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
        let output = sandbox.run(url, url, "star").assert_usage_error(words);
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
        ("s3://bucket", "s3://bucket/star"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/logs", "s3://bucket/logs/star/"),
        ("s3://bucket/logs/", "s3://bucket/logs"),
    ] {
        sandbox
            .run("songs", logs, out)
            .assert_failure(2, "would be read by the next run");
    }
}

#[test]
fn generate_rejects_s3_output() {
    let sandbox = Sandbox::new();
    sandbox
        .exec(&["generate", "--quiet", "--out", "s3://bucket/prefix"])
        .assert_usage_error("a folder is wanted");
    assert!(
        !sandbox.path("s3:").exists(),
        "a directory named s3: was created"
    );
}

#[test]
fn thread_spawn_failure_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    // The address space has room for the stacks of two or three threads and everything else.
    let script = r#"ulimit -v 1800000 && exec "$0" "$@""#;
    let mut command = crate::support::sandbox::with_clean_env(std::process::Command::new("sh"));
    command.args(["-c", script, crate::support::sandbox::SPARKIFY]);
    command.args(run_args("songs", "logs", "star"));
    command
        .args(["--threads", "1000"])
        .env("RUST_MIN_STACK", "500000000")
        .current_dir(sandbox.root());
    crate::support::sandbox::CommandOutput::capture(&mut command)
        .assert_failure(1, "cannot start 1000 threads");
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}
