//! SIGINT and SIGTERM: the run is discarded within a second, and one line says so.

use std::thread::sleep;
use std::time::{Duration, Instant};

use testkit::cli::generated_data::generate_data;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::cli::stopped_command::{
    STOP_SIGNALS, Signal, StopOutcome, random_moments, stop_command,
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
    let mut command = sandbox.command(&arguments);
    let child_is_busy = || {
        while !sandbox.path(".dataset.sparkify-staging").exists() {
            sleep(Duration::from_millis(1));
        }
    };
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child_is_busy();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let output = CommandOutput::from(child.wait_with_output().unwrap());
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
