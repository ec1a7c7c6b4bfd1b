//! Tries: how often something is done again, how long one waits between, and when that is worth a word.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::progress::Progress;

/// How often a transaction that others are in the way of is tried.
pub const CONFLICT_TRIES: u32 = 10;

/// How often one whose connection was lost is tried: a minute, in which a server starts again.
pub const LOST_TRIES: u32 = 8;

/// How long a statement waits for other loads before that is worth a word.
const SILENCE: Duration = Duration::from_secs(5);

/// Does something that may have to wait for others who use the tables, and says so when it does.
pub fn patiently<T>(progress: &Progress, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel::<()>();
        let waiting = std::thread::Builder::new().spawn_scoped(scope, move || {
            if is_done.recv_timeout(SILENCE) == Err(RecvTimeoutError::Timeout) {
                progress.warn("still waiting for others who use the tables of the warehouse");
            }
        });
        // Without the thread nothing is said, and that is all.
        drop(waiting);
        let result = work();
        drop(done);
        result
    })
}

/// How long to wait after a try: twice as long each time, and never as long as another who waits too.
pub fn pause(tries: u32) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let half = 250_u64 << tries.min(6);
    let random = RandomState::new().hash_one(tries) % half;
    Duration::from_millis(half + random)
}
