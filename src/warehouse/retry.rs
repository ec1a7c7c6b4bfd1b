//! Limits the attempts of a transaction, spaces them by exponential backoff, and reports long waits for locks.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::observer::Observer;

/// Maximum attempts of a transaction that conflicts with concurrent ones.
pub(super) const MAX_CONFLICT_ATTEMPTS: u32 = 10;

/// Maximum attempts of a transaction whose connection was lost. Their backoff adds up to about a minute, in which a
/// server restarts.
pub(super) const MAX_CONNECTION_LOST_ATTEMPTS: u32 = 8;

/// How long a statement may wait for locks before a warning is printed.
const BLOCKED_NOTICE_AFTER: Duration = Duration::from_secs(5);

/// Runs `work`, which may have to wait for locks of other sessions, and prints a warning if it takes long.
pub(super) fn warn_if_blocked<T>(progress: &dyn Observer, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done_sender, done_receiver) = mpsc::channel::<()>();
        let watcher = std::thread::Builder::new().spawn_scoped(scope, move || {
            if done_receiver.recv_timeout(BLOCKED_NOTICE_AFTER) == Err(RecvTimeoutError::Timeout) {
                progress.warn("still waiting for other sessions that use the warehouse tables");
            }
        });
        // If the thread cannot be started, there is only no warning.
        drop(watcher);
        let result = work();
        drop(done_sender);
        result
    })
}

/// Returns the delay after an attempt. It doubles with each attempt, and jitter keeps concurrent processes apart.
pub(super) fn backoff(attempt: u32) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let half_ms = 250_u64 << attempt.min(6);
    let jitter_ms = RandomState::new().hash_one(attempt) % half_ms;
    Duration::from_millis(half_ms + jitter_ms)
}
