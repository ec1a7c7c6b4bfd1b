//! SIGINT and SIGTERM: the run is discarded within a second, and one line says so.

use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::cli::generated_data::generate_data;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::cli::stopped_command::{
    STOP_SIGNALS, Signal, StopOutcome, random_moments, repeat_until_stopped, stop_command,
};
use testkit::dataset::directory::{DatasetSnapshot, deterministic_files};

#[test]
fn signal_at_any_moment_leaves_the_old_or_the_new_dataset() {
    let sandbox = Sandbox::new();
    let old = generate_data(&sandbox, "old", 1000, 1);
    let new = generate_data(&sandbox, "new", 200_000, 2);
    let started = Instant::now();
    sandbox
        .run(&new.songs, &new.logs, "dataset")
        .assert_success();
    let duration = started.elapsed();
    let new_files = deterministic_files(&sandbox.path("dataset"));
    sandbox
        .run(&old.songs, &old.logs, "dataset")
        .assert_success();
    let mut stops = 0;
    for signal in STOP_SIGNALS {
        for moment in random_moments(duration) {
            let before = DatasetSnapshot::take(&sandbox.path("dataset"));
            let arguments = run_args(&new.songs, &new.logs, "dataset");
            let mut command = sandbox.command(&arguments);
            let (outcome, output) = stop_command(&mut command, signal, || sleep(moment));
            match outcome {
                StopOutcome::Finished => {
                    let files = deterministic_files(&sandbox.path("dataset"));
                    assert!(files == new_files, "{moment:?}");
                    sandbox
                        .run(&old.songs, &old.logs, "dataset")
                        .assert_success();
                }
                StopOutcome::Stopped => {
                    stops += 1;
                    let message = "dataset is unchanged";
                    assert!(output.stderr.contains(message), "{output:?}");
                    before.assert_unchanged();
                    sandbox.assert_no_staging_left();
                }
                StopOutcome::NotBegun | StopOutcome::Forced => before.assert_unchanged(),
            }
        }
    }
    // Otherwise the moments would prove nothing.
    assert!(stops > 0);
}

/// `--json` prints the failure, as after any other error.
#[test]
fn stopped_run_prints_its_failure_as_json() {
    let sandbox = Sandbox::new();
    let input = generate_data(&sandbox, "input", 400_000, 1);
    let arguments = [
        "run",
        "--json",
        "--quiet",
        "--log-format=json",
        "--songs",
        &input.songs,
        "--logs",
        &input.logs,
        "--out",
        "dataset",
    ];
    let output = repeat_until_stopped(|| {
        let mut child = sandbox
            .command(&arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let staging = sandbox.path(".dataset.sparkify-staging");
        while !staging.exists() && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, Signal::TERM);
        CommandOutput::from(child.wait_with_output().unwrap())
    });
    assert_eq!(output.code, Some(143), "{output:?}");
    let line: serde_json::Value = serde_json::from_str(&output.stderr).unwrap();
    let message = "stopped by SIGTERM: the run is discarded, and dataset is unchanged";
    assert_eq!(
        (&line["level"], &line["message"], &line["exit_code"]),
        (&"ERROR".into(), &message.into(), &143.into())
    );
    assert!(
        line["run"].is_string() && line["stage"].is_string(),
        "{line}"
    );
    let document = output.json();
    assert_eq!(document["status"], "failed");
    assert_eq!(document["error"], message);
}

/// Waits in a shell until the run `$run` has begun to write.
const WAIT_FOR_STAGING: &str =
    "while [ ! -e .dataset.sparkify-staging ] && kill -0 $run; do sleep 0.01; done";

/// Wrappers such as `timeout` send the same signal twice.
#[test]
fn repeated_signal_does_not_cut_the_cleanup_short() {
    let sandbox = Sandbox::new();
    let input = generate_data(&sandbox, "input", 200_000, 1);
    let arguments = run_args(&input.songs, &input.logs, "dataset");
    let script = format!(
        "{} {} & run=$!; {WAIT_FOR_STAGING}; kill -TERM $run; sleep 0.003; kill -TERM $run 2>/dev/null; wait $run",
        testkit::cli::command::sparkify_path(),
        arguments.join(" ")
    );
    for _ in 0..5 {
        let output = repeat_until_stopped(|| {
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &script]).current_dir(sandbox.root());
            CommandOutput::run(&mut shell)
        });
        output.assert_failure(143, &["dataset is unchanged"]);
        sandbox.assert_no_staging_left();
    }
}

/// A shell lets jobs in the background of a script ignore SIGINT.
#[test]
fn ignored_signal_stays_ignored() {
    let sandbox = Sandbox::new();
    let input = generate_data(&sandbox, "input", 200_000, 1);
    let arguments = run_args(&input.songs, &input.logs, "dataset");
    let script = format!(
        "trap '' INT; {} {} & run=$!; {WAIT_FOR_STAGING}; kill -INT $run; wait $run",
        testkit::cli::command::sparkify_path(),
        arguments.join(" ")
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).current_dir(sandbox.root());
    CommandOutput::run(&mut shell).assert_success();
    assert!(sandbox.path("dataset/_report.json").exists());
}

/// What is only read or generated needs no cleanup, so that the command ends at once.
#[test]
fn signal_ends_generate_and_names_its_folder() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["generate", "--quiet", "--events=50000000", "--out=data"]);
    let (outcome, output) = stop_command(&mut command, Signal::INT, || {
        while !sandbox.path("data/log_data").exists() {
            sleep(Duration::from_millis(5));
        }
    });
    assert_eq!(outcome, StopOutcome::Stopped);
    let message = "stopped by SIGINT: the data in data is incomplete: remove it";
    assert!(output.stderr.contains(message), "{output:?}");
}
