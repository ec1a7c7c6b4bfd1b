//! Classifies the errors of the statements of a session, and explains each in one line.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use postgres::error::DbError;

use super::tls_error::{find_ssl_error, ssl_error_text};
use crate::error::Error;
use crate::interrupt::stop_signal;
use crate::retry::RetryPolicy;

/// Class of an error, which decides whether the transaction is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A concurrent transaction conflicted. The complete transaction can be retried.
    Conflict,
    /// The connection was lost, and the outcome of the transaction is unknown.
    ConnectionLost,
    /// The name of the host is not known: it is wrong, or it is being moved to another server if it was known before.
    UnknownHost,
    /// S3 was too busy to answer Redshift. The complete transaction can be retried after a while.
    StorageBusy,
    /// A retry would fail in the same way.
    Fatal,
}

impl ErrorClass {
    /// Returns how a transaction that failed with an error of this class is retried, or `None` if it is not.
    pub fn retry_policy(self) -> Option<RetryPolicy> {
        let max_attempts = match self {
            Self::Conflict => 10,
            // The delays add up to about a minute, in which a server restarts.
            Self::ConnectionLost | Self::StorageBusy => 8,
            Self::UnknownHost | Self::Fatal => return None,
        };
        Some(RetryPolicy {
            max_attempts,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(32),
        })
    }

    /// Returns the error of this class, which says whether the same command can succeed later.
    pub(crate) fn mark(self, error: Error) -> Error {
        match self {
            Self::Conflict | Self::ConnectionLost | Self::StorageBusy => error.temporary(),
            Self::UnknownHost | Self::Fatal => error,
        }
    }
}

/// The error of a statement.
#[derive(Debug)]
pub struct StatementError {
    /// Whether a retry can succeed.
    pub class: ErrorClass,
    /// The error for the user.
    pub error: Error,
}

/// The complete message of a conflict in Redshift, which has no SQLSTATE for it. Other messages may contain the number: the
/// URL of an object, for example.
const REDSHIFT_CONFLICT_NUMBER: &str = "1023";

/// Texts by which a conflict is recognized in other messages of Redshift.
const REDSHIFT_CONFLICT_MESSAGES: [&str; 2] = [
    "Serializable isolation violation",
    "could not complete because of conflict with concurrent transaction",
];

/// Wraps an error that a retry cannot solve.
pub(crate) fn fatal(error: Error) -> StatementError {
    StatementError {
        class: ErrorClass::Fatal,
        error,
    }
}

/// Classifies and explains an error of the driver within a session.
pub fn statement_error(error: postgres::Error) -> StatementError {
    if let Some(signal) = stop_signal() {
        // The statement was canceled, or the connection was closed, because of the signal.
        return fatal(Error::stopped(signal).caused_by(error));
    }
    let explained = match error.as_db_error() {
        Some(db_error) => explain_db_error(db_error),
        None if is_connection_error(&error) => StatementError {
            class: ErrorClass::ConnectionLost,
            error: connection_lost().with_reason(error_chain(&error)),
        },
        None => StatementError {
            class: ErrorClass::Fatal,
            error: Error::failed("the PostgreSQL driver cannot run the statement")
                .with_reason(error_chain(&error)),
        },
    };
    // A lock that was not free in time, and a server without resources. A retry at once would not help.
    let passes = error
        .code()
        .is_some_and(|code| matches!(code.code(), "55P03" | "53200" | "53300"));
    let explained_error = explained.error.caused_by(error);
    StatementError {
        class: explained.class,
        error: explained.class.mark(match passes {
            true => explained_error.temporary(),
            false => explained_error,
        }),
    }
}

/// Classifies and explains an error of writing to a COPY, in which the driver wraps its own error.
pub fn copy_error(error: io::Error) -> StatementError {
    match error.downcast() {
        Ok(driver_error) => statement_error(driver_error),
        Err(error) => StatementError {
            class: ErrorClass::ConnectionLost,
            error: connection_lost()
                .with_reason(error.to_string())
                .caused_by(error),
        },
    }
}

