//! Connects to one host, with TLS or without it, in the order that `sslmode` says.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use postgres::{Client, Config, NoTls};

use super::config::ConnectionConfig;
use super::error::ErrorClass;
use super::hosts::HostConfig;
use super::login_error_class::{login_error_class, lookup_error_class};
use super::parameter::Parameter;
use super::tls::{TlsMode, TlsNegotiation};
use super::tls_connector::TlsConnector;
use super::tls_error::tls_error;
use crate::error::Error;

/// Why an attempt to connect failed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// A certificate or key of this machine cannot be used.
    Setup(Box<Error>),
    /// The host has no known address.
    Lookup(io::Error),
    /// The connection or the login failed.
    Driver(postgres::Error),
}

/// Why the attempts to connect to a host failed.
#[derive(Debug)]
pub(super) enum HostError {
    /// One attempt was made, or only one error matters: that a server does not support TLS is not a refusal.
    One(AttemptError),
    /// The attempts with TLS and without it failed.
    Both {
        encrypted: AttemptError,
        plain: AttemptError,
    },
}

/// A client, and what encrypts its connection.
pub(super) type EncryptedClient = (Client, Option<TlsConnector>);

/// Returns the addresses of a host, in the order in which they are tried.
///
/// # Errors
/// Returns an error if the host has no known address.
pub(super) fn lookup(host: &str, port: u16) -> Result<Vec<IpAddr>, HostError> {
    let addresses = (host, port).to_socket_addrs();
    let addresses = addresses.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>());
    match addresses {
        Ok(addresses) if !addresses.is_empty() => Ok(addresses),
        Ok(_) => Err(HostError::One(AttemptError::Lookup(
            io::ErrorKind::NotFound.into(),
        ))),
        Err(error) => Err(HostError::One(AttemptError::Lookup(error))),
    }
}

/// The ways to connect to a host, in the order that `sslmode` says. The files with certificates and keys are loaded.
#[derive(Clone)]
pub(super) enum ConnectionMethods {
    Plain,
    PlainThenTls(Result<TlsConnector, Error>),
    TlsThenPlain(Result<TlsConnector, Error>),
    Tls(TlsConnector),
}

impl ConnectionMethods {
    /// Loads the files that the connection to a host needs.
    ///
    /// # Errors
    /// Returns an error if a file cannot be loaded and the connection must be encrypted.
    pub(super) fn load(connection: &ConnectionConfig, host: &HostConfig) -> Result<Self, Error> {
        // PostgreSQL supports no TLS on a Unix socket.
        if host.socket_dir().is_some() {
            return Ok(Self::Plain);
        }
        let tls = &connection.tls;
        let connector = || tls.connector(&host.host, &connection.sources);
        // Only TLS provides a channel to which a login can be bound.
        let may_be_plain = connection.channel_binding != ChannelBinding::Require;
        match tls.mode {
            TlsMode::Disable => Ok(Self::Plain),
            TlsMode::Allow if may_be_plain => Ok(Self::PlainThenTls(connector())),
            TlsMode::Prefer if may_be_plain => match connector() {
                // Who names a file does not expect that it is ignored. psql continues without TLS.
                Err(error) if names_tls_files(connection) => Err(error),
                connector => Ok(Self::TlsThenPlain(connector)),
            },
            _ => connector().map(Self::Tls),
        }
    }

    /// Connects and logs in to the one address or socket of a configuration.
    ///
    /// # Errors
    /// Returns the errors of the attempts if none succeeded.
    pub(super) fn connect(&self, config: &Config) -> Result<EncryptedClient, HostError> {
        match self {
            Self::Plain => connect_plain(config).map_err(HostError::One),
            Self::Tls(connector) => connect_encrypted(config, connector).map_err(HostError::One),
            Self::PlainThenTls(connector) => {
                let plain = match connect_plain(config) {
                    Err(error) if error.is_from_server() => error,
                    outcome => return outcome.map_err(HostError::One),
                };
                let encrypted = match connector {
                    Ok(connector) => connect_encrypted(config, connector),
                    Err(error) => Err(AttemptError::Setup(Box::new(error.clone()))),
                };
                encrypted.map_err(|encrypted| HostError::combine(encrypted, plain))
            }
            Self::TlsThenPlain(connector) => {
                let encrypted = match connector {
                    Ok(connector) => match connect_encrypted(config, connector) {
                        Err(error) if error.permits_plain_text() => error,
                        outcome => return outcome.map_err(HostError::One),
                    },
                    Err(error) => {
                        tracing::warn!("connecting without TLS: {error}");
                        AttemptError::Setup(Box::new(error.clone()))
                    }
                };
                connect_plain(config).map_err(|plain| HostError::combine(encrypted, plain))
            }
        }
    }
}

