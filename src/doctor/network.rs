//! Checks the way to the server of a warehouse: name, port, TLS and certificate.

use std::net::{SocketAddr, TcpStream};

use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use crate::error::{Error, ErrorKind, Result};
use crate::warehouse::connect::config::ConnectionConfig;
use crate::warehouse::connect::hosts::HostConfig;
use crate::warehouse::connect::{PresentedCertificate, ServerProbe, TlsProbe};

/// A certificate that expires within this time should have been renewed already. Amazon renews its own earlier.
const EXPIRES_SOON_DAYS: i32 = 30;

/// Checks the way to the server that a connection would use.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(super) fn check_network(
    checkup: &mut Checkup<'_>,
    connection: &ConnectionConfig,
) -> Result<()> {
    let is_socket = |host: &HostConfig| host.socket_dir().is_some();
    if connection.hosts.iter().all(is_socket) {
        // The login tells whether the socket is there.
        return Ok(());
    }
    let mut found: Option<(ServerProbe<'_>, Vec<SocketAddr>)> = None;
    let probes = connection.hosts.iter().filter(|host| !is_socket(host));
    let probes: Vec<_> = probes
        .map(|host| ServerProbe { connection, host })
        .collect();
    let mut named = Vec::new();
    checkup.check(CheckId::WarehouseDns, &[], || {
        let (resolved, unknown) = try_each(&probes, |probe| probe.addresses())?;
        named = resolved;
        Ok(match unknown {
            None => Outcome::ok(describe_addresses(&named)),
            Some(error) => warning(&error),
        })
    })?;
    let mut stream: Option<TcpStream> = None;
    checkup.check(CheckId::WarehouseTcp, &[CheckId::WarehouseDns], || {
        let mut last = None;
        for (probe, addresses) in std::mem::take(&mut named) {
            match probe.connect(&addresses) {
                Ok(connected) => {
                    stream = Some(connected);
                    found = Some((probe, addresses));
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        match (&found, last) {
            (Some((probe, _)), None) => {
                Ok(Outcome::ok(format!("{} accepts connections", probe.host)))
            }
            (Some((probe, _)), Some(error)) => Ok(Outcome::warning(
                format!(
                    "{} accepts connections; {}",
                    probe.host,
                    error.description()
                ),
                error.hint().unwrap_or_default(),
            )),
            (None, Some(error)) => Err(error),
            (None, None) => Err(Error::failed("no server has an address")),
        }
    })?;
    let mut certificate = None;
    checkup.check(CheckId::WarehouseTls, &[CheckId::WarehouseTcp], || {
        let (Some((probe, _)), Some(stream)) = (&found, stream) else {
            return Err(Error::failed("there is no connection"));
        };
        Ok(match probe.probe_tls(stream)? {
            TlsProbe::NotUsed(setting) => Outcome::skipped(format!("not used: {setting}")),
            TlsProbe::NotSupported(setting) => without_tls(probe.host, setting),
            TlsProbe::Encrypted(presented) => {
                certificate = Some(Ok(presented));
                Outcome::ok(format!("{} encrypts connections", probe.host))
            }
            TlsProbe::Untrusted(error) => {
                certificate = Some(Err(error));
                Outcome::ok(format!("{} supports TLS", probe.host))
            }
        })
    })?;
    let needs = [CheckId::WarehouseTls];
    checkup.check(
        CheckId::WarehouseCertificate,
        &needs,
        || match certificate {
            None => Ok(Outcome::skipped("there is no TLS")),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) => Ok(Outcome::skipped("the server presents no certificate")),
            Some(Ok(Some(presented))) => Ok(judge_certificate(&presented)),
        },
    )?;
    Ok(())
}

/// Tries all servers, and returns what succeeded, and the first error. An error is returned if nothing succeeded.
#[expect(clippy::type_complexity, reason = "the type is used once")]
fn try_each<'a, T>(
    probes: &[ServerProbe<'a>],
    step: impl Fn(ServerProbe<'a>) -> Result<T>,
) -> Result<(Vec<(ServerProbe<'a>, T)>, Option<Error>)> {
    let (mut done, mut first_error) = (Vec::new(), None);
    for &probe in probes {
        match step(probe) {
            Ok(result) => done.push((probe, result)),
            Err(error) if matches!(error.kind(), ErrorKind::Stopped(_)) => return Err(error),
            Err(error) => drop(first_error.get_or_insert(error)),
        }
    }
    match (done.is_empty(), first_error) {
        (true, Some(error)) => Err(error),
        (_, first_error) => Ok((done, first_error)),
    }
}

fn warning(error: &Error) -> Outcome {
    Outcome::warning(error.description(), error.hint().unwrap_or_default())
}

fn describe_addresses(named: &[(ServerProbe<'_>, Vec<SocketAddr>)]) -> String {
    let hosts = named.iter().map(|(probe, addresses)| {
        let host = &probe.host.host;
        let ips: Vec<_> = addresses
            .iter()
            .map(|address| address.ip().to_string())
            .collect();
        match ips.as_slice() {
            [ip] if ip == host => format!("{host} is an address"),
            _ => format!("{host} is {}", ips.join(", ")),
        }
    });
    hosts.collect::<Vec<_>>().join("; ")
}

/// A connection that leaves this machine should be encrypted.
fn without_tls(host: &HostConfig, setting: &str) -> Outcome {
    let message = format!("{host} does not support TLS, which {setting} permits");
    let is_local = host.host == "localhost" || host.host == "127.0.0.1" || host.host == "::1";
    match is_local {
        true => Outcome::ok(message),
        false => Outcome::warning(
            message,
            "enable TLS on the server, or others can read the data and perhaps the password",
        ),
    }
}

fn judge_certificate(certificate: &PresentedCertificate) -> Outcome {
    let PresentedCertificate {
        name,
        days_left,
        is_verified,
    } = certificate;
    let name = name.as_deref().unwrap_or("without a common name");
    let trust = match is_verified {
        true => "trusted",
        false => "not verified, as sslmode says",
    };
    let certificate = format!("certificate {name}, {trust}");
    match days_left {
        ..0 => Outcome::warning(
            format!("{certificate}, has expired"),
            "renew it: clients that verify it cannot connect",
        ),
        0..EXPIRES_SOON_DAYS => Outcome::warning(
            format!("{certificate}, expires in {days_left} days"),
            "renew the certificate of the server",
        ),
        _ => Outcome::ok(format!("{certificate}, expires in {days_left} days")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckStatus;

    #[test]
    fn certificates_are_renewed_in_time() {
        for (days_left, expected) in [
            (-1, CheckStatus::Warning),
            (0, CheckStatus::Warning),
            (29, CheckStatus::Warning),
            (30, CheckStatus::Ok),
        ] {
            let outcome = judge_certificate(&PresentedCertificate {
                name: None,
                days_left,
                is_verified: true,
            });
            assert_eq!(outcome.status, expected, "{days_left}");
        }
    }
}
