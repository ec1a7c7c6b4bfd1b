//! Wrong arguments, and the help that prevents them.

use crate::harness::{Place, run_arguments};

#[test]
fn help_shows_examples() {
    let place = Place::new();
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["generate", "--help"],
        &["bench", "--help"],
        &["bench", "parse", "--help"],
        &["bench", "run", "--help"],
        &["help", "run"],
    ] {
        let ended = place.end(arguments).succeeds();
        let (_, examples) = ended.stdout.split_once("\nExamples:\n").unwrap();
        assert!(examples.starts_with("  sparkify "), "{examples}");
        assert!(!ended.stdout.contains('\x1b'));
        let wide = ended.stdout.lines().find(|line| line.len() > 100);
        assert_eq!(wide, None, "lines fit a terminal");
    }
}

#[test]
fn the_version_is_the_packages() {
    let ended = Place::new().end(&["--version"]).succeeds();
    assert_eq!(
        ended.stdout,
        concat!("sparkify ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn arguments_that_are_missing_or_unknown_are_refused() {
    let (place, earlier) = Place::with_star();
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
        place.end(arguments).fails_as_wrong_usage(words);
    }
    earlier.is_untouched();
}

#[test]
fn no_command_at_all_shows_the_help() {
    let ended = Place::new().end(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("Usage: sparkify <COMMAND>"));
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let (place, earlier) = Place::with_star();
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
        place.end(&arguments).fails_as_wrong_usage(words);
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
        let ended = place.run_with(&[&format!("--max-rejects={value}")]);
        ended.fails_as_wrong_usage("--max-rejects");
    }
    // Separate from its option, a negative number looks like an option of its own.
    place
        .run_with(&["--max-rejects", "-1"])
        .fails_as_wrong_usage("'-1'");
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn places_of_another_kind_are_wrong_usage() {
    let (place, earlier) = Place::with_star();
    for (songs, logs, out, words) in [
        ("gs://b/p", "logs", "star", "gs:// is not known"),
        ("songs", "file:///x", "star", "file:// is not known"),
        ("songs", "logs", "http://b/p", "http:// is not known"),
        ("s3://", "logs", "star", "names no bucket"),
        ("songs", "s3:///prefix", "star", "names no bucket"),
        (
            "songs",
            "logs",
            "s3://a b/c",
            "a bucket cannot have that name",
        ),
        ("songs", "logs", "", "empty"),
    ] {
        place.run(songs, logs, out).fails_as_wrong_usage(words);
    }
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn standard_input_and_output_are_wrong_usage() {
    let (place, earlier) = Place::with_star();
    place.write("-/a.json", crate::data::events(0..3));
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
        let ended = place
            .end(arguments)
            .fails_as_wrong_usage("invalid value '-'");
        for words in [
            "standard input and output cannot be used: input is listed with sizes",
            "write input to a file first",
            "write ./- for a file or folder with that name",
        ] {
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
    }
    earlier.is_untouched();
    place.run("songs", "./-", "star").succeeds();
    earlier.is_replaced();
}

#[test]
fn credentials_in_a_place_are_refused_and_not_shown() {
    let place = Place::with_input();
    for url in [
        "s3://KEY:SECRET@bucket/p",
        "s3://KEY:SEC/RET@bucket",
        "http://KEY:SECRET@host/SECRET@",
    ] {
        let words = "invalid value '";
        let ended = place.run(url, url, "star").fails_as_wrong_usage(words);
        assert!(
            !ended.stderr.contains("SEC") && !ended.stderr.contains("KEY"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("://***@"), "{ended:?}");
    }
}

#[test]
fn an_output_below_its_input_in_a_bucket_is_wrong_usage() {
    let place = Place::with_input();
    for (logs, out) in [
        ("s3://bucket", "s3://bucket/star"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/logs", "s3://bucket/logs/star/"),
        ("s3://bucket/logs/", "s3://bucket/logs"),
    ] {
        place
            .run("songs", logs, out)
            .fails(2, "would be read by the next run");
    }
}

#[test]
fn data_cannot_be_generated_in_s3() {
    let place = Place::new();
    place
        .end(&["generate", "--quiet", "--out", "s3://bucket/prefix"])
        .fails_as_wrong_usage("a folder is wanted");
    assert!(!place.path("s3:").exists(), "a folder of that name");
}

#[test]
fn threads_that_cannot_be_started_end_the_run() {
    let (place, earlier) = Place::with_star();
    // The address space holds the stacks of two or three threads, and leaves room for all else.
    let script = r#"ulimit -v 1800000 && exec "$0" "$@""#;
    let mut command = crate::harness::plain(std::process::Command::new("sh"));
    command.args(["-c", script, crate::harness::SPARKIFY]);
    command.args(run_arguments("songs", "logs", "star"));
    command
        .args(["--threads", "1000"])
        .env("RUST_MIN_STACK", "500000000")
        .current_dir(place.root());
    crate::harness::Ended::of(&mut command).fails(1, "cannot start 1000 threads");
    earlier.is_untouched();
    place.has_no_leavings();
}
