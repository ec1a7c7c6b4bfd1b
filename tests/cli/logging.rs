//! The log on stderr: its levels, its formats, and progress bars that it does not tear.

use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::cli::command::{sparkify_path, with_clean_env};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};

/// Returns the lines of the log of a quiet run with these arguments and this value of `RUST_LOG`.
fn log_of_run(sandbox: &Sandbox, more: &[&str], variable: &str) -> Vec<String> {
    let mut command = sandbox.command(&run_args("songs", "logs", "dataset"));
    command.args(more).env("RUST_LOG", variable);
    let output = CommandOutput::run(&mut command);
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ""));
    output.stderr.lines().map(str::to_owned).collect()
}

/// Returns true for a line such as `12:00:01.123Z  INFO run: started songs=songs`.
fn is_log_line(line: &str) -> bool {
    let (time, rest) = line.split_once(' ').unwrap_or_default();
    let is_time = time.len() == 13 && time.ends_with('Z') && time.matches(':').count() == 2;
    let level = rest.split_whitespace().next().unwrap_or_default();
    is_time && ["INFO", "DEBUG", "TRACE"].contains(&level)
}

#[test]
fn flags_select_the_level() {
    let sandbox = Sandbox::with_input();
    assert_eq!(log_of_run(&sandbox, &[], ""), Vec::<String>::new());
    let info = log_of_run(&sandbox, &["-v"], "");
    let debug = log_of_run(&sandbox, &["-vv"], "");
    for lines in [&info, &debug] {
        assert!(lines.iter().all(|line| is_log_line(line)), "{lines:#?}");
    }
    let has = |lines: &[String], words: &str| lines.iter().any(|line| line.contains(words));
    for words in [
        " INFO run: started songs=songs logs=logs out=dataset",
        " INFO run:list: listed the logs objects=1 ",
        " INFO run:songs: read the songs records=1 rejected=0",
        " INFO run:logs: processed the logs records=3 rejected=0 kept=3 filtered=0 duplicates=0",
        " INFO run: published the dataset run=",
    ] {
        assert!(
            has(&info, words) && has(&debug, words),
            "{words}: {info:#?}"
        );
    }
    let phase = " DEBUG run:songs: phase: read songs seconds=";
    assert!(has(&debug, phase), "{debug:#?}");
    assert!(!has(&info, " DEBUG "), "{info:#?}");
}

/// The flags belong to every command, before and after its name.
#[test]
fn every_command_has_the_flags() {
    let sandbox = Sandbox::with_input();
    let generate = ["generate", "--out=made", "--events=10", "-q"];
    for arguments in [
        &["-v", "--log-format=json", "clean", "."][..],
        &["clean", ".", "-vv", "--log-format", "text"],
        &["query", "--list", "--verbose"],
        &[&generate[..], &["-v"]].concat(),
        &[
            "bench",
            "parse",
            "logs",
            "-q",
            "--threads=1",
            "--runs=1",
            "-v",
        ],
    ] {
        let output = sandbox.exec(arguments);
        assert_eq!(output.code, Some(0), "{arguments:?}: {output:?}");
    }
    sandbox
        .exec(&["clean", ".", "--log-format", "xml"])
        .assert_usage_error("'--log-format <FORMAT>'");
}

#[test]
fn variable_takes_precedence_over_flags() {
    let sandbox = Sandbox::with_input();
    let debug = log_of_run(&sandbox, &[], "sparkify=debug");
    assert!(debug.iter().any(|line| line.contains(" DEBUG ")));
    for variable in ["off", "sparkify=warn", "hyper=trace"] {
        let lines = log_of_run(&sandbox, &["-vv"], variable);
        assert_eq!(lines, Vec::<String>::new(), "{variable}");
    }
    let only_songs = log_of_run(&sandbox, &[], "sparkify::pipeline::songs=info");
    assert_eq!(only_songs.len(), 1, "{only_songs:#?}");
    let mut command = sandbox.command(&run_args("songs", "logs", "other"));
    let output = CommandOutput::run(command.env("RUST_LOG", "sparkify=loud"));
    let warnings = output.assert_success_with_warnings().stderr;
    assert!(warnings.contains("RUST_LOG is ignored: "), "{warnings}");
    assert!(sandbox.path("other").exists());
}

