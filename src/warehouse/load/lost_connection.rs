//! Repeats what a lost connection has interrupted, before and between the transactions of a load.

use std::time::{Duration, Instant};

use crate::interrupt;
use crate::observer::Observer;
use crate::retry::{RetryPolicy, log_failed_attempt};
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;

/// How long after the first failure the last attempt begins. Without this limit, attempts that each wait for an answer would
/// go on for minutes.
const LONGEST_OUTAGE: Duration = Duration::from_secs(60);

/// Whether a command has had a session with its warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contact {
    /// It has not. A host that is not known is a mistake in its name.
    First,
    /// It has. The name of the host was right, and is known again when a failover has ended.
    Again,
}

/// Opens a session. The class of an error depends on whether there was one before.
///
/// # Errors
/// Returns the errors of [`WarehouseSession::try_open`].
pub(super) fn open_session(
    connection: &ConnectionConfig,
    contact: Contact,
) -> Result<WarehouseSession, StatementError> {
    WarehouseSession::try_open(connection).map_err(|failure| StatementError {
        class: match (failure.class, contact) {
            (ErrorClass::UnknownHost, Contact::Again) => ErrorClass::ConnectionLost,
            (class, _) => class,
        },
        ..failure
    })
}

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
    let mut first_failure = None;
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
        let outage = first_failure.get_or_insert_with(Instant::now).elapsed();
        let delay = delay_within_outage(policy, attempt, outage);
        log_failed_attempt(attempt, &failure.error, delay);
        let Some(delay) = delay else {
            return Err(failure);
        };
        interrupt::ensure_running().map_err(fatal)?;
        progress.warn(&format!("{}; trying again", failure.error));
        interrupt::sleep(delay).map_err(fatal)?;
        attempt += 1;
    }
}

/// Returns how long to wait after a failed attempt, or `None` if it was the last. `outage` is the time since the first failure.
fn delay_within_outage(policy: RetryPolicy, attempt: u32, outage: Duration) -> Option<Duration> {
    let remaining = LONGEST_OUTAGE.checked_sub(outage)?;
    let delay = policy.delay_after(attempt)?.min(remaining);
    (!remaining.is_zero()).then_some(delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_attempt_begins_a_minute_after_the_first_failure() {
        let policy = ErrorClass::ConnectionLost.retry_policy().unwrap();
        let delay =
            |attempt, seconds| delay_within_outage(policy, attempt, Duration::from_secs(seconds));
        assert!(delay(1, 0).is_some_and(|delay| delay <= Duration::from_secs(1)));
        assert_eq!(delay(6, 55), Some(Duration::from_secs(5)));
        assert_eq!(delay(2, 60), None);
        assert_eq!(delay(2, 70), None);
    }
}