fn connection_lost() -> Error {
    Error::failed("the connection to the warehouse was lost")
}

/// Classifies and explains an error that the server reported.
fn explain_db_error(db_error: &DbError) -> StatementError {
    let class = error_class(db_error);
    let summary = match class {
        ErrorClass::Conflict => "conflict with a concurrent transaction",
        ErrorClass::ConnectionLost => "the warehouse closed the session",
        ErrorClass::StorageBusy => "S3 did not serve the warehouse",
        ErrorClass::UnknownHost | ErrorClass::Fatal => "the warehouse rejected a statement",
    };
    let hint = match class {
        ErrorClass::UnknownHost | ErrorClass::Fatal => server_hint(db_error),
        // The hint for the other classes depends on whether the caller can retry.
        ErrorClass::Conflict | ErrorClass::ConnectionLost | ErrorClass::StorageBusy => None,
    };
    StatementError {
        class,
        error: Error::failed(summary)
            .with_reason(server_message(db_error))
            .with_optional_hint(hint),
    }
}

fn error_class(db_error: &DbError) -> ErrorClass {
    let code = db_error.code().code();
    let message = db_error.message();
    let is_conflict = match code {
        "40001" | "40P01" => true,
        // Two sessions create the same table at the same time.
        "23505" => message.contains("pg_type_typname") || message.contains("pg_class_relname"),
        "XX000" => {
            let mut texts = REDSHIFT_CONFLICT_MESSAGES.iter();
            let number = message.trim_start_matches("ERROR:").trim();
            number == REDSHIFT_CONFLICT_NUMBER || texts.any(|text| message.contains(text))
        }
        _ => false,
    };
    match code {
        _ if is_conflict => ErrorClass::Conflict,
        "XX000" if is_storage_busy(db_error) => ErrorClass::StorageBusy,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => ErrorClass::ConnectionLost,
        _ if code.starts_with("08") => ErrorClass::ConnectionLost,
        _ => ErrorClass::Fatal,
    }
}

/// Texts by which an error of Redshift Spectrum is recognized, which reads the Parquet parts of a COPY.
const SPECTRUM_ERRORS: [&str; 3] = [
    "S3 Query Exception",
    "S3Query Exception",
    "Spectrum Scan Error",
];

/// Texts by which S3 tells Spectrum that it is busy.
const BUSY_STORAGE: [&str; 3] = ["SlowDown", "reduce your request rate", "retries exceeded"];

/// Returns true if Redshift reports that S3 asked it to slow down or failed by itself, as S3 does now and then.
fn is_storage_busy(db_error: &DbError) -> bool {
    let texts = [db_error.message(), db_error.detail().unwrap_or_default()];
    let any_contains = |word: &str| texts.iter().any(|text| text.contains(word));
    if SPECTRUM_ERRORS.into_iter().any(any_contains) {
        let has_status_503 = || {
            let mut numbers = texts
                .iter()
                .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()));
            numbers.any(|number| number == "503")
        };
        return BUSY_STORAGE.into_iter().any(any_contains) || has_status_503();
    }
    texts.into_iter().any(|text| {
        // "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid ...,CanRetry 1"
        let exception = text.split_once("S3ServiceException:");
        exception.is_some_and(|(_, fields)| {
            fields.split(',').any(|field| {
                matches!(
                    field.trim(),
                    "Status 500" | "Status 502" | "Status 503" | "Status 504"
                )
            })
        })
    })
}

/// Returns true if the connection broke without a message from the server. The driver does not expose its error kinds.
fn is_connection_error(error: &postgres::Error) -> bool {
    let is_io = error
        .source()
        .is_some_and(|e| e.downcast_ref::<io::Error>().is_some());
    error.is_closed() || is_io || error.to_string() == "unexpected message from server"
}

