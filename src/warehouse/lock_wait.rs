//! Warns about long waits for the locks of other sessions.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::connect::error::StatementError;
use super::connect::session::WarehouseSession;
use super::sql::statement::Statement;
use crate::observer::Observer;

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

/// Runs a statement, and returns how many rows it changed. Prints a warning if it has to wait long for locks of other
/// sessions.
///
/// # Errors
/// Returns an error if the statement fails.
pub(super) fn execute_statement(
    session: &mut WarehouseSession,
    statement: &Statement,
    progress: &dyn Observer,
) -> Result<u64, StatementError> {
    match statement.may_block {
        true => warn_if_blocked(progress, || session.execute(&statement.sql)),
        false => session.execute(&statement.sql),
    }
}
