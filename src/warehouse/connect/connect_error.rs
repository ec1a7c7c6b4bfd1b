//! Explains in one line why a connection or a login failed.

use std::error::Error as _;
use std::io;

use rustls::CertificateError;
use secrecy::{ExposeSecret, SecretString};

use super::config::ConnectionConfig;
use super::error::{
    ErrorClass, StatementError, error_chain, server_hint, server_message, without_link,
};
use super::login_error_class::login_error_class;
use super::tls::TlsMode;
use crate::error::Error;
use crate::warehouse::dialect::Dialect;

/// Why a connection failed, and what to do next.
struct Explanation {
    reason: String,
    hint: Option<String>,
}

impl Explanation {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }

    fn without_hint(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: None,
        }
    }

    fn into_error(self, connection: &ConnectionConfig) -> Error {
        Error::failed(format!("cannot connect to {connection}"))
            .with_reason(self.reason)
            .with_optional_hint(self.hint)
    }
}

/// Returns the error for a connection or login that failed.
pub(super) fn connect_error(
    connection: &ConnectionConfig,
    error: postgres::Error,
) -> StatementError {
    let explained = explain(connection, &error).into_error(connection);
    StatementError {
        class: login_error_class(&error),
        error: match error.as_db_error() {
            // The server may have repeated the password, which is redacted in the reason only.
            Some(_) => explained,
            None => explained.caused_by(error),
        },
    }
}

/// Returns the error for a connection or login that took longer than `connect_timeout`.
pub(super) fn connect_timeout_error(connection: &ConnectionConfig) -> StatementError {
    StatementError {
        class: ErrorClass::ConnectionLost,
        error: explain_timeout(connection).into_error(connection),
    }
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
            hint: server_hint(db_error).map(str::to_owned),
        };
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
        "unsupported authentication method" => Explanation::new(
            "the server requires GSS, Kerberos or SSPI, which are not supported",
            "use a user that logs in with a password",
        ),
        _ => Explanation::without_hint(text),
    }
}

/// Explains an I/O error of connecting: a network error, a TLS error, or a message that the driver does not know.
fn explain_io_error(connection: &ConnectionConfig, error: &io::Error) -> Explanation {
    let tls_error = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    if let Some(tls_error) = tls_error {
        return explain_tls_error(connection, tls_error);
    }
    let text = without_link(&error.to_string());
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

/// Explains a failed TLS handshake, such as a rejected certificate.
fn explain_tls_error(connection: &ConnectionConfig, error: &rustls::Error) -> Explanation {
    match error {
        rustls::Error::InvalidCertificate(certificate_error) => {
            explain_certificate_error(connection, certificate_error)
        }
        _ => Explanation::new(
            format!("TLS: {error}"),
            "check that host and port are those of the warehouse, and that it supports TLS 1.2 or later",
        ),
    }
}

fn explain_certificate_error(
    connection: &ConnectionConfig,
    error: &CertificateError,
) -> Explanation {
    match error {
        // BadSignature: an untrusted authority may have the name of a trusted one, but another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            let bundle = match connection.dialect {
                Dialect::Redshift => "Amazon's amazon-trust-ca-bundle.crt",
                Dialect::Postgres => "the certificate of that authority",
            };
            Explanation::new(
                "the server certificate is signed by an unknown authority",
                format!(
                    "give {bundle} as sslrootcert=FILE or --ca-bundle FILE; sslmode=require without sslrootcert accepts any certificate"
                ),
            )
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Explanation::new(
                format!(
                    "the server certificate is not valid for {}",
                    connection.host
                ),
                "use a host name that the certificate has, or sslmode=verify-ca",
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Explanation::new(
            "the server certificate has expired",
            "renew it; sslmode=require without sslrootcert accepts any certificate",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Explanation::new(
                "the server certificate is not valid yet",
                "check the clock of this machine",
            )
        }
        other => Explanation::new(
            format!("invalid server certificate: {other}"),
            match connection.tls.mode {
                TlsMode::VerifyFull | TlsMode::VerifyCa => {
                    "the server needs a certificate signed by an authority; sslmode=require without sslrootcert accepts any certificate"
                }
                _ => "the server needs another certificate",
            },
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
