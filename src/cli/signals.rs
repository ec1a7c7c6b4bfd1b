//! Stops the command when SIGINT or SIGTERM arrives.
//!
//! The work ends as after any other error, and then the command ends with the exit code of the signal. If the work does
//! not end in time, or another signal arrives a moment later, the process ends all the same. What it leaves is what `kill -9`
//! leaves.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;

use super::console::print_error;
use super::stderr::clear_bar;
use crate::error::StopSignal;
use crate::interrupt::{cancel_waits, forced_exit_error, is_worth_waiting, request_stop};

/// How long the work may take to end. The process ends within a second of the signal.
const TIME_TO_STOP: Duration = Duration::from_millis(900);

/// How often what the work waits for is canceled. A statement may begin just after it was canceled.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// Held by whoever prints the last line, so that there is only one.
static LAST_LINE: Mutex<()> = Mutex::new(());

/// How long further signals are ignored. `timeout` and other wrappers send the same signal twice.
const REPETITION_TIME: Duration = Duration::from_millis(250);

/// Starts to wait for signals. Without the thread, a signal kills the process as it does by default.
pub(super) fn handle_signals() {
    let waiter = thread::Builder::new().name("signals".to_owned());
    drop(waiter.spawn(wait_for_signal));
}

fn wait_for_signal() {
    let handled = [SIGINT, SIGTERM].into_iter();
    let handled = handled.filter(|signal| !is_ignored(*signal));
    let Ok(mut signals) = Signals::new(handled) else {
        return;
    };
    let Some(signal) = signals.forever().find_map(stop_signal) else {
        return;
    };
    let received_at = Instant::now();
    request_stop(signal);
    // A request to cancel may take long itself.
    drop(thread::Builder::new().spawn(|| {
        loop {
            cancel_waits();
            thread::sleep(CANCEL_INTERVAL);
        }
    }));
    while is_worth_waiting() && received_at.elapsed() < TIME_TO_STOP {
        let is_repeated = signals.pending().next().is_some();
        if is_repeated && received_at.elapsed() > REPETITION_TIME {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _last_line = lock_last_line();
    clear_bar();
    print_error(&forced_exit_error(signal));
    exit(i32::from(signal.exit_code()));
}

/// Returns true if the parent of this process wants it to ignore a signal, as shells do for jobs in the background of a
/// script.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

fn stop_signal(number: i32) -> Option<StopSignal> {
    match number {
        SIGINT => Some(StopSignal::Interrupt),
        SIGTERM => Some(StopSignal::Terminate),
        _ => None,
    }
}

/// Reserves the last line for the caller, who then ends the process.
pub(super) fn lock_last_line() -> MutexGuard<'static, ()> {
    LAST_LINE.lock().unwrap_or_else(PoisonError::into_inner)
}
