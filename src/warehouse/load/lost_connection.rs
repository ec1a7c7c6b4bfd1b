//! Repeats what a lost connection has interrupted, before and between the transactions of a load.

use crate::observer::Observer;
use crate::retry::log_failed_attempt;
use crate::warehouse::connect::error::{ErrorClass, StatementError};

/// Runs `work`, and again after a delay if the server cannot be reached or closes the connection. A server that restarts
/// must not cost a load, nor the hour in which its rows were built.
///
/// # Errors
/// Returns the error of the last attempt.
pub(super) fn retry_if_lost<T>(
    progress: &dyn Observer,
    mut work: impl FnMut() -> Result<T, StatementError>,
) -> Result<T, StatementError> {
    let mut attempt = 1;
    loop {
        let failure = match work() {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        let (ErrorClass::ConnectionLost, Some(policy)) =
            (failure.class, failure.class.retry_policy())
        else {
            return Err(failure);
        };
        let delay = policy.delay_after(attempt);
        log_failed_attempt(attempt, &failure.error, delay);
        let Some(delay) = delay else {
            return Err(failure);
        };
        progress.warn(&format!("{}; trying again", failure.error));
        std::thread::sleep(delay);
        attempt += 1;
    }
}
