//! Decides whether a connection or a login that failed can succeed later.

use std::error::Error as _;
use std::io;
use std::path::Path;

use postgres::error::DbError;

use super::error::{ErrorClass, equivalent_sqlstate};
use super::tls_error::{TlsError, tls_error};

/// Beginnings of the messages of PgBouncer while it waits for its server or for a free session. It has the same SQLSTATE for
/// them as for a wrong password and for a parameter that it does not know, whose message may contain any words.
const POOLER_IS_WAITING: [&str; 12] = [
    "client_login_timeout",
    "query_wait_timeout",
    "no more connections allowed",
    "client connections exceeded",
    // The error that follows is the last one of the server: it is down, or it has no free session.
    "server login has been failing",
    "server login failed",
    "server conn crashed",
    "server connection closed",
    "pgbouncer cannot connect to server",
    // Messages of the server, which PgBouncer passes on without their SQLSTATE.
    "the database system is ",
    "sorry, too many clients already",
    "remaining connection slots are reserved",
];

/// Returns the class of an error of connecting or of logging in: a server that restarts is there again after a while, and
/// a wrong password stays wrong. `socket_dir` is the folder of the socket if the connection is not by TCP.
pub(super) fn login_error_class(error: &postgres::Error, socket_dir: Option<&Path>) -> ErrorClass {
    let is_temporary = match error.as_db_error() {
        Some(db_error) => is_temporary_refusal(db_error),
        None => {
            let io_error = || error.source()?.downcast_ref();
            error.is_closed()
                || io_error().is_some_and(|error| is_temporary_io_error(error, socket_dir))
                || tls_error(error).is_some_and(TlsError::is_connection_closed)
        }
    };
    match is_temporary {
        true => ErrorClass::ConnectionLost,
        false => ErrorClass::Fatal,
    }
}

/// Returns the class of an error of looking up the name of a host.
pub(super) fn lookup_error_class(error: &io::Error) -> ErrorClass {
    // The name server cannot be reached (EAI_AGAIN).
    match error
        .to_string()
        .contains("Temporary failure in name resolution")
    {
        true => ErrorClass::ConnectionLost,
        false => ErrorClass::UnknownHost,
    }
}

fn is_temporary_refusal(error: &DbError) -> bool {
    match error.code().code() {
        // The server starts, stops or recovers, or it has too many sessions.
        "57P01" | "57P02" | "57P03" | "53300" => true,
        "08P01" => match equivalent_sqlstate(error) {
            "08P01" => POOLER_IS_WAITING
                .iter()
                .any(|beginning| error.message().starts_with(beginning)),
            // The pooler or its server does not know the user or the database, or the password is wrong.
            _ => false,
        },
        code => code.starts_with("08"),
    }
}

fn is_temporary_io_error(error: &io::Error, socket_dir: Option<&Path>) -> bool {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::TimedOut
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable => true,
        // A server that does not run has no socket, but it does not remove the folder.
        io::ErrorKind::NotFound => socket_dir.is_some_and(Path::is_dir),
        _ => false,
    }
}
