//! Repeats the transaction of a load until it is committed.

use std::time::{Duration, Instant};

use super::lost_connection::{Contact, open_session, retry_if_lost};
use super::report::LoadReport;
use super::source::LoadSource;
use super::transaction::{CrossAttemptState, LoadTransaction, UNKNOWN_COMMIT};
use super::warehouse_load::WarehouseLoad;
use crate::error::{Error, ErrorKind, Result};
use crate::interrupt;
use crate::observer::Observer;
use crate::retry::log_failed_attempt;
use crate::warehouse::connect::error::{ErrorClass, StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::sql::statement::Statement;

impl WarehouseLoad<'_> {
    /// Loads the rows of a source atomically, with retries.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached or rejects a statement, if its tables do not match, or if
    /// the source cannot be read. The transaction is rolled back then.
    pub(crate) fn execute(
        &self,
        source: &mut dyn LoadSource,
        progress: &dyn Observer,
    ) -> Result<LoadReport> {
        let connection = &self.warehouse.connection;
        let started = Instant::now();
        let statements = self.statements(source)?;
        let mut contact = self.contact;
        let mut state = CrossAttemptState::default();
        let mut failures = FailureCounts::default();
        let mut attempt = 1;
        loop {
            let session = retry_if_lost(progress, || open_session(connection, contact))
                .map_err(|failure| self.load_error(source, failure, &state))?;
            contact = Contact::Again;
            let loaded = self.attempt(session, source, &statements, &mut state, progress);
            progress.finish_phase();
            let Err(failure) = loaded else {
                return Ok(LoadReport {
                    warehouse: connection.to_string(),
                    run: source.run_id().to_owned(),
                    tables: state.changes,
                    attempts: attempt,
                    seconds: started.elapsed().as_secs_f64(),
                });
            };
            let Some(delay) = failures.delay_after(attempt, &failure) else {
                return Err(self.load_error(source, failure, &state));
            };
            interrupt::ensure_running()
                .map_err(|error| self.load_error(source, fatal(error), &state))?;
            progress.warn(&format!("{}; retrying the load", failure.error));
            interrupt::sleep(delay)
                .map_err(|error| self.load_error(source, fatal(error), &state))?;
            attempt += 1;
        }
    }

    /// Runs the transaction once, and closes the session, which ends a transaction that was not committed.
    fn attempt(
        &self,
        mut session: WarehouseSession,
        source: &mut dyn LoadSource,
        statements: &[Statement],
        state: &mut CrossAttemptState,
        progress: &dyn Observer,
    ) -> std::result::Result<(), StatementError> {
        let _span = tracing::info_span!("transaction").entered();
        LoadTransaction::prepare(self, source, &mut session, state, progress)?.run(statements)
    }

    fn load_error(
        &self,
        source: &dyn LoadSource,
        failure: StatementError,
        state: &CrossAttemptState,
    ) -> Error {
        let error = Error::failed(format!(
            "cannot load {} into {}",
            source.name(),
            self.warehouse.connection
        ))
        .with_source(failure.error);
        let error = failure.class.mark(error);
        let repeat = source.how_to_repeat();
        if let ErrorKind::Stopped(_) = error.kind() {
            return error.describe_stop(match state.is_commit_sent {
                true => UNKNOWN_COMMIT,
                false => "the transaction is rolled back, and the warehouse is unchanged",
            });
        }
        match (state.is_commit_sent, failure.class) {
            (true, _) => error.with_hint(format!(
                "it is unknown whether the load was committed: {repeat}, a repeated load changes nothing"
            )),
            (false, ErrorClass::Conflict) => error.with_hint(format!(
                "{repeat} when the other transaction has finished"
            )),
            (false, ErrorClass::ConnectionLost | ErrorClass::StorageBusy) => {
                error.with_hint(format!("the warehouse is unchanged; {repeat}"))
            }
            (false, ErrorClass::UnknownHost | ErrorClass::Fatal) => error,
        }
    }
}

/// Failed attempts of a load. Each class of errors has its own maximum.
#[derive(Debug, Default)]
struct FailureCounts {
    conflicts: u32,
    lost_connections: u32,
    busy_storage: u32,
}

impl FailureCounts {
    /// Counts a failed attempt, and returns how long to wait for the next one, or `None` if the load is given up.
    fn delay_after(&mut self, attempt: u32, failure: &StatementError) -> Option<Duration> {
        let failures = match failure.class {
            ErrorClass::Conflict => &mut self.conflicts,
            ErrorClass::ConnectionLost => &mut self.lost_connections,
            ErrorClass::StorageBusy => &mut self.busy_storage,
            ErrorClass::UnknownHost | ErrorClass::Fatal => return None,
        };
        *failures += 1;
        let delay = failure.class.retry_policy()?.delay_after(*failures);
        log_failed_attempt(attempt, &failure.error, delay);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_errors_has_its_own_maximum() {
        let failure = |class| StatementError {
            class,
            error: Error::failed("lost"),
        };
        let mut failures = FailureCounts::default();
        let mut is_retried = |class| failures.delay_after(1, &failure(class)).is_some();
        for _ in 0..7 {
            assert!(is_retried(ErrorClass::ConnectionLost));
            assert!(is_retried(ErrorClass::StorageBusy));
            assert!(is_retried(ErrorClass::Conflict));
        }
        assert!(!is_retried(ErrorClass::ConnectionLost));
        assert!(is_retried(ErrorClass::Conflict));
        assert!(!is_retried(ErrorClass::Fatal));
    }
}
