//! Resolves the connection settings of a warehouse: host, user, password and TLS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::config_file::ConfigFile;
use super::partial_config::PartialConfig;
use super::pgpass::{self, PgpassKey};
use super::tls::{TlsConfig, TlsMode, TlsSettings};
use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// Connection settings of a warehouse. They are displayed as a URL without the password.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// Kind of warehouse.
    pub dialect: Dialect,
    /// Host name or IP address of the server, or the directory of its Unix socket.
    pub host: String,
    /// Port of the server.
    pub port: u16,
    /// Name of the database.
    pub database: String,
    /// User that logs in.
    pub user: String,
    /// Password of the user, if the server requires one.
    pub password: Option<SecretString>,
    /// TLS mode and trusted certificates.
    pub tls: TlsConfig,
    /// Maximum time for connecting and logging in. Without it there is no limit.
    pub connect_timeout: Option<Duration>,
    /// Name under which the server lists the sessions of this program.
    pub application_name: String,
    /// Settings of the session, such as `-c search_path=music`.
    pub options: Option<String>,
}

/// Connection settings from the command line.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectionFlags<'a> {
    /// URL of the warehouse, which must not contain a password.
    pub url: Option<&'a str>,
    /// PEM file with the certificates to trust.
    pub ca_bundle: Option<&'a str>,
}

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl ConnectionConfig {
    /// Resolves each setting from the first source that has it: flags, environment, config file. Returns `None` if no
    /// URL is given and the file describes no cluster.
    ///
    /// The environment is `SPARKIFY_WAREHOUSE`, a URL that is used where the flags have none, and, after it,
    /// PostgreSQL's `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`, `PGPASSWORD`, `PGPASSFILE`, `PGSSLMODE`,
    /// `PGSSLROOTCERT`, `PGCONNECT_TIMEOUT`, `PGAPPNAME` and `PGOPTIONS`. If none of these has a password, it is looked
    /// up in `~/.pgpass`.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid or missing. No error repeats a password.
    pub fn resolve(
        flags: ConnectionFlags<'_>,
        file: Option<&ConfigFile>,
        env: impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        let Some(from_url) = url_settings(flags.url, file, &env)? else {
            return Ok(None);
        };
        let from_flags = PartialConfig {
            root_certs: flags.ca_bundle.map(str::to_owned),
            ..PartialConfig::default()
        };
        let from_env = PartialConfig::from_env(&env)
            .map_err(|why| Error::usage("invalid environment variable").with_reason(why))?;
        let mut explicit = from_flags.or(from_url).or(from_env);
        if flags.ca_bundle.is_some() {
            explicit.tls_mode.get_or_insert(TlsMode::VerifyFull);
        }
        let from_file = file.map(|file| file_settings(file, &explicit));
        let partial = explicit.or(from_file.unwrap_or_default());
        Self::from_partial(partial, env, warnings).map(Some)
    }

    /// Adds the defaults of the settings that no source has.
    fn from_partial(
        partial: PartialConfig,
        env: impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let dialect = partial.dialect.unwrap_or(Dialect::Postgres);
        let (default_port, default_mode) = match dialect {
            Dialect::Redshift => (5439, TlsMode::VerifyFull),
            Dialect::Postgres => (5432, TlsMode::Prefer),
        };
        let host = resolve_host(partial.host, dialect)?;
        let user = resolve_user(partial.user, dialect)?;
        let database = partial.database.unwrap_or_else(|| match dialect {
            Dialect::Redshift => "dev".to_owned(),
            Dialect::Postgres => user.clone(),
        });
        let port = partial.port.unwrap_or(default_port);
        let pgpass_key = PgpassKey {
            host: &host,
            port,
            database: &database,
            user: &user,
        };
        let home = env("HOME").map(PathBuf::from);
        let password = partial
            .password
            .or_else(|| pgpass::find_password(pgpass_key, env, warnings));
        Ok(Self {
            dialect,
            port,
            password,
            tls: TlsConfig::resolve(
                TlsSettings {
                    mode: partial.tls_mode,
                    root_certs: partial.root_certs,
                    ..TlsSettings::default()
                },
                default_mode,
                home.as_deref(),
            )?,
            connect_timeout: match partial.connect_timeout {
                None => Some(DEFAULT_CONNECT_TIMEOUT),
                Some(Duration::ZERO) => None,
                Some(timeout) => Some(timeout),
            },
            application_name: partial
                .application_name
                .unwrap_or_else(|| "sparkify".to_owned()),
            options: partial.options,
            host,
            database,
            user,
        })
    }

    /// Returns the directory of the Unix socket, if the server is reached through one.
    pub fn socket_dir(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }
}

