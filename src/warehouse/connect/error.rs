//! Classifies the errors of a warehouse and its connection, and explains each in one line.

use std::error::Error as _;
use std::io;

use postgres::error::DbError;
use rustls::CertificateError;
use secrecy::{ExposeSecret, SecretString};

use super::config::ConnectionConfig;
use super::tls::TlsMode;
use crate::error::Error;
use crate::warehouse::dialect::Dialect;

/// Class of an error, which decides whether the transaction is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A concurrent transaction conflicted. The complete transaction can be retried.
    Conflict,
    /// The connection was lost, and the outcome of the transaction is unknown.
    ConnectionLost,
    /// A retry would fail in the same way.
    Fatal,
}

/// The error of a statement.
#[derive(Debug)]
pub struct StatementError {
    /// Whether a retry can succeed.
    pub class: ErrorClass,
    /// The error for the user.
    pub error: Error,
}

/// Texts by which a conflict is recognized in Redshift, which has no SQLSTATE for it.
const REDSHIFT_CONFLICT_MESSAGES: [&str; 3] = [
    "1023",
    "Serializable isolation violation",
    "could not complete because of conflict with concurrent transaction",
];

/// Wraps an error that a retry cannot solve.
pub fn fatal(error: Error) -> StatementError {
    StatementError {
        class: ErrorClass::Fatal,
        error,
    }
}

/// Classifies and explains an error of the driver within a session.
pub fn statement_error(error: &postgres::Error) -> StatementError {
    let Some(db_error) = error.as_db_error() else {
        return match is_connection_error(error) {
            true => StatementError {
                class: ErrorClass::ConnectionLost,
                error: Error::failed("the connection to the warehouse was lost")
                    .with_reason(error_chain(error)),
            },
            false => StatementError {
                class: ErrorClass::Fatal,
                error: Error::failed("the PostgreSQL driver cannot run the statement")
                    .with_reason(error_chain(error)),
            },
        };
    };
    let class = error_class(db_error);
    let error = Error::failed(match class {
        ErrorClass::Conflict => "conflict with a concurrent transaction",
        ErrorClass::ConnectionLost => "the warehouse closed the session",
        ErrorClass::Fatal => "the warehouse rejected a statement",
    })
    .with_reason(server_message(db_error));
    let error = match sqlstate_hint(db_error.code().code()) {
        // The hint for the other classes depends on whether the caller can retry.
        Some(hint) if class == ErrorClass::Fatal => error.with_hint(hint),
        _ => error,
    };
    StatementError { class, error }
}

/// Classifies and explains an error of writing to a COPY, in which the driver wraps its own error.
pub fn copy_error(error: &io::Error) -> StatementError {
    let inner = error.get_ref().and_then(|e| e.downcast_ref());
    inner.map_or_else(
        || StatementError {
            class: ErrorClass::ConnectionLost,
            error: Error::failed("the connection to the warehouse was lost").with_reason(error),
        },
        statement_error,
    )
}

fn error_class(db_error: &DbError) -> ErrorClass {
    let code = db_error.code().code();
    let message = db_error.message();
    let is_conflict = match code {
        "40001" | "40P01" | "55P03" => true,
        // Two sessions create the same table at the same time.
        "23505" => message.contains("pg_type_typname") || message.contains("pg_class_relname"),
        // Only for this SQLSTATE, because in other messages 1023 may be a value.
        "XX000" => REDSHIFT_CONFLICT_MESSAGES
            .iter()
            .any(|text| message.contains(text)),
        _ => false,
    };
    match code {
        _ if is_conflict => ErrorClass::Conflict,
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => ErrorClass::ConnectionLost,
        _ if code.starts_with("08") => ErrorClass::ConnectionLost,
        _ => ErrorClass::Fatal,
    }
}

/// Returns true if the connection broke without a message from the server. The driver does not expose its error kinds.
fn is_connection_error(error: &postgres::Error) -> bool {
    let is_io = error
        .source()
        .is_some_and(|e| e.downcast_ref::<io::Error>().is_some());
    error.is_closed() || is_io || error.to_string() == "unexpected message from server"
}

/// Returns the message of the server with its SQLSTATE, which the user can look up.
fn server_message(db_error: &DbError) -> String {
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
fn error_chain(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = inner.source();
    }
    text
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
        "57014" => {
            "raise statement_timeout (options=-c%20statement_timeout=0), or find out who cancelled the statement"
        }
        "57P01" | "57P02" | "57P03" => "the server is shutting down or starting up: run again",
        _ => return None,
    })
}

/// Returns the error for a connection or login that failed.
pub(super) fn connect_error(connection: &ConnectionConfig, error: &postgres::Error) -> Error {
    let (why, hint) = describe_connect(connection, error);
    Error::failed(format!("cannot connect to {connection}"))
        .with_reason(why)
        .with_optional_hint(hint)
}

/// Returns the reason and a hint for a connection or login that failed.
fn describe_connect(
    connection: &ConnectionConfig,
    error: &postgres::Error,
) -> (String, Option<String>) {
    if let Some(db_error) = error.as_db_error() {
        let message = server_message(db_error);
        // A server may repeat the password in its message.
        let message = match &connection.password {
            Some(password) => redact(&message, password),
            None => message,
        };
        return (
            message,
            sqlstate_hint(db_error.code().code()).map(str::to_owned),
        );
    }
    let (why, hint) = match error.source() {
        None if error.is_closed() => (
            "the server closed the connection".to_owned(),
            Some("check that host and port are those of the warehouse"),
        ),
        None => (error_chain(error), None),
        Some(source) => match source.downcast_ref::<io::Error>() {
            Some(source) => return describe_io(connection, source),
            None => describe_driver(&source.to_string()),
        },
    };
    (why, hint.map(str::to_owned))
}