#[test]
fn json_lines_are_objects() {
    let sandbox = Sandbox::with_input();
    let lines = log_of_run(&sandbox, &["-vv", "--log-format=json"], "");
    assert!(lines.len() > 5, "{lines:#?}");
    let objects = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let objects: Vec<Value> = objects.collect();
    let read = objects.iter().find(|o| o["message"] == "read the songs");
    let read = read.unwrap();
    assert_eq!(
        (&read["level"], &read["records"]),
        (&"INFO".into(), &1.into())
    );
    assert_eq!(read["stage"], "songs");
    assert!(
        read["run"].is_string() && read["time"].is_string(),
        "{read}"
    );
}

/// Returns the lines of stderr of a command as objects.
fn json_lines(output: &CommandOutput) -> Vec<Value> {
    let lines = output.stderr.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// Warnings, the summary and the error that ends a command are lines of the log, whatever is filtered.
#[test]
fn every_line_of_a_json_log_is_an_object() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/b.json", "no JSON");
    let run = |more: &[&str]| {
        let arguments = [
            "run",
            "--songs",
            "songs",
            "--logs",
            "logs",
            "--out",
            "dataset",
            "--log-format=json",
        ];
        let mut command = sandbox.command(&arguments);
        CommandOutput::run(command.args(more).env("RUST_LOG", "off"))
    };
    let done = run(&["--max-rejects=100%"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let lines = json_lines(&done);
    let keys = ["time", "level", "message", "stage", "run"];
    for line in &lines {
        assert!(keys.iter().all(|key| line.get(key).is_some()), "{line}");
    }
    let is_warning = |line: &Value| {
        let message = line["message"].as_str().unwrap();
        line["level"] == "WARN" && message.starts_with("no record in logs/b.json")
    };
    assert!(lines.iter().any(is_warning), "{lines:#?}");
    let summary = lines.last().unwrap();
    assert_eq!(
        (&summary["message"], &summary["kept"], &summary["run"]),
        (
            &"summary of the run".into(),
            &3.into(),
            &testkit::dataset::directory::read_report(&sandbox.path("dataset"))["run"]
        )
    );
    let failed = run(&["--quiet", "--max-rejects=0"]);
    assert_eq!(failed.code, Some(3), "{failed:?}");
    let lines = json_lines(&failed);
    let error = lines.last().unwrap();
    assert_eq!(
        (&error["level"], &error["exit_code"], &error["stage"]),
        (&"ERROR".into(), &3.into(), &"logs".into())
    );
}

/// A name of a file may contain any character.
#[test]
fn an_event_is_one_line_without_control_characters() {
    let sandbox = Sandbox::with_input();
    let logs = "logs\n\x1b[31m\u{9b}red";
    sandbox.write(&format!("{logs}/a.json"), "{}\n");
    for format in ["text", "json"] {
        let flags = ["-vv", "--allow-empty", "--max-rejects=100%", "--log-format"];
        let mut command = sandbox.command(&run_args("songs", logs, "dataset"));
        let output = CommandOutput::run(command.args(flags).arg(format));
        assert_eq!(output.code, Some(0), "{output:?}");
        let events = output.stderr.lines();
        let events = events.filter(|line| !line.starts_with("sparkify: warning: "));
        let events: Vec<&str> = events.collect();
        assert!(events.len() > 5, "{output:?}");
        for line in events {
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(is_log_line(line) || line.starts_with('{'), "{line:?}");
        }
    }
}

/// On a terminal every log line begins in the first column, and the bar is drawn again below it.
#[test]
#[cfg(target_os = "linux")]
fn log_lines_do_not_tear_a_progress_bar() {
    let sandbox = Sandbox::with_input();
    // `script` runs the command on a terminal.
    let sparkify = sparkify_path();
    let run = format!("{sparkify} -vv run --songs songs --logs logs --out dataset");
    let mut command = with_clean_env(Command::new("script"));
    command
        .args(["--quiet", "--return", "--command", &run, "/dev/null"])
        .env("TERM", "xterm-256color")
        .current_dir(sandbox.root())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let screen = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{screen:?}");
    assert!(screen.contains("\x1b["), "no bar: {screen:?}");
    let lines: Vec<&str> = screen
        .split("\r\n")
        .filter(|line| line.contains(" INFO ") || line.contains(" DEBUG "))
        .collect();
    assert!(lines.len() > 5, "{screen:?}");
    for line in lines {
        // What remains after the last escape sequence that clears or moves is what the terminal shows.
        let shown = line.rsplit(['\r', '\x1b']).next().unwrap_or_default();
        let shown = shown.trim_start_matches(|c: char| "[0123456789;".contains(c));
        let shown = shown.trim_start_matches(['K', 'A', 'J', 'm', 'G']);
        assert!(shown.contains("run"), "{line:?}");
        assert!(!shown.contains('█') && !shown.contains('░'), "{line:?}");
    }
}
