//! Goes the way to a server step by step, each of which can fail for a reason of its own: address, port, TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::nid::Nid;
use openssl::x509::X509;
use postgres::config::ChannelBinding;

use super::config::ConnectionConfig;
use super::connect_error::{explain_host_error, explain_timeout};
use super::explanation::Explanation;
use super::host_connection::{AttemptError, HostError, lookup};
use super::hosts::HostConfig;
use super::time_limit::run_within;
use super::tls::{TlsMode, TlsNegotiation};
use super::tls_error::TlsError;
use crate::error::{Error, Result};

/// The message by which a client of PostgreSQL asks for TLS (PostgreSQL documentation, "Message Formats", SSLRequest).
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// The time for a step if the connection has no limit.
const MAX_STEP_TIME: Duration = Duration::from_secs(60);

/// The way to one server of a warehouse.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerProbe<'a> {
    /// The settings.
    pub connection: &'a ConnectionConfig,
    /// The server.
    pub host: &'a HostConfig,
}

/// What a server does when it is asked for TLS.
#[derive(Debug)]
pub(crate) enum TlsProbe {
    /// It was not asked, because the settings say so. Contains the setting.
    NotUsed(&'static str),
    /// It does not support TLS, which the settings permit. Contains the setting.
    NotSupported(&'static str),
    /// It encrypts the connection. The certificate is missing if the server presents none.
    Encrypted(Option<PresentedCertificate>),
    /// It supports TLS, but its certificate is not accepted. The error says why.
    Untrusted(Error),
}

/// The certificate that a server presents.
#[derive(Debug)]
pub(crate) struct PresentedCertificate {
    /// The common name of its subject, if it has one.
    pub name: Option<String>,
    /// The days until it expires; negative if it has expired.
    pub days_left: i32,
    /// Whether the settings compare it with trusted ones.
    pub is_verified: bool,
}

impl ServerProbe<'_> {
    /// Returns the addresses of the server.
    ///
    /// # Errors
    /// Returns an error if its name has none.
    pub(crate) fn addresses(self) -> Result<Vec<SocketAddr>> {
        let port = self.host.port;
        if let Some(address) = self.host.address {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let name = self.host.host.clone();
        let found = run_within(self.limit(), move || lookup(&name, port))?;
        let found = found.ok_or_else(|| self.timed_out())?;
        let addresses = found.map_err(|error| self.host_error(&error))?;
        let addresses = addresses.into_iter();
        Ok(addresses.map(|ip| SocketAddr::new(ip, port)).collect())
    }

    /// Connects to the first address that accepts the connection.
    ///
    /// # Errors
    /// Returns the error of the last address if none does.
    pub(crate) fn connect(self, addresses: &[SocketAddr]) -> Result<TcpStream> {
        let mut last = None;
        for &address in addresses {
            let limit = self.limit();
            let connected = run_within(limit, move || match limit {
                Some(limit) => TcpStream::connect_timeout(&address, limit),
                None => TcpStream::connect(address),
            })?;
            match connected {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = Some(self.io_error(error)),
                None => last = Some(self.timed_out()),
            }
        }
        Err(last.unwrap_or_else(|| self.timed_out()))
    }

    /// Asks for TLS as the settings say, and closes the connection.
    ///
    /// # Errors
    /// Returns an error if the handshake fails for another reason than the certificate, or if the server does not support
    /// the TLS that the settings require.
    pub(crate) fn probe_tls(self, stream: TcpStream) -> Result<TlsProbe> {
        let tls = &self.connection.tls;
        let is_required = self.connection.channel_binding == ChannelBinding::Require;
        let permission = match tls.mode {
            TlsMode::Disable => return Ok(TlsProbe::NotUsed("sslmode=disable")),
            TlsMode::Allow if !is_required => {
                return Ok(TlsProbe::NotUsed(
                    "sslmode=allow, which tries without TLS first",
                ));
            }
            TlsMode::Prefer if !is_required => Some("sslmode=prefer"),
            _ => None,
        };
        let connector = tls.connector(&self.host.host, &self.connection.sources)?;
        let time = self.limit().unwrap_or(MAX_STEP_TIME);
        let asks = connector.negotiation() == TlsNegotiation::Postgres;
        let done = run_within(Some(time), move || -> io::Result<_> {
            let mut stream = stream;
            stream.set_read_timeout(Some(time))?;
            if asks {
                stream.write_all(&SSL_REQUEST)?;
                let mut answer = [0];
                stream.read_exact(&mut answer)?;
                match answer {
                    [b'S'] => {}
                    [b'N'] => return Ok(None),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            }
            Ok(Some(connector.handshake(stream)))
        })?;
        let handshake = done
            .ok_or_else(|| self.timed_out())?
            .map_err(|error| self.io_error(error))?;
        match (handshake, permission) {
            (None, Some(setting)) => Ok(TlsProbe::NotSupported(setting)),
            (None, None) => Err(self.error(Explanation::new(
                "the server does not support TLS",
                "if that is expected, use sslmode=prefer or sslmode=disable",
            ))),
            (Some(Ok(certificate)), _) => Ok(TlsProbe::Encrypted(
                certificate.map(|found| self.describe_certificate(&found)),
            )),
            (Some(Err(error)), _) => {
                let explained = error.explain(&self.host.host, tls, self.connection.dialect);
                let explained = self.error(explained);
                match error {
                    TlsError::Certificate(_) | TlsError::HostName(_) => {
                        Ok(TlsProbe::Untrusted(explained))
                    }
                    _ => Err(explained),
                }
            }
        }
    }

    fn describe_certificate(self, certificate: &X509) -> PresentedCertificate {
        let mut names = certificate.subject_name().entries_by_nid(Nid::COMMONNAME);
        let name = names.next().and_then(|entry| entry.data().to_string().ok());
        let now = Asn1Time::days_from_now(0);
        let left = now.and_then(|now| now.diff(certificate.not_after()));
        PresentedCertificate {
            name,
            days_left: left.map_or(i32::MAX, |left| match left.secs < 0 {
                true => left.days - 1,
                false => left.days,
            }),
            is_verified: self.connection.tls.verifies_authority(),
        }
    }

    fn limit(self) -> Option<Duration> {
        self.connection.connect_timeout
    }

    fn io_error(self, error: io::Error) -> Error {
        self.host_error(&HostError::One(AttemptError::Lookup(error)))
    }

    fn host_error(self, error: &HostError) -> Error {
        self.error(explain_host_error(self.connection, self.host, error))
    }

    fn timed_out(self) -> Error {
        self.error(explain_timeout(self.connection))
    }

    fn error(self, explanation: Explanation) -> Error {
        explanation.into_error(self.host)
    }
}
