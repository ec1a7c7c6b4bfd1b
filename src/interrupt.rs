//! Stops the work of this process before it is done.
//!
//! The command line asks for a stop when a signal arrives. The work checks often whether it is to stop, and then ends as
//! after any other error: what is not published is removed, and what is not committed is rolled back. What removes it runs
//! after the stop began, and is not stopped itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::error::{Error, Result};
use crate::stop_signal::StopSignal;

/// Cancels something that this process waits for.
type Cancel = Arc<dyn Fn() + Send + Sync>;

/// What is known about the stop. It is global because signals are.
#[derive(Default)]
struct StopState {
    signal: Option<StopSignal>,
    /// What is not known if the process ends during the work that may not be stopped, while there is such work.
    unknown_outcome: Option<&'static str>,
    cancels: BTreeMap<u64, Cancel>,
    next_cancel: u64,
}

static STATE: LazyLock<Mutex<StopState>> = LazyLock::new(Mutex::default);

/// Whether the work is to stop. It repeats what the state says, because it is read once for every chunk of the input.
static IS_STOPPING: AtomicBool = AtomicBool::new(false);

/// Wakes the threads that sleep.
static STOP_BEGAN: Condvar = Condvar::new();

/// Wakes the requests that are in flight.
static STOP_CHANNEL: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

fn lock() -> MutexGuard<'static, StopState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the work stop, as soon as that is allowed.
pub(crate) fn request_stop(signal: StopSignal) {
    let mut state = lock();
    state.signal.get_or_insert(signal);
    begin_stop(&state);
}

fn begin_stop(state: &StopState) {
    if state.signal.is_some() && state.unknown_outcome.is_none() {
        IS_STOPPING.store(true, Ordering::Relaxed);
        STOP_BEGAN.notify_all();
        STOP_CHANNEL.send_replace(true);
    }
}

/// Returns true if the work is to stop.
pub(crate) fn is_stopping() -> bool {
    IS_STOPPING.load(Ordering::Relaxed)
}

/// Returns the signal that asked for the stop, if the work is to stop.
pub(crate) fn stop_signal() -> Option<StopSignal> {
    is_stopping().then(|| lock().signal).flatten()
}

/// Checks that the work may go on.
///
/// # Errors
/// Returns an error if it is to stop.
pub(crate) fn ensure_running() -> Result<()> {
    match stop_signal() {
        None => Ok(()),
        Some(signal) => Err(Error::stopped(signal)),
    }
}

/// Sleeps until the time is over.
///
/// # Errors
/// Returns an error as soon as the work is to stop.
pub(crate) fn sleep(time: Duration) -> Result<()> {
    let waited = STOP_BEGAN.wait_timeout_while(lock(), time, |_| !is_stopping());
    drop(waited);
    ensure_running()
}

/// Returns when a stop begins, and never if it began before the call: the requests of the cleanup are not stopped.
pub(crate) async fn stop_began() {
    let mut channel = STOP_CHANNEL.subscribe();
    if channel.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Runs work that a stop must not cut short, such as a COMMIT. The stop begins when it is done. `unknown_outcome` says what
/// is not known if it takes too long, and the process ends.
pub(crate) fn protect<T>(unknown_outcome: &'static str, work: impl FnOnce() -> T) -> T {
    let mut state = lock();
    if is_stopping() {
        drop(state);
        return work();
    }
    state.unknown_outcome = Some(unknown_outcome);
    drop(state);
    let done = work();
    let mut state = lock();
    state.unknown_outcome = None;
    begin_stop(&state);
    done
}

/// Something that a stop cancels, until this is dropped.
#[derive(Debug)]
pub(crate) struct CancelGuard {
    id: u64,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        lock().cancels.remove(&self.id);
    }
}

/// Lets a stop call `cancel`, which ends a wait for something outside this process. It may be called several times.
pub(crate) fn cancel_on_stop(cancel: impl Fn() + Send + Sync + 'static) -> CancelGuard {
    let mut state = lock();
    let id = state.next_cancel;
    state.next_cancel += 1;
    state.cancels.insert(id, Arc::new(cancel));
    CancelGuard { id }
}

/// Cancels everything that this process waits for, if the work is to stop.
pub(crate) fn cancel_waits() {
    if is_stopping() {
        let cancels: Vec<Cancel> = lock().cancels.values().cloned().collect();
        cancels.iter().for_each(|cancel| cancel());
    }
}

/// Returns the error of a process that ends although its work has not.
pub(crate) fn forced_exit_error(signal: StopSignal) -> Error {
    let unknown_outcome = lock().unknown_outcome;
    Error::stopped(signal).with_reason(unknown_outcome.unwrap_or(
        "it could not clean up in time; the output and the warehouse are whole, and the next run or \
         sparkify clean removes what is left",
    ))
}
