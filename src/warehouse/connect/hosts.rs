//! Resolves the servers of a warehouse: one, or several that are tried in turn.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use secrecy::SecretString;

use super::parameter::Parameter;
use super::settings::{Setting, Settings};
use super::value_source::ValueSource;
use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// A server of the warehouse.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Host name or IP address of the server, or the directory of its Unix socket.
    pub host: String,
    /// IP address to connect to, instead of the one that the name resolves to.
    pub address: Option<IpAddr>,
    /// Port of the server.
    pub port: u16,
    /// Password of the user, if the server requires one.
    pub password: Option<SecretString>,
    /// Where the password is set.
    pub password_source: Option<ValueSource>,
}

impl HostConfig {
    /// Returns the directory of the Unix socket, if the server is reached through one. An address takes precedence.
    pub fn socket_dir(&self) -> Option<&Path> {
        let is_socket = self.host.starts_with('/') && self.address.is_none();
        is_socket.then(|| Path::new(&self.host))
    }
}

/// The server as `host:port`.
impl fmt::Display for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        match host.contains(':') && self.socket_dir().is_none() {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// The directory in which packages of PostgreSQL place the socket of a server. Only the server can write to it, unlike
/// `/tmp`, where any user of the machine could wait for passwords.
const DEFAULT_SOCKET_DIR: &str = "/var/run/postgresql";

/// Resolves the lists in `host`, `hostaddr` and `port`. The hosts have no passwords yet.
///
/// # Errors
/// Returns an error if the lists do not fit together, or a part is invalid or missing.
pub(super) fn resolve_hosts(settings: &Settings, dialect: Dialect) -> Result<Vec<HostConfig>> {
    let names = list(settings.get(Parameter::Host));
    let addresses = list(settings.get(Parameter::HostAddress));
    let ports = list(settings.get(Parameter::Port));
    let count = names.len().max(addresses.len()).max(1);
    if let Some(setting) = settings.get(Parameter::HostAddress)
        && !names.is_empty()
        && names.len() != addresses.len()
    {
        return Err(setting.invalid(&count_mismatch(addresses.len(), names.len())));
    }
    if let Some(setting) = settings.get(Parameter::Port)
        && ports.len() > 1
        && ports.len() != count
    {
        return Err(setting.invalid(&count_mismatch(ports.len(), count)));
    }
    (0..count)
        .map(|index| {
            // One port is that of all hosts.
            let port = if ports.len() == 1 {
                ports.first()
            } else {
                ports.get(index)
            };
            let port = match (port, settings.get(Parameter::Port)) {
                (Some(text), Some(setting)) if !text.is_empty() => {
                    parse_port_of_setting(text, setting)?
                }
                _ => default_port(dialect),
            };
            let address = match (addresses.get(index), settings.get(Parameter::HostAddress)) {
                (Some(text), Some(setting)) if !text.is_empty() => {
                    Some(parse_address(text, setting)?)
                }
                _ => None,
            };
            let name = names.get(index).filter(|name| !name.is_empty());
            let host = match (name, address) {
                (Some(name), _) => check_host(name, settings, dialect)?,
                (None, Some(address)) => address.to_string(),
                (None, None) => default_host(port, dialect)?,
            };
            Ok(HostConfig {
                host,
                address,
                port,
                password: None,
                password_source: None,
            })
        })
        .collect()
}

fn list(setting: Option<&Setting>) -> Vec<&str> {
    setting.map_or_else(Vec::new, |setting| setting.text().split(',').collect())
}

fn count_mismatch(count: usize, host_count: usize) -> String {
    format!("has {count} entries, but there are {host_count} hosts")
}

fn default_port(dialect: Dialect) -> u16 {
    match dialect {
        Dialect::Redshift => 5439,
        Dialect::Postgres => 5432,
    }
}

fn parse_port_of_setting(text: &str, setting: &Setting) -> Result<u16> {
    // The message does not repeat the text, which is part of a password if the @ was forgotten.
    parse_port(text.trim()).ok_or_else(|| setting.invalid("is not a number from 1 to 65535"))
}

/// Returns the number of a port, unless the text is not a number from 1 to 65535.
pub(super) fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|&port| port > 0)
}

fn parse_address(text: &str, setting: &Setting) -> Result<IpAddr> {
    text.trim()
        .parse()
        .map_err(|_| setting.invalid("is not an IP address; give a name as host"))
}

fn check_host(name: &str, settings: &Settings, dialect: Dialect) -> Result<String> {
    match settings.get(Parameter::Host) {
        Some(setting) if name.starts_with('/') && dialect == Dialect::Redshift => Err(setting
            .invalid("names a Unix socket, which Redshift does not have")
            .with_hint("give its host: redshift://USER@HOST:5439/DATABASE")),
        Some(setting) if name.starts_with('@') => {
            Err(setting.invalid("names an abstract Unix socket, which is not supported"))
        }
        _ => Ok(name.to_owned()),
    }
}

/// Returns the host if none is named: for PostgreSQL the default directory if it has the socket of the port, otherwise
/// `localhost`.
fn default_host(port: u16, dialect: Dialect) -> Result<String> {
    match dialect {
        Dialect::Postgres => {
            let socket = Path::new(DEFAULT_SOCKET_DIR).join(format!(".s.PGSQL.{port}"));
            let has_socket = socket.exists();
            Ok(if has_socket { DEFAULT_SOCKET_DIR } else { "localhost" }.to_owned())
        }
        Dialect::Redshift => Err(Error::usage("missing host of the warehouse").with_hint(
            "set it in the URL (redshift://USER@HOST:5439/DATABASE), PGHOST, or HOST under [CLUSTER] in --config",
        )),
    }
}
