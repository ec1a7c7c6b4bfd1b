//! Commands that a signal stops.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

use crate::cli::output::{CommandOutput, assert_error_line, wait_for_output};

/// The timeout of a command after the signal. It ends within a second, unless the machine is under load.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// The signals that a command handles.
pub const STOP_SIGNALS: [Signal; 2] = [Signal::INT, Signal::TERM];

/// What a command did that got a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopOutcome {
    /// It ended before the signal, or its work was done.
    Finished,
    /// It had not begun its work.
    NotBegun,
    /// It stopped, and removed what it had written.
    Stopped,
    /// It ended before its work, because that took too long.
    Forced,
}

/// Starts a command, sends it a signal when `wait_for_moment` returns, and waits for its end. Asserts that it ends in time,
/// and that its exit code and its only line on stderr name the signal.
#[track_caller]
pub fn stop_command(
    command: &mut Command,
    signal: Signal,
    wait_for_moment: impl FnOnce(),
) -> (StopOutcome, CommandOutput) {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    wait_for_moment();
    // The command may have ended.
    let _ = kill_process(pid, signal);
    let signaled_at = Instant::now();
    let output = wait_for_output(STOP_TIMEOUT, child);
    println!(
        "ended {:?} after {signal:?}: {output:?}",
        signaled_at.elapsed()
    );
    let (code, name) = match signal {
        Signal::INT => (130, "SIGINT"),
        _ => (143, "SIGTERM"),
    };
    let outcome = match output.code {
        Some(0) => StopOutcome::Finished,
        // Nothing handled the signal yet.
        None => {
            assert_eq!(output.stderr, "", "{output:?}");
            StopOutcome::NotBegun
        }
        Some(actual) => {
            assert_eq!(actual, code, "{output:?}");
            assert_error_line(&output.stderr);
            let line = format!("sparkify: stopped by {name}: ");
            assert!(output.stderr.starts_with(&line), "{output:?}");
            let is_forced = ["it could not clean up in time", "it is unknown whether"];
            match is_forced.iter().any(|words| output.stderr.contains(words)) {
                true => StopOutcome::Forced,
                false => StopOutcome::Stopped,
            }
        }
    };
    (outcome, output)
}

/// Repeats a command that gets a signal, until one does not succeed: on a busy machine the signal can come when the work is
/// done.
#[track_caller]
pub fn repeat_until_stopped(mut run: impl FnMut() -> CommandOutput) -> CommandOutput {
    let mut outputs = std::iter::repeat_with(&mut run).take(20);
    outputs
        .find(|output| output.code != Some(0))
        .expect("no signal came before the work was done")
}

/// Returns the moments at which the tests stop a command that takes `duration`: ten, at random.
pub fn random_moments(duration: Duration) -> impl Iterator<Item = Duration> {
    std::iter::repeat_with(move || duration.mul_f64(fastrand::f64())).take(10)
}
