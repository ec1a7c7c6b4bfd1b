//! Tries: how often something is done again, how long one waits between, and when that is worth a word.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::progress::Progress;

/// How often a transaction that others are in the way of is tried.
pub(super) const MAX_CONFLICT_ATTEMPTS: u32 = 10;

/// How often one whose connection was lost is tried: a minute, in which a server starts again.
pub(super) const MAX_CONNECTION_LOST_ATTEMPTS: u32 = 8;

/// How long a statement waits for other loads before that is worth a word.
const BLOCKED_NOTICE_AFTER: Duration = Duration::from_secs(5);

/// Does something that may have to wait for others who use the tables, and says so when it does.
pub(super) fn warn_if_blocked<T>(progress: &Progress, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done_sender, done_receiver) = mpsc::channel::<()>();
        let watcher = std::thread::Builder::new().spawn_scoped(scope, move || {
            if done_receiver.recv_timeout(BLOCKED_NOTICE_AFTER) == Err(RecvTimeoutError::Timeout) {
                progress.warn("still waiting for others who use the tables of the warehouse");
            }
        });
        // Without the thread nothing is said, and that is all.
        drop(watcher);
        let result = work();
        drop(done_sender);
        result
    })
}

/// How long to wait after a try: twice as long each time, and never as long as another who waits too.
pub(super) fn backoff(attempt: u32) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let half_ms = 250_u64 << attempt.min(6);
    let jitter_ms = RandomState::new().hash_one(attempt) % half_ms;
    Duration::from_millis(half_ms + jitter_ms)
}
