//! Failures: what a warehouse or the way to it refused, what that means, and the one line for it.

use std::error::Error as _;
use std::io;

use postgres::error::DbError;
use rustls::CertificateError;

use super::config::ConnectionConfig;
use super::tls::TlsMode;
use crate::error::Error;
use crate::warehouse::dialect::Dialect;

/// What can be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Another transaction was in the way: the whole transaction can be tried again.
    Conflict,
    /// The connection is lost, and nobody knows what became of the transaction.
    ConnectionLost,
    /// The warehouse refused.
    Fatal,
}

/// A statement that failed.
#[derive(Debug)]
pub struct StatementError {
    /// What can be done about it.
    pub class: ErrorClass,
    /// What to say.
    pub error: Error,
}

/// Redshift has no SQLSTATE of its own for a transaction that another one was in the way of.
const REDSHIFT_CONFLICT_MESSAGES: [&str; 3] = [
    "1023",
    "Serializable isolation violation",
    "could not complete because of conflict with concurrent transaction",
];

/// A failure that nothing but the user can mend.
pub fn fatal(error: Error) -> StatementError {
    StatementError {
        class: ErrorClass::Fatal,
        error,
    }
}

/// What a failure of the driver in the middle of a session means.
pub fn statement_error(error: &postgres::Error) -> StatementError {
    let Some(db_error) = error.as_db_error() else {
        return match is_connection_error(error) {
            true => StatementError {
                class: ErrorClass::ConnectionLost,
                error: Error::failed("the connection to the warehouse is lost")
                    .with_reason(error_chain(error)),
            },
            false => StatementError {
                class: ErrorClass::Fatal,
                error: Error::failed("the warehouse was asked for what the driver cannot do")
                    .with_reason(error_chain(error)),
            },
        };
    };
    let cause = error_class(db_error);
    let error = Error::failed(match cause {
        ErrorClass::Conflict => "another transaction was in the way",
        ErrorClass::ConnectionLost => "the warehouse ended the session",
        ErrorClass::Fatal => "the warehouse refused a statement",
    })
    .with_reason(server_message(db_error));
    let error = match sqlstate_hint(db_error.code().code()) {
        // What to do about the others is for whoever knows what can be tried again.
        Some(hint) if cause == ErrorClass::Fatal => error.with_hint(hint),
        _ => error,
    };
    StatementError {
        class: cause,
        error,
    }
}

/// What a failure to write to a COPY means: the driver hides what it knows in one of input and output.
pub fn copy_error(error: &io::Error) -> StatementError {
    let inner = error.get_ref().and_then(|e| e.downcast_ref());
    inner.map_or_else(
        || StatementError {
            class: ErrorClass::ConnectionLost,
            error: Error::failed("the connection to the warehouse is lost").with_reason(error),
        },
        statement_error,
    )
}

fn error_class(db_error: &DbError) -> ErrorClass {
    let code = db_error.code().code();
    let message = db_error.message();
    let is_conflict = match code {
        "40001" | "40P01" | "55P03" => true,
        // Two that create the same table at the same time.
        "23505" => message.contains("pg_type_typname") || message.contains("pg_class_relname"),
        // Only here: elsewhere 1023 may be a value.
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

/// Whether it ends the session without a word of the server. The driver keeps its own kinds to itself.
fn is_connection_error(error: &postgres::Error) -> bool {
    let is_io = error
        .source()
        .is_some_and(|e| e.downcast_ref::<io::Error>().is_some());
    error.is_closed() || is_io || error.to_string() == "unexpected message from server"
}

/// What the server said, with its SQLSTATE, which can be looked up.
fn server_message(db_error: &DbError) -> String {
    let mut text = format!("{} ({})", db_error.message(), db_error.code().code());
    for more in [db_error.detail(), db_error.where_()].into_iter().flatten() {
        text = format!("{text}, {more}");
    }
    // Redshift draws rules and boxes of blanks around what it has to say.
    let words = text.split_whitespace();
    let words = words.filter(|word| !word.starts_with("-----"));
    words.collect::<Vec<_>>().join(" ")
}

/// All that an error says, from the outside in: the driver's own words tell little.
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

/// What to do about an SQLSTATE.
fn sqlstate_hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "check the user and the password (PGPASSWORD, --config or ~/.pgpass)",
        "28000" => {
            "the server lets no such user in from here: check user, pg_hba.conf, and sslmode if it wants TLS"
        }
        "3D000" => "check the name of the database, or create it",
        "3F000" => "create the schema, or set another search_path",
        "42501" => "have somebody GRANT the user what is missing",
        "42P01" => "sparkify create-tables makes the tables",
        "42703" | "42804" => {
            "the tables are not as sparkify create-tables makes them; its --drop makes them anew, and empty"
        }
        "53100" => "free some space in the warehouse",
        "53200" => "the warehouse is out of memory: run again when it has less to do",
        "53300" => "close other sessions, or run again later",
        "25006" => "name the primary, not a replica, or look at default_transaction_read_only",
        "57014" => {
            "raise statement_timeout (options=-c%20statement_timeout=0), or see who cancelled it"
        }
        "57P01" | "57P02" | "57P03" => "the server is going down or coming up: run again",
        _ => return None,
    })
}

