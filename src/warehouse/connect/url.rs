//! Parts: what one source (a URL, the environment, a file) says of an address, which may be little.

use std::time::Duration;

use super::config_file::ConfigFile;
use super::secret::Secret;
use super::tls::TlsMode;
use crate::warehouse::dialect::Dialect;

/// The parts of an address, each if it is known.
#[derive(Debug, Clone, Default)]
pub(super) struct PartialConfig {
    pub dialect: Option<Dialect>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub tls_mode: Option<TlsMode>,
    pub root_certs: Option<String>,
    pub connect_timeout: Option<Duration>,
    pub application_name: Option<String>,
    pub options: Option<String>,
}

/// Every error is a reason that repeats nothing in which a password may stand.
type Result<T> = std::result::Result<T, String>;

impl PartialConfig {
    /// Those of a URL.
    pub(super) fn from_url(url: &str) -> Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or("redshift://USER@HOST:5439/DATABASE or postgres://… is wanted")?;
        let dialect = match scheme {
            "redshift" => Dialect::Redshift,
            "postgres" | "postgresql" => Dialect::Postgres,
            _ if scheme.starts_with("jdbc:") => {
                return Err("it is an address of JDBC; leave out the 'jdbc:'".to_owned());
            }
            _ => return Err("it begins with neither redshift:// nor postgres://".to_owned()),
        };
        let mut config = Self {
            dialect: Some(dialect),
            ..Self::default()
        };

        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if rest.contains('@') {
            // Of a password with a / in it, this would take a half for the host, and name it in errors.
            return Err(
                "a / or ? in the user or password is to be written as %2F or %3F, and an @ behind the host as %40"
                    .to_owned(),
            );
        }
        let host_port = match authority.rsplit_once('@') {
            None => authority,
            Some((userinfo, host_port)) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                config.user = percent_decode("user", user)?;
                config.password = percent_decode("password", password)?.map(Secret::new);
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

    /// The host and the port of a URL: `host`, `host:port`, `[::1]:port`, `:port` or nothing.
    fn parse_host_port(&mut self, host_port: &str) -> Result<()> {
        let (host, port) = match host_port.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("a [ has no ] behind it")?;
                host.parse::<std::net::Ipv6Addr>()
                    .map_err(|_| "what stands in [] is no address of IPv6")?;
                let port = match port.is_empty() {
                    true => None,
                    false => Some(port.strip_prefix(':').ok_or("a ] is followed by no :")?),
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
            return Err("one host is wanted, not several".to_owned());
        }
        self.port = match port {
            None | Some("") => None,
            Some(port) => Some(parse_port(port).map_err(|why| format!("the port {why}"))?),
        };
        Ok(())
    }

    /// Takes a parameter of a URL.
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
            "password" => self.password = Some(Secret::new(value)),
            _ => {
                return Err(format!(
                    "it has an unknown parameter '{name}' (known are sslmode, sslrootcert, \
                     connect_timeout, application_name, options and host)"
                ));
            }
        }
        Ok(())
    }

    /// Those that the environment holds, by the names that PostgreSQL's tools give them.
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
            password: env("PGPASSWORD").map(Secret::new),
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

    /// Those that the file of a cluster holds.
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

    /// The same, with what it lacks from elsewhere.
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
        // Not repeated: behind a forgotten @ it is a password.
        _ => Err("is no number from 1 to 65535".to_owned()),
    }
}

/// A time to wait, where PostgreSQL's tools take zero and less for endless.
fn parse_seconds(text: &str) -> Result<Duration> {
    match text.parse::<i32>() {
        Ok(seconds) => Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        Err(_) => Err("is no number of seconds".to_owned()),
    }
}

/// A part of a URL without its percent signs; none if it is empty.
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
            _ => return Err(format!("the % in the {name} is to be written as %25")),
        }
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(_) => Err(format!("the {name} is no UTF-8")),
    }
}