fn names_tls_files(connection: &ConnectionConfig) -> bool {
    [Parameter::RootCerts, Parameter::Certificate, Parameter::Key]
        .into_iter()
        .any(|parameter| connection.sources.get(parameter).is_some())
}

fn connect_plain(config: &Config) -> Result<EncryptedClient, AttemptError> {
    let mut config = config.clone();
    let client = config.ssl_mode(SslMode::Disable).connect(NoTls);
    let client = client.map_err(AttemptError::Driver)?;
    Ok((client, None))
}

fn connect_encrypted(
    config: &Config,
    connector: &TlsConnector,
) -> Result<EncryptedClient, AttemptError> {
    let mut config = config.clone();
    let client = config
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(match connector.negotiation() {
            TlsNegotiation::Postgres => SslNegotiation::Postgres,
            TlsNegotiation::Direct => SslNegotiation::Direct,
        })
        .connect(connector.clone());
    let client = client.map_err(AttemptError::Driver)?;
    Ok((client, Some(connector.clone())))
}

impl HostError {
    fn combine(encrypted: AttemptError, plain: AttemptError) -> Self {
        match encrypted.is_lack_of_tls() {
            true => Self::One(plain),
            false => Self::Both { encrypted, plain },
        }
    }

    /// Returns whether the address did not accept the connection, so that the next address of the host is tried. An answer
    /// is final: another address might reach a server that the user knows nothing about.
    pub(super) fn permits_next_address(&self) -> bool {
        matches!(self, Self::One(error) if error.is_unreachable())
    }

    /// Returns whether another host may accept the connection: this one cannot be reached, or is starting or stopping.
    /// Like libpq, this does not hold for a failed login or a certificate that is not trusted.
    pub(super) fn permits_next_host(&self) -> bool {
        let (Self::One(error) | Self::Both { plain: error, .. }) = self;
        match error {
            AttemptError::Setup(_) => false,
            AttemptError::Lookup(_) => true,
            AttemptError::Driver(error) => match error.code() {
                Some(code) => code.code() == "57P03",
                None => match tls_error(error) {
                    Some(error) => error.is_connection_closed(),
                    None => is_closed_or_io(error),
                },
            },
        }
    }

    /// Returns the class of the error: whether the host may accept the connection later.
    pub(super) fn class(&self, host: &HostConfig) -> ErrorClass {
        match self {
            Self::One(error) => error.class(host),
            Self::Both { encrypted, plain } => match encrypted.class(host) {
                ErrorClass::ConnectionLost => ErrorClass::ConnectionLost,
                _ => plain.class(host),
            },
        }
    }

    /// Returns the error with its source, unless the source is a message of the server, which may repeat the password.
    pub(super) fn cause(self, error: Error) -> Error {
        match self {
            Self::One(AttemptError::Driver(source)) if source.as_db_error().is_none() => {
                error.caused_by(source)
            }
            Self::One(AttemptError::Lookup(source)) => error.caused_by(source),
            _ => error,
        }
    }
}

fn is_closed_or_io(error: &postgres::Error) -> bool {
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.is::<io::Error>())
}

impl AttemptError {
    fn class(&self, host: &HostConfig) -> ErrorClass {
        match self {
            Self::Setup(_) => ErrorClass::Fatal,
            Self::Lookup(error) => lookup_error_class(error),
            Self::Driver(error) => login_error_class(error, host.socket_dir()),
        }
    }

    /// Returns whether `prefer` continues in plain text after this error of an attempt with TLS.
    fn permits_plain_text(&self) -> bool {
        match self {
            Self::Setup(_) => true,
            Self::Lookup(_) => false,
            // The server refused the user. The driver does not tell which other errors preceded the login, but they do
            // not depend on TLS.
            Self::Driver(error) if error.as_db_error().is_some() => error
                .code()
                .is_some_and(|code| code.code().starts_with("28")),
            Self::Driver(error) => self.is_lack_of_tls() || tls_error(error).is_some(),
        }
    }

    /// Returns whether the address did not accept the connection.
    fn is_unreachable(&self) -> bool {
        matches!(self, Self::Driver(error) if error.to_string() == "error connecting to server")
    }

    /// Returns whether the server answered with an error.
    fn is_from_server(&self) -> bool {
        matches!(self, Self::Driver(error) if error.as_db_error().is_some())
    }

    /// Returns whether the server answered that it does not support TLS.
    fn is_lack_of_tls(&self) -> bool {
        match self {
            Self::Setup(_) | Self::Lookup(_) => false,
            Self::Driver(error) => error
                .source()
                .is_some_and(|source| source.to_string() == "server does not support TLS"),
        }
    }
}
