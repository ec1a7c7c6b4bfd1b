//! Connects to one host, with TLS or without it, in the order that `sslmode` says.

use std::error::Error as _;
use std::io;
use std::net::ToSocketAddrs;

use postgres::config::{ChannelBinding, Host, SslMode, SslNegotiation};
use postgres::{Client, Config, NoTls};

use super::tls::{TlsConfig, TlsMode, TlsNegotiation};
use super::tls_connector::TlsConnector;
use super::tls_error::TlsError;
use crate::error::Error;

/// Why an attempt to connect failed.
#[derive(Debug)]
pub(super) enum AttemptError {
    /// A certificate or key of this machine cannot be used.
    Setup(Error),
    /// The host has no known address.
    Lookup(io::Error),
    /// The connection or the login failed.
    Driver(postgres::Error),
}

/// Why the attempts to connect to a host failed.
#[derive(Debug)]
pub(super) enum HostError {
    /// One attempt was made, or only one error says something: a server without TLS refuses nobody by that.
    One(AttemptError),
    /// The attempts with TLS and without it failed.
    Both {
        encrypted: AttemptError,
        plain: AttemptError,
    },
}

/// Connects and logs in to the one host of `config`, whose certificate must be valid for `host` if the mode says so.
///
/// The addresses of the host are tried in their order until one accepts the connection. What its server answers is final,
/// as it is for libpq.
///
/// # Errors
/// Returns the errors of the attempts if none succeeded.
pub(super) fn connect_host(
    config: &Config,
    tls: &TlsConfig,
    host: &str,
) -> Result<Client, HostError> {
    let connections = HostConnections::new(config, tls, host)?;
    let (name, port) = match (
        config.get_hosts(),
        config.get_ports(),
        config.get_hostaddrs(),
    ) {
        ([Host::Tcp(name)], [port], []) => (name.as_str(), *port),
        _ => return connections.connect(config),
    };
    let lookup_error = |error| HostError::One(AttemptError::Lookup(error));
    let addresses = (name, port).to_socket_addrs().map_err(lookup_error)?;
    let mut last_error = lookup_error(io::ErrorKind::NotFound.into());
    for address in addresses {
        let mut config = config.clone();
        match connections.connect(config.hostaddr(address.ip())) {
            Err(HostError::One(error)) if error.is_unreachable() => {
                last_error = HostError::One(error);
            }
            outcome => return outcome,
        }
    }
    Err(last_error)
}

/// The ways to connect to a host.
enum HostConnections {
    Plain,
    PlainThenTls(Result<TlsConnector, Error>),
    TlsThenPlain(Result<TlsConnector, Error>),
    Tls(TlsConnector),
}

impl HostConnections {
    fn new(config: &Config, tls: &TlsConfig, host: &str) -> Result<Self, HostError> {
        // PostgreSQL supports no TLS on a Unix socket.
        if matches!(config.get_hosts(), [Host::Unix(_), ..]) {
            return Ok(Self::Plain);
        }
        // Only TLS provides a channel to which a login can be bound.
        let may_be_plain = config.get_channel_binding() != ChannelBinding::Require;
        match tls.mode {
            TlsMode::Disable => Ok(Self::Plain),
            TlsMode::Allow if may_be_plain => Ok(Self::PlainThenTls(tls.connector(host))),
            TlsMode::Prefer if may_be_plain => Ok(Self::TlsThenPlain(tls.connector(host))),
            _ => match tls.connector(host) {
                Ok(connector) => Ok(Self::Tls(connector)),
                Err(error) => Err(HostError::One(AttemptError::Setup(error))),
            },
        }
    }

    fn connect(&self, config: &Config) -> Result<Client, HostError> {
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
                    Err(error) => Err(AttemptError::Setup(error.clone())),
                };
                encrypted.map_err(|encrypted| HostError::of_both(encrypted, plain))
            }
            Self::TlsThenPlain(connector) => {
                let encrypted = match connector {
                    Ok(connector) => match connect_encrypted(config, connector) {
                        Err(error) if error.permits_plain_text() => error,
                        outcome => return outcome.map_err(HostError::One),
                    },
                    Err(error) => {
                        tracing::warn!("connecting without TLS: {error}");
                        AttemptError::Setup(error.clone())
                    }
                };
                connect_plain(config).map_err(|plain| HostError::of_both(encrypted, plain))
            }
        }
    }
}

fn connect_plain(config: &Config) -> Result<Client, AttemptError> {
    let mut config = config.clone();
    let client = config.ssl_mode(SslMode::Disable).connect(NoTls);
    client.map_err(AttemptError::Driver)
}

fn connect_encrypted(config: &Config, connector: &TlsConnector) -> Result<Client, AttemptError> {
    let mut config = config.clone();
    let client = config
        .ssl_mode(SslMode::Require)
        .ssl_negotiation(match connector.negotiation() {
            TlsNegotiation::Postgres => SslNegotiation::Postgres,
            TlsNegotiation::Direct => SslNegotiation::Direct,
        })
        .connect(connector.clone());
    client.map_err(AttemptError::Driver)
}

impl HostError {
    fn of_both(encrypted: AttemptError, plain: AttemptError) -> Self {
        match encrypted.is_lack_of_tls() {
            true => Self::One(plain),
            false => Self::Both { encrypted, plain },
        }
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
                None => {
                    tls_error(error).is_none() && error.source().is_none_or(|e| e.is::<io::Error>())
                }
            },
        }
    }

    /// Returns the error of a certificate or key of this machine, which no other attempt can mend.
    pub(super) fn into_setup_error(self) -> Result<Error, Self> {
        match self {
            Self::One(AttemptError::Setup(error)) => Ok(error),
            other => Err(other),
        }
    }

    /// Returns the error of the driver, unless it is a message of the server, which may repeat the password.
    pub(super) fn into_source(self) -> Option<postgres::Error> {
        match self {
            Self::One(AttemptError::Driver(error)) if error.as_db_error().is_none() => Some(error),
            _ => None,
        }
    }
}

impl AttemptError {
    /// Returns whether `prefer` continues in plain text after this error of an attempt with TLS.
    fn permits_plain_text(&self) -> bool {
        match self {
            Self::Setup(_) | Self::Lookup(_) => false,
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

/// Returns the error of the TLS handshake that the error of the driver contains.
pub(super) fn tls_error(error: &postgres::Error) -> Option<&TlsError> {
    error.source()?.downcast_ref()
}
