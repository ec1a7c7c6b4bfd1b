//! Limits the time of work that cannot be limited otherwise.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::interrupt;

/// How often a wait checks whether the process is to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs work within a time limit, and returns `None` if it takes longer.
///
/// The driver limits the time of the TCP connection only, and would wait forever for a server that accepts the
/// connection and does not answer. So a thread does the work, and is abandoned when the time is up.
///
/// # Errors
/// Returns an error if the process is to stop, or if there can be no thread.
pub(super) fn run_within<T: Send + 'static>(
    limit: Option<Duration>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("connect".to_owned());
    let started = thread.spawn(move || {
        // If the receiver has timed out, this drops the client and closes the connection.
        drop(sender.send(work()));
    });
    started.map_err(|error| Error::failed("cannot start a thread").with_source(error))?;
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        interrupt::ensure_running()?;
        let remaining = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let wait = remaining.map_or(STOP_CHECK_INTERVAL, |remaining| {
            remaining.min(STOP_CHECK_INTERVAL)
        });
        match receiver.recv_timeout(wait) {
            Ok(result) => return Ok(Some(result)),
            Err(RecvTimeoutError::Timeout) if remaining.is_some_and(|time| time.is_zero()) => {
                return Ok(None);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::failed("the thread that connects ended unexpectedly"));
            }
        }
    }
}
