//! Explains in one line why a connection or a login failed.

use std::error::Error as _;
use std::io;

use postgres::config::ChannelBinding;
use postgres::error::DbError;
use secrecy::{ExposeSecret, SecretString};

use super::config::ConnectionConfig;
use super::error::{equivalent_sqlstate, error_chain, server_hint, server_message};
use super::explanation::Explanation;
use super::host_connection::{AttemptError, HostError};
use super::hosts::HostConfig;
use super::parameter::Parameter;
use super::tls_error::{explain_ssl_error, find_ssl_error, tls_error};
use super::value_source::describe;
use crate::warehouse::dialect::Dialect;

/// Explains why a connection or login failed at a host.
pub(super) fn explain_host_error(
    connection: &ConnectionConfig,
    host: &HostConfig,
    error: &HostError,
) -> Explanation {
    let attempt = Attempt { connection, host };
    let explain = |error: &AttemptError| match error {
        AttemptError::Setup(error) => Explanation::without_hint(error.to_string()),
        AttemptError::Lookup(error) => attempt.explain_io_error(error),
        AttemptError::Driver(error) => attempt.explain(error),
    };
    match error {
        HostError::One(error) => explain(error),
        HostError::Both { encrypted, plain } => {
            let (encrypted, plain) = (explain(encrypted), explain(plain));
            let reason = match encrypted.reason == plain.reason {
                true => encrypted.reason,
                false => format!(
                    "with TLS: {}, and without TLS: {}",
                    encrypted.reason, plain.reason
                ),
            };
            let hint = encrypted.hint.or(plain.hint);
            Explanation { reason, hint }
        }
    }
}

/// An attempt to connect to a host.
struct Attempt<'a> {
    connection: &'a ConnectionConfig,
    host: &'a HostConfig,
}

impl Attempt<'_> {
    fn explain(&self, error: &postgres::Error) -> Explanation {
        let Self { connection, host } = self;
        if let Some(db_error) = error.as_db_error() {
            return self.explain_refusal(db_error);
        }
        if let Some(error) = tls_error(error) {
            return error.explain(&host.host, &connection.tls, connection.dialect);
        }
        match error.source() {
            None if error.is_closed() => Explanation::new(
                "the server closed the connection",
                format!(
                    "check that {} are those of the warehouse",
                    host_and_port(self.connection)
                ),
            ),
            None => Explanation::without_hint(error_chain(error)),
            Some(source) => match source.downcast_ref::<io::Error>() {
                Some(io_error) => self.explain_io_error(io_error),
                None => explain_driver_error(connection, &source.to_string()),
            },
        }
    }

    /// Explains an error that the server reported.
    fn explain_refusal(&self, error: &DbError) -> Explanation {
        let message = server_message(error);
        let sources = &self.connection.sources;
        let hint = match equivalent_sqlstate(error) {
            "28P01" => {
                let user = sources.describe("the user", Parameter::User);
                let password = describe("the password", self.host.password_source.as_ref());
                Some(format!("check {user} and {password}"))
            }
            "3D000" => {
                let name = sources.describe("the database name", Parameter::Database);
                Some(format!("check {name}, or create the database"))
            }
            "28000" if error.message().contains("client certificate") => {
                Some("give a certificate as sslcert and its key as sslkey".to_owned())
            }
            _ => server_hint(error).map(str::to_owned),
        };
        Explanation {
            // A server may repeat the password in its message.
            reason: match &self.host.password {
                Some(password) => redact(&message, password),
                None => message,
            },
            hint,
        }
    }

    /// Explains an I/O error of connecting: a network error, a TLS error, or a message that the driver does not know.
    fn explain_io_error(&self, error: &io::Error) -> Explanation {
        if let Some(ssl_error) = find_ssl_error(error) {
            return explain_ssl_error(ssl_error, &self.connection.tls);
        }
        let text = error.to_string();
        if let Some((_, method)) = text.split_once("unknown authentication tag `") {
            return explain_authentication_method(method.trim_end_matches('`'));
        }
        if text.starts_with("failed to lookup address") {
            let name = format!("host {}", self.host.host);
            let name = self.connection.sources.describe(&name, Parameter::Host);
            return Explanation::new(
                format!("{name} not found"),
                "check the name, and whether this machine can resolve it (VPN?)",
            );
        }
        let host_and_port = host_and_port(self.connection);
        let hint = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                format!("check {host_and_port}, and that the server is running")
            }
            io::ErrorKind::TimedOut => return explain_timeout(self.connection),
            io::ErrorKind::NotFound => {
                "there is no such socket: check its directory and the port".to_owned()
            }
            io::ErrorKind::PermissionDenied => "check the permissions of the socket".to_owned(),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                format!(
                    "the server closed the connection: check that {host_and_port} are those of the warehouse, and sslmode"
                )
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                format!("the server does not speak the PostgreSQL protocol: check {host_and_port}")
            }
            _ => format!("check {host_and_port}, and the network"),
        };
        Explanation::new(text, hint)
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
fn explain_driver_error(connection: &ConnectionConfig, text: &str) -> Explanation {
    match text {
        "server does not support TLS" if connection.channel_binding == ChannelBinding::Require => {
            Explanation::new(
                "the server does not support TLS, which channel_binding=require requires",
                "use channel_binding=prefer if that is expected",
            )
        }
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

/// Returns `host and port` with their sources.
fn host_and_port(connection: &ConnectionConfig) -> String {
    let sources = &connection.sources;
    match sources.get(Parameter::Host) == sources.get(Parameter::Port) {
        true => sources.describe("host and port", Parameter::Host),
        false => {
            let host = sources.describe("host", Parameter::Host);
            format!("{host} and {}", sources.describe("port", Parameter::Port))
        }
    }
}

/// Explains that connecting and logging in took longer than `connect_timeout`.
pub(super) fn explain_timeout(connection: &ConnectionConfig) -> Explanation {
    let reason = match connection.connect_timeout {
        Some(timeout) => format!("timed out after {} s", timeout.as_secs()),
        None => "timed out".to_owned(),
    };
    let checks = match connection.dialect {
        Dialect::Redshift => {
            "that the cluster is not paused, and that its security group allows this machine"
        }
        Dialect::Postgres => "and firewalls",
    };
    let host_and_port = host_and_port(connection);
    Explanation::new(
        reason,
        format!("check {host_and_port}, {checks}; raise connect_timeout if the server is slow"),
    )
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