/// Why no session began.
pub(super) fn connect_error(connection: &ConnectionConfig, error: &postgres::Error) -> Error {
    let (why, hint) = describe_connect(connection, error);
    let failed = Error::failed(format!("cannot connect to {connection}")).with_reason(why);
    match hint {
        Some(hint) => failed.with_hint(hint),
        None => failed,
    }
}

/// Why, and what to do about it.
fn describe_connect(
    connection: &ConnectionConfig,
    error: &postgres::Error,
) -> (String, Option<String>) {
    if let Some(db_error) = error.as_db_error() {
        let message = server_message(db_error);
        // Nothing keeps a server from repeating what it was given.
        let message = match &connection.password {
            Some(password) => password.redact_in(&message),
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
            Some("check host and port: is that the warehouse?"),
        ),
        None => (error_chain(error), None),
        Some(source) => match source.downcast_ref::<io::Error>() {
            Some(source) => return describe_io(connection, source),
            None => describe_driver(&source.to_string()),
        },
    };
    (why, hint.map(str::to_owned))
}

/// What the driver itself has to say about the server.
fn describe_driver(text: &str) -> (String, Option<&'static str>) {
    match text {
        "password missing" => (
            "the server wants a password, and none is given".to_owned(),
            Some("give it as PGPASSWORD, in the file of --config or in ~/.pgpass"),
        ),
        "server does not support TLS" => (
            "the server has no TLS".to_owned(),
            Some("if that is no surprise, sslmode=prefer or sslmode=disable"),
        ),
        "unsupported authentication method" => (
            "the server wants another login than a password (GSS, Kerberos or SSPI)".to_owned(),
            Some("use a user that has a password"),
        ),
        _ => (text.to_owned(), None),
    }
}

/// What input and output to the server failed with: the network, TLS, or words that the driver does not know.
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
                "the server wants authentication method 13, which this program does not speak: the \
                 password of the user is kept as sha256|..."
                    .to_owned(),
                Some(
                    "use a user whose password is kept as MD5 (ALTER USER ... PASSWORD 'md5...'), or \
                     temporary credentials of IAM"
                        .to_owned(),
                ),
            ),
            _ => (
                format!("the server wants authentication method {method}, which this program does not speak"),
                Some("use a user that has a password".to_owned()),
            ),
        };
    }
    if text.starts_with("failed to lookup address") {
        return (
            format!("the host {host} is not found"),
            Some("check its name, and whether this machine can resolve it (VPN?)".to_owned()),
        );
    }
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there: check host and port",
        io::ErrorKind::TimedOut => return describe_timeout(connection),
        io::ErrorKind::NotFound => "there is no such socket: check the folder and the port",
        io::ErrorKind::PermissionDenied => "check the permissions of the socket",
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server closed the connection: check host, port and sslmode; is that the warehouse?"
        }
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            "that is no answer of PostgreSQL: check host and port"
        }
        _ => "check host, port and the network",
    };
    (text, Some(hint.to_owned()))
}

/// Nobody answered in time.
pub(super) fn connect_timeout_error(connection: &ConnectionConfig) -> Error {
    let (why, hint) = describe_timeout(connection);
    let error = Error::failed(format!("cannot connect to {connection}")).with_reason(why);
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn describe_timeout(connection: &ConnectionConfig) -> (String, Option<String>) {
    let why = match connection.connect_timeout {
        Some(timeout) => format!("no answer within {} s", timeout.as_secs()),
        None => "no answer".to_owned(),
    };
    let hint = match connection.dialect {
        Dialect::Redshift => {
            "check host and port, that the cluster is not paused, and that its security group lets this \
             machine in; connect_timeout waits longer"
        }
        Dialect::Postgres => "check host, port and firewalls; connect_timeout waits longer",
    };
    (why, Some(hint.to_owned()))
}

/// Why the certificate of the server is refused.
fn describe_tls(connection: &ConnectionConfig, error: &rustls::Error) -> (String, Option<String>) {
    let host = &connection.host;
    let bundle = match connection.dialect {
        Dialect::Redshift => "Amazon's bundle, amazon-trust-ca-bundle.crt",
        Dialect::Postgres => "a file with the certificate of that authority",
    };
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return (
            format!("TLS: {error}"),
            Some("is that the warehouse, and does it speak TLS 1.2 or later?".to_owned()),
        );
    };
    match certificate {
        // An authority of another key can bear the name of a trusted one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the certificate of the server is of an unknown authority".to_owned(),
            Some(format!(
                "name {bundle}, as sslrootcert=FILE or --ca-bundle FILE; sslmode=require without sslrootcert checks none"
            )),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the certificate of the server is not for {host}"),
            Some("name the host as the certificate does, or sslmode=verify-ca".to_owned()),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "the certificate of the server has expired".to_owned(),
            Some("have it renewed; sslmode=require without sslrootcert checks none".to_owned()),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "the certificate of the server is not valid yet".to_owned(),
            Some("is the clock of this machine right?".to_owned()),
        ),
        other => (
            format!("the certificate of the server is refused: {other}"),
            Some(match connection.tls.mode {
                TlsMode::VerifyFull | TlsMode::VerifyCa => {
                    "the server needs one that an authority signed; sslmode=require without sslrootcert checks none"
                        .to_owned()
                }
                _ => "the server needs another certificate".to_owned(),
            }),
        ),
    }
}
