//! Addresses: which warehouse, as whom, and how far its certificate is trusted.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::config_file::ConfigFile;
use super::pgpass::{self, PgpassKey};
use super::secret::Secret;
use super::tls::{TlsConfig, TlsMode};
use super::url::PartialConfig;
use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// A warehouse and how it is reached. Printed, it is a URL without a password.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// What it is.
    pub dialect: Dialect,
    /// The server: a name, a number, or the folder of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database on it.
    pub database: String,
    /// The user that logs in.
    pub user: String,
    /// Their password; none where the server asks for none.
    pub password: Option<Secret>,
    /// What the connection is protected by.
    pub tls: TlsConfig,
    /// How long connecting and logging in may take; none is endless.
    pub connect_timeout: Option<Duration>,
    /// What the server calls this program in its lists of sessions.
    pub application_name: String,
    /// Settings of the session, as `-c search_path=music`.
    pub options: Option<String>,
}

/// What the command line says of a warehouse.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectionFlags<'a> {
    /// The URL, in which no password may be.
    pub url: Option<&'a str>,
    /// The file of certificates to trust.
    pub ca_bundle: Option<&'a str>,
}

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl ConnectionConfig {
    /// The warehouse that flags, environment and file name: each part from the first of them that has it.
    /// None if no URL is given and the file has no cluster.
    ///
    /// The environment is `SPARKIFY_WAREHOUSE`, a URL that counts where no flag has one, and, after it,
    /// PostgreSQL's `PGHOST`, `PGPORT`, `PGDATABASE`, `PGUSER`, `PGPASSWORD`, `PGPASSFILE`, `PGSSLMODE`,
    /// `PGSSLROOTCERT`, `PGCONNECT_TIMEOUT`, `PGAPPNAME` and `PGOPTIONS`. A password that none of all
    /// these has is looked up in `~/.pgpass`.
    ///
    /// # Errors
    /// A part is wrong or missing. None repeats a password.
    pub fn resolve(
        flags: ConnectionFlags<'_>,
        file: Option<&ConfigFile>,
        env: impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        let explicit = match flags.url {
            Some(url) => parse_flag_url(url)?,
            None => match env("SPARKIFY_WAREHOUSE").filter(|url| !url.is_empty()) {
                Some(url) => parse_env_url(&url)?,
                None if file.is_some_and(ConfigFile::has_cluster) => PartialConfig {
                    dialect: Some(Dialect::Redshift),
                    ..PartialConfig::default()
                },
                None => return Ok(None),
            },
        };
        let from_env = PartialConfig::from_env(&env)
            .map_err(|why| Error::usage("cannot use the environment").with_reason(why))?;
        let from_flags = PartialConfig {
            root_certs: flags.ca_bundle.map(str::to_owned),
            ..PartialConfig::default()
        };
        let explicit = from_flags.or(explicit).or(from_env);
        let mut from_file = file
            .map(PartialConfig::from_config_file)
            .unwrap_or_default();
        // What a file says of one server is not for another, nor a password for another user.
        let conflicts = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => !a.eq_ignore_ascii_case(b),
            _ => false,
        };
        if conflicts(&explicit.host, &from_file.host) {
            from_file = PartialConfig::default();
        } else if conflicts(&explicit.user, &from_file.user) {
            from_file.password = None;
        }
        let partial = explicit.or(from_file);
        Self::from_partial(partial, env, warnings).map(Some)
    }

    /// Adds what no source has.
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
        let missing = |what: &str, hint: &str| {
            Err(Error::usage(format!("the warehouse has no {what}")).with_hint(hint))
        };
        let host = match (partial.host, dialect) {
            (Some(host), Dialect::Redshift) if host.starts_with('/') => {
                return Err(Error::usage("Redshift is on no socket of this machine")
                    .with_hint("name its host: redshift://USER@HOST:5439/DATABASE"));
            }
            (Some(host), _) => host,
            (None, Dialect::Postgres) => "localhost".to_owned(),
            (None, Dialect::Redshift) => {
                return missing(
                    "host",
                    "give it as redshift://USER@HOST:5439/DATABASE, PGHOST, or HOST of [CLUSTER] in --config",
                );
            }
        };
        let user = match (partial.user, dialect) {
            (Some(user), _) => user,
            (None, Dialect::Postgres) => whoami::username().map_err(|e| {
                Error::failed("cannot find out who you are")
                    .with_reason(e)
                    .with_hint("give the user as postgres://USER@HOST/DATABASE or PGUSER")
            })?,
            (None, Dialect::Redshift) => {
                return missing(
                    "user",
                    "give it as redshift://USER@HOST:5439/DATABASE, PGUSER, or DB_USER of [CLUSTER] in --config",
                );
            }
        };
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
        let password = partial
            .password
            .or_else(|| pgpass::find_password(pgpass_key, env, warnings));
        Ok(Self {
            dialect,
            port,
            password,
            tls: TlsConfig::new(
                partial.tls_mode,
                partial.root_certs.as_deref(),
                default_mode,
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

    /// The folder of its socket, if that is how it is reached.
    pub fn socket_dir(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }
}

/// The parts of `--warehouse`.
fn parse_flag_url(url: &str) -> Result<PartialConfig> {
    let partial = PartialConfig::from_url(url)
        .map_err(|why| Error::usage("cannot use the URL of --warehouse").with_reason(why))?;
    match partial.password {
        None => Ok(partial),
        Some(_) => Err(Error::usage("--warehouse has a password in it")
            .with_reason("whoever lists processes sees it")
            .with_hint(
                "leave it out, and give it as PGPASSWORD, in the file of --config or in ~/.pgpass",
            )),
    }
}

/// The parts of SPARKIFY_WAREHOUSE.
fn parse_env_url(url: &str) -> Result<PartialConfig> {
    PartialConfig::from_url(url)
        .map_err(|why| Error::usage("cannot use the URL of SPARKIFY_WAREHOUSE").with_reason(why))
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
