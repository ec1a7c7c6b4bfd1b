//! Decides whether a connection or a login that failed can succeed later.

use std::error::Error as _;
use std::io;

use postgres::error::DbError;

use super::error::ErrorClass;

/// Words of the messages of a connection pooler that wait for its server or for a free session. PgBouncer has the same
/// SQLSTATE for them as for a wrong password.
const POOLER_IS_WAITING: [&str; 4] = ["server", "timeout", "shut", "no more connections"];

/// Returns the class of an error of connecting or of logging in: a server that restarts is there again after a while, and
/// a wrong password stays wrong.
pub(super) fn login_error_class(error: &postgres::Error) -> ErrorClass {
    class(match error.as_db_error() {
        Some(db_error) => is_temporary_refusal(db_error),
        None => error.is_closed() || io_error(error).is_some_and(is_temporary_io_error),
    })
}

/// Returns the class of a network error.
pub(super) fn io_error_class(error: &io::Error) -> ErrorClass {
    class(is_temporary_io_error(error))
}

fn class(is_temporary: bool) -> ErrorClass {
    match is_temporary {
        true => ErrorClass::ConnectionLost,
        false => ErrorClass::Fatal,
    }
}

fn is_temporary_refusal(error: &DbError) -> bool {
    match error.code().code() {
        // The server starts, stops or recovers, or it has too many sessions.
        "57P01" | "57P02" | "57P03" | "53300" => true,
        "08P01" => {
            let message = error.message();
            POOLER_IS_WAITING
                .iter()
                .any(|words| message.contains(words))
        }
        code => code.starts_with("08"),
    }
}

fn io_error(error: &postgres::Error) -> Option<&io::Error> {
    error.source()?.downcast_ref()
}

fn is_temporary_io_error(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        // The socket of a server that does not run.
        | io::ErrorKind::NotFound => true,
        // The name server cannot be reached (EAI_AGAIN).
        _ => error.to_string().contains("Temporary failure in name resolution"),
    }
}
