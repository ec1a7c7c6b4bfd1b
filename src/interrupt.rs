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

/// Whether work checks for a stop, and ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CanStop {
    Yes,
    No,
}

/// What is known about the stop. It is global because signals are.
#[derive(Default)]
struct StopState {
    signal: Option<StopSignal>,
    /// What is not known if the process ends during the work that may not be stopped, for each such work.
    unknown_outcomes: Vec<&'static str>,
    /// What the process leaves if it ends before its work, and whether the work ends by itself after a stop began.
    leftovers: Option<(String, CanStop)>,
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
    if state.signal.is_some() && state.unknown_outcomes.is_empty() {
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
    lock().unknown_outcomes.push(unknown_outcome);
    let done = work();
    let mut state = lock();
    state.unknown_outcomes.pop();
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

/// Says what the process leaves if it ends before its work does.
pub(crate) fn set_leftovers(leftovers: impl Into<String>, can_stop: CanStop) {
    lock().leftovers = Some((leftovers.into(), can_stop));
}

/// Returns true if it makes sense to wait until the work ends by itself.
pub(crate) fn is_worth_waiting() -> bool {
    let state = lock();
    let ends_itself = |(_, can_stop): &(String, CanStop)| *can_stop == CanStop::Yes;
    state.leftovers.as_ref().is_some_and(ends_itself)
        || !state.unknown_outcomes.is_empty()
        || !state.cancels.is_empty()
}

/// Returns the error of a process that ends although its work has not.
pub(crate) fn forced_exit_error(signal: StopSignal) -> Error {
    let state = lock();
    let error = Error::stopped(signal);
    match (state.unknown_outcomes.last(), &state.leftovers) {
        (Some(unknown), _) => error.with_reason(unknown),
        (None, Some((leftovers, _))) => error.with_reason(leftovers),
        (None, None) => error,
    }
}