/// Returns the message of the server with its SQLSTATE, which the user can look up.
pub(super) fn server_message(db_error: &DbError) -> String {
    let mut text = format!("{} ({})", db_error.message(), db_error.code().code());
    for more in [db_error.detail(), db_error.where_()].into_iter().flatten() {
        text = format!("{text}, {more}");
    }
    // Redshift frames its messages with dashes and padding.
    let words = text.split_whitespace();
    let words = words.filter(|word| !word.starts_with("-----"));
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the messages of an error and its sources, because the driver's own message says little.
pub(super) fn error_chain(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        // The text of OpenSSL names places in its source.
        if let Some(error) = inner.downcast_ref().and_then(find_ssl_error) {
            return format!("{text}: {}", ssl_error_text(error));
        }
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
}

/// Returns a hint for an error that the server reported.
pub(super) fn server_hint(db_error: &DbError) -> Option<&'static str> {
    match equivalent_sqlstate(db_error) {
        "08P01" if db_error.message().contains("unsupported startup parameter") => Some(
            "a connection pooler does not pass the parameter on: set ignore_startup_parameters = options in pgbouncer.ini, \
             and the settings with ALTER ROLE ... SET instead of options=, PGOPTIONS, PGTZ or PGDATESTYLE",
        ),
        code => sqlstate_hint(code),
    }
}

/// Returns the SQLSTATE that PostgreSQL has for an error. Redshift has none of its own for a wrong password, and PgBouncer
/// has one for everything.
pub(super) fn equivalent_sqlstate(db_error: &DbError) -> &str {
    let (code, message) = (db_error.code().code(), db_error.message());
    match code {
        "28000" | "08P01" if message.contains("authentication failed") => "28P01",
        // PgBouncer passes the message of its server on, without the SQLSTATE.
        "08P01"
            if message.starts_with("no such database")
                || (message.starts_with("database ") && message.ends_with(" does not exist")) =>
        {
            "3D000"
        }
        "08P01" if message.starts_with("no such user") => "28P01",
        code => code,
    }
}

/// Returns a hint for an SQLSTATE.
fn sqlstate_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "check the user and the password (PGPASSWORD, --config or ~/.pgpass)",
        "28000" => {
            "the server does not allow this user from this host: check the user, pg_hba.conf, and sslmode if TLS is required"
        }
        "3D000" => "check the database name, or create the database",
        "3F000" => "create the schema, or set another search_path",
        "42501" => "ask for a GRANT of the missing privilege",
        "42P01" => "create the tables with sparkify create-tables",
        "42703" | "42804" => {
            "the tables do not match; sparkify create-tables --drop recreates them empty"
        }
        "53100" => "free some space in the warehouse",
        "53200" => "the warehouse is out of memory: run again when it is less busy",
        "53300" => "close other sessions, or run again later",
        "25006" => "connect to the primary, not a replica, or check default_transaction_read_only",
        "55P03" => {
            "another session held a lock longer than lock_timeout: run again later, or raise lock_timeout"
        }
        "22P05" | "22021" => {
            "the encoding of the database lacks a character of the data: create the database with ENCODING 'UTF8'"
        }
        "25P02" => {
            "an earlier statement of the transaction failed, mostly by statement_timeout: raise it, or look into the log of the server"
        }
        "57014" => {
            "raise statement_timeout (options=-c%20statement_timeout=0), or find out who cancelled the statement"
        }
        "57P01" | "57P02" | "57P03" => "the server is shutting down or starting up: run again",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_connection_keeps_its_source() {
        let failure = copy_error(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.class, ErrorClass::ConnectionLost);
        assert_eq!(
            failure.error.to_string(),
            "the connection to the warehouse was lost: broken pipe"
        );
        assert!(failure.error.source().is_some_and(|e| e.is::<io::Error>()));
    }

    #[test]
    fn only_fatal_errors_are_not_retried() {
        let max_attempts = |class: ErrorClass| class.retry_policy().map(|p| p.max_attempts);
        assert_eq!(max_attempts(ErrorClass::Conflict), Some(10));
        assert_eq!(max_attempts(ErrorClass::ConnectionLost), Some(8));
        assert_eq!(max_attempts(ErrorClass::Fatal), None);
    }
}
