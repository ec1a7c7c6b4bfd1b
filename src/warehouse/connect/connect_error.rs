//! Explains in one line why a connection or a login failed.

use std::error::Error as _;
use std::io;

use secrecy::{ExposeSecret, SecretString};

use super::config::ConnectionConfig;
use super::error::{error_chain, server_message, sqlstate_hint};
use super::explanation::Explanation;
use super::host_connection::{AttemptError, HostError, tls_error};
use super::tls_error::{explain_ssl_error, ssl_error_of};
use crate::error::Error;
use crate::warehouse::dialect::Dialect;

/// Returns the error for a connection or login that failed.
pub(super) fn connect_error(connection: &ConnectionConfig, error: HostError) -> Error {
    match error {
        HostError::One(AttemptError::Setup(error)) => error,
        HostError::One(AttemptError::Driver(error)) => {
            let explained = explain(connection, &error).into_error(connection);
            match error.as_db_error() {
                // The server may have repeated the password, which is redacted in the reason only.
                Some(_) => explained,
                None => explained.caused_by(error),
            }
        }
        HostError::One(AttemptError::Lookup(error)) => explain_io_error(connection, &error)
            .into_error(connection)
            .caused_by(error),
        HostError::Both { encrypted, plain } => {
            let explain = |error: &AttemptError| match error {
                AttemptError::Setup(error) => Explanation::without_hint(error.to_string()),
                AttemptError::Lookup(error) => explain_io_error(connection, error),
                AttemptError::Driver(error) => explain(connection, error),
            };
            let (encrypted, plain) = (explain(&encrypted), explain(&plain));
            let reason = match encrypted.reason == plain.reason {
                true => encrypted.reason,
                false => format!(
                    "{} with TLS, and {} without TLS",
                    encrypted.reason, plain.reason
                ),
            };
            let hint = encrypted.hint.or(plain.hint);
            Explanation { reason, hint }.into_error(connection)
        }
    }
}

/// Returns the error for a connection or login that took longer than `connect_timeout`.
pub(super) fn connect_timeout_error(connection: &ConnectionConfig) -> Error {
    explain_timeout(connection).into_error(connection)
}

fn explain(connection: &ConnectionConfig, error: &postgres::Error) -> Explanation {
    if let Some(db_error) = error.as_db_error() {
        let message = server_message(db_error);
        return Explanation {
            // A server may repeat the password in its message.
            reason: match &connection.password {
                Some(password) => redact(&message, password),
                None => message,
            },
            hint: sqlstate_hint(db_error.code().code()).map(str::to_owned),
        };
    }
    if let Some(error) = tls_error(error) {
        return error.explain(&connection.host, &connection.tls, connection.dialect);
    }
    match error.source() {
        None if error.is_closed() => Explanation::new(
            "the server closed the connection",
            "check that host and port are those of the warehouse",
        ),
        None => Explanation::without_hint(error_chain(error)),
        Some(source) => match source.downcast_ref::<io::Error>() {
            Some(io_error) => explain_io_error(connection, io_error),
            None => explain_driver_error(&source.to_string()),
        },
    }
}

/// Returns the text with the password replaced by `***`.
fn redact(text: &str, password: &SecretString) -> String {
    match password.expose_secret() {
        "" => text.to_owned(),
        password => text.replace(password, "***"),
    }
}

/// Explains an error that the driver itself raised during login.
fn explain_driver_error(text: &str) -> Explanation {
    match text {
        "password missing" => Explanation::new(
            "the server requires a password, and none was supplied",
            "set PGPASSWORD, or use the --config file or ~/.pgpass",
        ),
        "server does not support TLS" => Explanation::new(
            "the server does not support TLS",
            "if that is expected, use sslmode=prefer or sslmode=disable",
        ),
        "server did not use channel binding" => Explanation::new(
            "the server did not bind the login to the TLS channel, which channel_binding=require requires",
            "use TLS and a user whose password is stored as scram-sha-256, or channel_binding=prefer",
        ),
        "unsupported authentication method" => Explanation::new(
            "the server requires GSS, Kerberos or SSPI, which are not supported",
            "use a user that logs in with a password",
        ),
        _ => Explanation::without_hint(text),
    }
}

/// Explains an I/O error of connecting: a network error, a TLS error, or a message that the driver does not know.
fn explain_io_error(connection: &ConnectionConfig, error: &io::Error) -> Explanation {
    if let Some(ssl_error) = ssl_error_of(error) {
        return explain_ssl_error(ssl_error, &connection.tls);
    }
    let text = error.to_string();
    if let Some((_, method)) = text.split_once("unknown authentication tag `") {
        return explain_authentication_method(method.trim_end_matches('`'));
    }
    if text.starts_with("failed to lookup address") {
        return Explanation::new(
            format!("host {} not found", connection.host),
            "check the name, and whether this machine can resolve it (VPN?)",
        );
    }
    let hint = match error.kind() {
        io::ErrorKind::ConnectionRefused => "check host and port, and that the server is running",
        io::ErrorKind::TimedOut => return explain_timeout(connection),
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
    Explanation::new(text, hint)
}

/// Explains that the server requires an authentication method that the driver does not know.
fn explain_authentication_method(method: &str) -> Explanation {
    match method {
        "13" => Explanation::new(
            "the server requires authentication method 13, which is not supported: the password of the user is \
             stored as sha256|...",
            "use a user whose password is stored as MD5 (ALTER USER ... PASSWORD 'md5...'), or temporary IAM \
             credentials",
        ),
        _ => Explanation::new(
            format!("the server requires authentication method {method}, which is not supported"),
            "use a user that logs in with a password",
        ),
    }
}

fn explain_timeout(connection: &ConnectionConfig) -> Explanation {
    let reason = match connection.connect_timeout {
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
    Explanation::new(reason, hint)
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
