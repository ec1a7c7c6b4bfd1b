//! Parses the connection settings of one source: a URL, the environment or a config file.

use std::time::Duration;

use secrecy::SecretString;

use super::config_file::ConfigFile;
use super::tls::TlsMode;
use crate::warehouse::dialect::Dialect;

/// The connection settings of one source, each of which may be absent.
#[derive(Debug, Clone, Default)]
pub(super) struct PartialConfig {
    pub dialect: Option<Dialect>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    pub user: Option<String>,
    pub password: Option<SecretString>,
    pub tls_mode: Option<TlsMode>,
    pub root_certs: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub application_name: Option<String>,
    pub options: Option<String>,
}

/// The error is a reason in words, which never repeats a text that may contain a password.
type Result<T> = std::result::Result<T, String>;

impl PartialConfig {
    /// Parses a connection URL.
    pub(super) fn from_url(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").ok_or(
            "expected redshift://USER@HOST:5439/DATABASE or postgres://USER@HOST/DATABASE",
        )?;
        let dialect = match scheme {
            "redshift" => Dialect::Redshift,
            "postgres" | "postgresql" => Dialect::Postgres,
            _ if scheme.starts_with("jdbc:") => {
                return Err("it is a JDBC URL; remove the jdbc: prefix".to_owned());
            }
            _ => return Err("expected redshift:// or postgres://".to_owned()),
        };
        let mut config = Self {
            dialect: Some(dialect),
            ..Self::default()
        };

        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if rest.contains('@') {
            // A password that contains a / would be split, and errors would show one half of it as the host.
            return Err(
                "write / and ? in the user or password as %2F and %3F, and @ after the host as %40"
                    .to_owned(),
            );
        }
        let host_port = match authority.rsplit_once('@') {
            None => authority,
            Some((userinfo, host_port)) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                config.user = percent_decode("user", user)?;
                config.password = percent_decode("password", password)?.map(SecretString::from);
                host_port
            }
        };
        config.parse_host_port(host_port)?;

        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let database = path.strip_prefix('/').unwrap_or(path);
        config.database = percent_decode("database", database)?;
        for parameter in query.split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if let Some(value) = percent_decode(name, value)? {
                config.set_param(name, value)?;
            }
        }
        Ok(config)
    }

    /// Parses the host and port of a URL: `host`, `host:port`, `[::1]:port`, `:port` or nothing.
    fn parse_host_port(&mut self, host_port: &str) -> Result<()> {
        let (host, port) = match host_port.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("missing ] after [")?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| "invalid IPv6 address in []")?;
                let port = match port.is_empty() {
                    true => None,
                    false => Some(port.strip_prefix(':').ok_or("expected : after ]")?),
                };
                (host, port)
            }
            None => match host_port.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host_port, None),
            },
        };
        self.host = percent_decode("host", host)?;
        if self.host.as_deref().is_some_and(|host| host.contains(',')) {
            return Err("multiple hosts are not supported".to_owned());
        }
        self.port = match port {
            None | Some("") => None,
            Some(port) => Some(parse_port(port).map_err(|why| format!("the port {why}"))?),
        };
        Ok(())
    }

    /// Sets a query parameter of a URL.
    fn set_param(&mut self, name: &str, value: String) -> Result<()> {
        let invalid = |why: String| format!("{name} {why}");
        match name {
            "sslmode" => self.tls_mode = Some(value.parse().map_err(invalid)?),
            "sslrootcert" => self.root_certs = Some(value),
            "connect_timeout" => {
                self.connect_timeout = Some(parse_seconds(&value).map_err(invalid)?)
            }
            "application_name" => self.application_name = Some(value),
            "options" => self.options = Some(value),
            "host" => self.host = Some(value),
            "password" => self.password = Some(SecretString::from(value)),
            _ => {
                return Err(format!(
                    "unknown parameter '{name}' (supported: sslmode, sslrootcert, connect_timeout, \
                     application_name, options, host)"
                ));
            }
        }
        Ok(())
    }

    /// Reads the environment variables of libpq.
    pub(super) fn from_env(env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let invalid = |name: &'static str| move |why: String| format!("{name} {why}");
        let named = |name: &'static str| env(name).map(|value| (name, value));
        Ok(Self {
            dialect: None,
            host: env("PGHOST"),
            port: named("PGPORT")
                .map(|(name, value)| parse_port(&value).map_err(invalid(name)))
                .transpose()?,
            database: env("PGDATABASE"),
            user: env("PGUSER"),
            password: env("PGPASSWORD").map(SecretString::from),
            tls_mode: named("PGSSLMODE")
                .map(|(name, value)| value.parse().map_err(invalid(name)))
                .transpose()?,
            root_certs: env("PGSSLROOTCERT"),
            connect_timeout: named("PGCONNECT_TIMEOUT")
                .map(|(name, value)| parse_seconds(&value).map_err(invalid(name)))
                .transpose()?,
            application_name: env("PGAPPNAME"),
            options: env("PGOPTIONS"),
        })
    }

    /// Takes the cluster settings of a config file.
    pub(super) fn from_config_file(file: &ConfigFile) -> Self {
        Self {
            host: file.host.clone(),
            port: file.port,
            database: file.database.clone(),
            user: file.user.clone(),
            password: file.password.clone(),
            ..Self::default()
        }
    }

    /// Fills absent settings from another source.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            dialect: self.dialect.or(other.dialect),
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            database: self.database.or(other.database),
            user: self.user.or(other.user),
            password: self.password.or(other.password),
            tls_mode: self.tls_mode.or(other.tls_mode),
            root_certs: self.root_certs.or(other.root_certs),
            connect_timeout: self.connect_timeout.or(other.connect_timeout),
            application_name: self.application_name.or(other.application_name),
            options: self.options.or(other.options),
        }
    }
}

fn parse_port(text: &str) -> Result<u16> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        // The message does not repeat the text, which is part of a password if the @ was forgotten.
        _ => Err("is not a number from 1 to 65535".to_owned()),
    }
}

/// Parses a timeout in seconds. Like libpq, it maps negative values to 0, which means no limit.
fn parse_seconds(text: &str) -> Result<Duration> {
    match text.parse::<i32>() {
        Ok(seconds) => Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        Err(_) => Err("is not a number of seconds".to_owned()),
    }
}

/// Percent-decodes a part of a URL. Returns `None` if the part is empty.
fn percent_decode(name: &str, text: &str) -> Result<Option<String>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit(), digit());
        let byte = high.zip(low).map(|(high, low)| high * 16 + low);
        match byte.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) if byte > 0 => bytes.push(byte),
            _ => {
                return Err(format!(
                    "invalid percent-encoding in the {name}; write % as %25"
                ));
            }
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(_) => Err(format!("the {name} is not valid UTF-8")),
    }
}