/// Returns the settings of the URL that names the warehouse, or `None` if nothing names one.
fn url_settings(
    flag_url: Option<&str>,
    file: Option<&ConfigFile>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<PartialConfig>> {
    if let Some(url) = flag_url {
        return parse_flag_url(url).map(Some);
    }
    if let Some(url) = env("SPARKIFY_WAREHOUSE").filter(|url| !url.is_empty()) {
        return parse_env_url(&url).map(Some);
    }
    // The file describes a cluster without a URL.
    let has_cluster = file.is_some_and(ConfigFile::has_cluster);
    Ok(has_cluster.then(|| PartialConfig {
        dialect: Some(Dialect::Redshift),
        ..PartialConfig::default()
    }))
}

/// Returns the settings of a config file that may be combined with those of the other sources: its settings are for its
/// own server only, and its password for its own user.
fn file_settings(file: &ConfigFile, explicit: &PartialConfig) -> PartialConfig {
    let conflicts = |a: &Option<String>, b: &Option<String>| match (a, b) {
        (Some(a), Some(b)) => !a.eq_ignore_ascii_case(b),
        _ => false,
    };
    let from_file = PartialConfig::from_config_file(file);
    if conflicts(&explicit.host, &from_file.host) {
        PartialConfig::default()
    } else if conflicts(&explicit.user, &from_file.user) {
        PartialConfig {
            password: None,
            ..from_file
        }
    } else {
        from_file
    }
}

/// Returns the host, or its default.
fn resolve_host(host: Option<String>, dialect: Dialect) -> Result<String> {
    match (host, dialect) {
        (Some(host), Dialect::Redshift) if host.starts_with('/') => Err(Error::usage(
            "cannot connect to Redshift through a Unix socket",
        )
        .with_hint("give its host: redshift://USER@HOST:5439/DATABASE")),
        (Some(host), _) => Ok(host),
        (None, Dialect::Postgres) => Ok("localhost".to_owned()),
        (None, Dialect::Redshift) => Err(Error::usage("missing host of the warehouse").with_hint(
            "set it in the URL (redshift://USER@HOST:5439/DATABASE), PGHOST, or HOST under [CLUSTER] in --config",
        )),
    }
}

/// Returns the user, or its default.
fn resolve_user(user: Option<String>, dialect: Dialect) -> Result<String> {
    match (user, dialect) {
        (Some(user), _) => Ok(user),
        (None, Dialect::Postgres) => whoami::username().map_err(|e| {
            Error::failed("cannot determine the user name")
                .with_source(e)
                .with_hint("set it in the URL (postgres://USER@HOST/DATABASE) or PGUSER")
        }),
        (None, Dialect::Redshift) => Err(Error::usage("missing user of the warehouse").with_hint(
            "set it in the URL (redshift://USER@HOST:5439/DATABASE), PGUSER, or DB_USER under [CLUSTER] in --config",
        )),
    }
}

/// Parses the URL of `--warehouse`.
fn parse_flag_url(url: &str) -> Result<PartialConfig> {
    let partial = PartialConfig::from_url(url)
        .map_err(|why| Error::usage("invalid --warehouse URL").with_reason(why))?;
    match partial.password {
        None => Ok(partial),
        Some(_) => Err(
            Error::usage("the --warehouse URL must not contain a password")
                .with_reason("process listings show it")
                .with_hint("use PGPASSWORD, the --config file or ~/.pgpass"),
        ),
    }
}

/// Parses the URL of SPARKIFY_WAREHOUSE.
fn parse_env_url(url: &str) -> Result<PartialConfig> {
    PartialConfig::from_url(url)
        .map_err(|why| Error::usage("invalid URL in SPARKIFY_WAREHOUSE").with_reason(why))
}

impl fmt::Display for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            port,
            database,
            user,
            ..
        } = self;
        let scheme = match self.dialect {
            Dialect::Redshift => "redshift",
            Dialect::Postgres => "postgres",
        };
        match (self.socket_dir(), host.contains(':')) {
            (Some(_), _) => write!(f, "{scheme}://{user}@:{port}/{database}?host={host}"),
            (None, true) => write!(f, "{scheme}://{user}@[{host}]:{port}/{database}"),
            (None, false) => write!(f, "{scheme}://{user}@{host}:{port}/{database}"),
        }
    }
}