/// Returns the text with the password replaced by `***`.
fn redact(text: &str, password: &SecretString) -> String {
    match password.expose_secret() {
        "" => text.to_owned(),
        password => text.replace(password, "***"),
    }
}

/// Explains an error that the driver itself raised during login.
fn describe_driver(text: &str) -> (String, Option<&'static str>) {
    match text {
        "password missing" => (
            "the server requires a password, and none was supplied".to_owned(),
            Some("set PGPASSWORD, or use the --config file or ~/.pgpass"),
        ),
        "server does not support TLS" => (
            "the server does not support TLS".to_owned(),
            Some("if that is expected, use sslmode=prefer or sslmode=disable"),
        ),
        "unsupported authentication method" => (
            "the server requires GSS, Kerberos or SSPI, which are not supported".to_owned(),
            Some("use a user that logs in with a password"),
        ),
        _ => (text.to_owned(), None),
    }
}

/// Explains an I/O error of connecting: a network error, a TLS error, or a message that the driver does not know.
fn describe_io(connection: &ConnectionConfig, error: &io::Error) -> (String, Option<String>) {
    let host = &connection.host;
    let text = error.to_string();
    if let Some(error) = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>())
    {
        return describe_tls(connection, error);
    }
    if let Some((_, method)) = text.split_once("unknown authentication tag `") {
        let method = method.trim_end_matches('`');
        return match method {
            "13" => (
                "the server requires authentication method 13, which is not supported: the password of \
                 the user is stored as sha256|..."
                    .to_owned(),
                Some(
                    "use a user whose password is stored as MD5 (ALTER USER ... PASSWORD 'md5...'), or \
                     temporary IAM credentials"
                        .to_owned(),
                ),
            ),
            _ => (
                format!("the server requires authentication method {method}, which is not supported"),
                Some("use a user that logs in with a password".to_owned()),
            ),
        };
    }
    if text.starts_with("failed to lookup address") {
        return (
            format!("host {host} not found"),
            Some("check the name, and whether this machine can resolve it (VPN?)".to_owned()),
        );
    }
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "check host and port, and that the server is running",
        io::ErrorKind::TimedOut => return describe_timeout(connection),
        io::ErrorKind::NotFound => "there is no such socket: check its directory and the port",
        io::ErrorKind::PermissionDenied => "check the permissions of the socket",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server closed the connection: check that host and port are those of the warehouse, and sslmode"
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            "the server does not speak the PostgreSQL protocol: check host and port"
        }
        _ => "check host, port and the network",
    };
    (text, Some(hint.to_owned()))
}

/// Returns the error for a connection or login that took longer than `connect_timeout`.
pub(super) fn connect_timeout_error(connection: &ConnectionConfig) -> Error {
    let (why, hint) = describe_timeout(connection);
    Error::failed(format!("cannot connect to {connection}"))
        .with_reason(why)
        .with_optional_hint(hint)
}

fn describe_timeout(connection: &ConnectionConfig) -> (String, Option<String>) {
    let why = match connection.connect_timeout {
        Some(timeout) => format!("timed out after {} s", timeout.as_secs()),
        None => "timed out".to_owned(),
    };
    let hint = match connection.dialect {
        Dialect::Redshift => {
            "check host and port, that the cluster is not paused, and that its security group allows this \
             machine; raise connect_timeout if the server is slow"
        }
        Dialect::Postgres => {
            "check host, port and firewalls; raise connect_timeout if the server is slow"
        }
    };
    (why, Some(hint.to_owned()))
}

/// Explains a failed TLS handshake, such as a rejected certificate.
fn describe_tls(connection: &ConnectionConfig, error: &rustls::Error) -> (String, Option<String>) {
    let host = &connection.host;
    let bundle = match connection.dialect {
        Dialect::Redshift => "Amazon's amazon-trust-ca-bundle.crt",
        Dialect::Postgres => "the certificate of that authority",
    };
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return (
            format!("TLS: {error}"),
            Some(
                "check that host and port are those of the warehouse, and that it supports TLS 1.2 or later"
                    .to_owned(),
            ),
        );
    };
    match certificate {
        // BadSignature: an untrusted authority may have the name of a trusted one, but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server certificate is signed by an unknown authority".to_owned(),
            Some(format!(
                "give {bundle} as sslrootcert=FILE or --ca-bundle FILE; sslmode=require without sslrootcert accepts any certificate"
            )),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the server certificate is not valid for {host}"),
            Some("use a host name that the certificate has, or sslmode=verify-ca".to_owned()),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the server certificate has expired".to_owned(),
            Some(
                "renew it; sslmode=require without sslrootcert accepts any certificate".to_owned(),
            ),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the server certificate is not valid yet".to_owned(),
            Some("check the clock of this machine".to_owned()),
        ),
        other => (
            format!("invalid server certificate: {other}"),
            Some(match connection.tls.mode {
                TlsMode::VerifyFull | TlsMode::VerifyCa => {
                    "the server needs a certificate signed by an authority; sslmode=require without sslrootcert accepts any certificate"
                        .to_owned()
                }
                _ => "the server needs another certificate".to_owned(),
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_redacted() {
        let password = SecretString::from("planted");
        assert_eq!(redact("a planted b", &password), "a *** b");
        assert_eq!(redact("a", &SecretString::from("")), "a");
    }
}
