//! Resolves the connection settings of a warehouse: hosts, user, passwords and TLS.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::ChannelBinding;
use secrecy::SecretString;

use super::config_file::ConfigFile;
use super::home::home;
use super::hosts::{HostConfig, resolve_hosts};
use super::keepalives::Keepalives;
use super::login_source::LoginSource;
use super::managed_login::ManagedLogin;
use super::parameter::{Parameter, SESSION_VARIABLES};
use super::pgpass::{PasswordFile, PgpassKey};
use super::service::resolve_service;
use super::settings::{Setting, Settings, WAREHOUSE_VARIABLE};
use super::target_session::TargetSession;
use super::tls::{TlsConfig, TlsMode, TlsSettings};
use super::url::WarehouseUrl;
use super::value_source::{ValueSource, ValueSources, describe};
use crate::error::{Error, Result};
use crate::warehouse::dialect::Dialect;

/// Connection settings of a warehouse. They are displayed as a URL without the password.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// Kind of warehouse.
    pub dialect: Dialect,
    /// The servers, of which the first that can be reached is used. There is at least one.
    pub hosts: Vec<HostConfig>,
    /// Whether the servers are tried in random order.
    pub load_balance: bool,
    /// The servers that are acceptable.
    pub target_session: TargetSession,
    /// Name of the database.
    pub database: String,
    /// User that logs in. It is empty if the service of `managed_login` tells it.
    pub user: String,
    /// The service that returns user and password just before each connection, if they are not set.
    pub managed_login: Option<ManagedLogin>,
    /// How that service is asked.
    pub login_source: Option<Arc<dyn LoginSource>>,
    /// TLS mode and certificates.
    pub tls: TlsConfig,
    /// Whether the login is bound to the TLS connection.
    pub channel_binding: ChannelBinding,
    /// Maximum time for connecting to a server and logging in. Without it there is no limit.
    pub connect_timeout: Option<Duration>,
    /// How a lost server is detected.
    pub keepalives: Keepalives,
    /// Name under which the server lists the sessions of this program.
    pub application_name: String,
    /// Settings of the session, such as `-c search_path=music`.
    pub options: Option<String>,
    /// Where each setting comes from, for messages.
    pub sources: ValueSources,
}

/// Connection settings from the command line.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectionFlags<'a> {
    /// URL of the warehouse, which must not contain a password.
    pub url: Option<&'a str>,
    /// PEM file with the certificates to trust.
    pub ca_bundle: Option<&'a str>,
    /// Whether Redshift returns user and password for the AWS credentials.
    pub iam_login: bool,
    /// ARN of the secret with the password.
    pub password_secret: Option<&'a str>,
}

const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const WAREHOUSE_FLAG: &str = "--warehouse";
const CA_BUNDLE_FLAG: &str = "--ca-bundle";
const IAM_LOGIN_FLAG: &str = "--iam-login";
const PASSWORD_SECRET_FLAG: &str = "--password-secret";

impl ConnectionConfig {
    /// Resolves each setting from the first source that has it: flags, service, environment, config file. Returns
    /// `None` if no URL is given and the file describes no cluster.
    ///
    /// The environment is `SPARKIFY_WAREHOUSE`, a URL that is used where the flags have none, and, after it, the
    /// variables of libpq. If none of these has a password, it is looked up in `~/.pgpass`.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid, missing or not supported. No error repeats a password.
    pub fn resolve(
        flags: ConnectionFlags<'_>,
        file: Option<&ConfigFile>,
        env: impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>> {
        let Some(url) = warehouse_url(flags.url, file, &env)? else {
            return Ok(None);
        };
        let mut settings = Settings::default();
        let iam_login = flags.iam_login.then_some("1");
        for (parameter, name, value) in [
            (Parameter::RootCerts, CA_BUNDLE_FLAG, flags.ca_bundle),
            (Parameter::IamLogin, IAM_LOGIN_FLAG, iam_login),
            (
                Parameter::PasswordSecret,
                PASSWORD_SECRET_FLAG,
                flags.password_secret,
            ),
        ] {
            if let Some(value) = value {
                settings.set(
                    parameter,
                    Setting::new(name, value, ValueSource::Flag(name)),
                );
            }
        }
        let settings = settings.or(url.settings);
        let from_env = Settings::from_env(&env)?;
        let service = settings.get(Parameter::Service);
        let service = service
            .or_else(|| from_env.get(Parameter::Service))
            .cloned();
        let explicit = resolve_service(settings, service, &env)?.or(from_env);
        let from_file = file.map(|file| file_settings(file, &explicit));
        let settings = explicit.or(from_file.unwrap_or_default());
        Self::from_settings(url.dialect, &settings, env, warnings).map(Some)
    }

    /// Returns the settings with this password for all servers, or with none.
    #[must_use]
    pub fn with_password(mut self, password: Option<SecretString>) -> Self {
        for host in &mut self.hosts {
            host.password.clone_from(&password);
            host.password_source = None;
        }
        self
    }

    /// Adds the defaults of the settings that no source has.
    fn from_settings(
        dialect: Dialect,
        settings: &Settings,
        env: impl Fn(&str) -> Option<String>,
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut hosts = resolve_hosts(settings, dialect)?;
        let managed_login = ManagedLogin::resolve(settings, &hosts, dialect)?;
        let user = match (&managed_login, settings.text(Parameter::User)) {
            (Some(ManagedLogin::Iam(_)), _) => String::new(),
            (Some(ManagedLogin::Secret(_)), user) => user.unwrap_or_default(),
            (None, user) => resolve_user(user, dialect)?,
        };
        let database = settings.text(Parameter::Database);
        let database = database.unwrap_or_else(|| match dialect {
            Dialect::Redshift => "dev".to_owned(),
            Dialect::Postgres => user.clone(),
        });
        if database.is_empty() {
            return Err(Error::usage("missing database of the warehouse")
                .with_reason("its default is the user, whose name is in a secret")
                .with_hint("set it in the URL or PGDATABASE"));
        }
        let target_session = settings
            .parse(Parameter::TargetSession)?
            .unwrap_or(TargetSession::Any);
        if let Some(setting) = settings.get(Parameter::TargetSession)
            && dialect == Dialect::Redshift
            && target_session != TargetSession::Any
        {
            return Err(setting.invalid("must be any, because Redshift has no standby servers"));
        }
        let default_mode = match dialect {
            Dialect::Redshift => TlsMode::VerifyFull,
            Dialect::Postgres => TlsMode::Prefer,
        };
        let tls = TlsConfig::resolve(tls_settings(settings)?, default_mode, home(&env).as_deref());
        let tls = tls.map_err(|error| add_tls_sources(error, settings))?;
        check_verified_name(&tls, settings)?;
        if let Some(list) = ignored_revocation_list(&tls, home(&env).as_deref()) {
            warnings.push(format!(
                "ignoring {}: certificates are not compared with a revocation list",
                list.display()
            ));
        }
        let options = session_options(settings, &env);
        if managed_login.is_none() {
            set_passwords(&mut hosts, &database, &user, settings, env, warnings);
        }
        let name = settings.text(Parameter::ApplicationName);
        let name = name.or_else(|| settings.text(Parameter::FallbackApplicationName));
        let channel_binding: Option<ChannelBindingSetting> =
            settings.parse(Parameter::ChannelBinding)?;
        let load_balance: Option<LoadBalance> = settings.parse(Parameter::LoadBalanceHosts)?;
        Ok(Self {
            dialect,
            hosts,
            load_balance: load_balance.is_some_and(|setting| setting.0),
            target_session,
            tls,
            channel_binding: channel_binding.map_or(ChannelBinding::Prefer, |setting| setting.0),
            connect_timeout: match settings.parse::<Seconds>(Parameter::ConnectTimeout)? {
                None => Some(DEFAULT_CONNECT_TIMEOUT),
                Some(Seconds(Duration::ZERO)) => None,
                Some(Seconds(timeout)) => Some(timeout),
            },
            keepalives: Keepalives::resolve(settings)?,
            application_name: name.unwrap_or_else(|| "sparkify".to_owned()),
            options,
            sources: settings.sources(),
            database,
            user,
            managed_login,
            login_source: None,
        })
    }
}

fn tls_settings(settings: &Settings) -> Result<TlsSettings> {
    let root_certs = settings.get(Parameter::RootCerts);
    let is_flag = root_certs
        .is_some_and(|setting| matches!(setting.source, ValueSource::Flag(CA_BUNDLE_FLAG)));
    let mode = settings.parse(Parameter::TlsMode)?;
    Ok(TlsSettings {
        mode: match settings.get(Parameter::TlsMode) {
            // Who names an authority on the command line wants the server to be checked.
            Some(setting) if is_flag && setting.is_in_url() => {
                if mode < Some(TlsMode::VerifyCa) {
                    return Err(
                        setting.invalid("must be verify-ca or verify-full with --ca-bundle")
                    );
                }
                mode
            }
            _ if is_flag => Some(TlsMode::VerifyFull),
            _ => mode,
        },
        root_certs: settings.text(Parameter::RootCerts),
        certificate: settings.text(Parameter::Certificate),
        key: settings.text(Parameter::Key),
        key_password: settings.secret(Parameter::KeyPassword),
        certificate_mode: settings.parse(Parameter::CertificateMode)?,
        min_protocol: settings.parse(Parameter::MinTlsVersion)?,
        max_protocol: settings.parse(Parameter::MaxTlsVersion)?,
        sni: settings
            .parse::<Switch>(Parameter::ServerNameIndication)?
            .map(|switch| switch.0),
        negotiation: settings.parse(Parameter::TlsNegotiation)?,
    })
}

/// Adds to an error about the settings of TLS where they are set.
fn add_tls_sources(error: Error, settings: &Settings) -> Error {
    let parameters = [
        Parameter::TlsMode,
        Parameter::RootCerts,
        Parameter::TlsNegotiation,
        Parameter::MinTlsVersion,
        Parameter::MaxTlsVersion,
        Parameter::Certificate,
    ];
    let set = parameters
        .into_iter()
        .filter_map(|parameter| settings.get(parameter));
    let places: Vec<String> = set
        .map(|setting| match setting.source {
            ValueSource::Variable(name) if name == setting.name => name.to_owned(),
            _ => describe(setting.name, Some(&setting.source)),
        })
        .collect();
    error.add_hint(format_args!("check {}", places.join(" and ")))
}

/// Returns the revocation list that libpq would use, if there is one.
fn ignored_revocation_list(tls: &TlsConfig, home: Option<&Path>) -> Option<PathBuf> {
    let path = home?.join(".postgresql/root.crl");
    (tls.verifies_authority() && path.exists()).then_some(path)
}

/// Checks that there is a name to compare with the certificate. Like libpq, this does not take an address for one.
fn check_verified_name(tls: &TlsConfig, settings: &Settings) -> Result<()> {
    match (
        settings.get(Parameter::HostAddress),
        settings.get(Parameter::Host),
    ) {
        (Some(address), None) if tls.mode == TlsMode::VerifyFull => Err(address.invalid(
            "is set without host, whose name sslmode=verify-full compares with the certificate",
        )),
        _ => Ok(()),
    }
}

/// Returns the options of the session: the defaults of the environment, then those of the sources.
fn session_options(settings: &Settings, env: impl Fn(&str) -> Option<String>) -> Option<String> {
    let defaults = SESSION_VARIABLES.map(|(variable, name)| {
        let value = env(variable).filter(|value| !value.is_empty() && value != "default")?;
        // In the options of a session a backslash escapes a blank.
        let escaped = value.replace('\\', r"\\").replace(' ', r"\ ");
        Some(format!("-c {name}={escaped}"))
    });
    let all = defaults
        .into_iter()
        .flatten()
        .chain(settings.text(Parameter::Options));
    let all = all.collect::<Vec<_>>().join(" ");
    (!all.is_empty()).then_some(all)
}

/// Finds the password for each host: that of the settings, otherwise one in the password file.
fn set_passwords(
    hosts: &mut [HostConfig],
    database: &str,
    user: &str,
    settings: &Settings,
    env: impl Fn(&str) -> Option<String>,
    warnings: &mut Vec<String>,
) {
    if let Some(setting) = settings.get(Parameter::Password) {
        for host in hosts {
            host.password = settings.secret(Parameter::Password);
            host.password_source = Some(setting.source.clone());
        }
        return;
    }
    let file = PasswordFile::read(settings.text(Parameter::PasswordFile), env, warnings);
    for host in hosts {
        let found = file.find_password(PgpassKey {
            host: &host.host,
            port: host.port,
            database,
            user,
        });
        (host.password, host.password_source) = found.unzip();
    }
}

/// Returns the URL that names the warehouse, or `None` if nothing names one.
fn warehouse_url(
    flag_url: Option<&str>,
    file: Option<&ConfigFile>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<WarehouseUrl>> {
    if let Some(url) = flag_url {
        return parse_flag_url(url).map(Some);
    }
    if let Some(url) = env(WAREHOUSE_VARIABLE).filter(|url| !url.is_empty()) {
        let source = ValueSource::Variable(WAREHOUSE_VARIABLE);
        return WarehouseUrl::parse(&url, &source).map(Some);
    }
    // The file describes a cluster without a URL.
    let has_cluster = file.is_some_and(ConfigFile::has_cluster);
    Ok(has_cluster.then(|| WarehouseUrl {
        dialect: Dialect::Redshift,
        settings: Settings::default(),
    }))
}

/// Parses the URL of `--warehouse`.
fn parse_flag_url(url: &str) -> Result<WarehouseUrl> {
    let parsed = WarehouseUrl::parse(url, &ValueSource::Flag(WAREHOUSE_FLAG))?;
    let secrets = [Parameter::Password, Parameter::KeyPassword];
    match secrets.into_iter().any(|secret| parsed.settings.get(secret).is_some()) {
        false => Ok(parsed),
        true => Err(
            Error::usage("the --warehouse URL must not contain a password")
                .with_reason("process listings show it")
                .with_hint(
                    "set SPARKIFY_WAREHOUSE to the whole URL, or use PGPASSWORD, the --config file or ~/.pgpass",
                ),
        ),
    }
}

/// Returns the settings of a config file that may be combined with those of the other sources: its settings are for its
/// own server only, and its password for its own user.
fn file_settings(file: &ConfigFile, explicit: &Settings) -> Settings {
    let mut from_file = file.connection_settings();
    let conflicts = |parameter| match (explicit.text(parameter), from_file.text(parameter)) {
        (Some(a), Some(b)) => !a.eq_ignore_ascii_case(&b),
        _ => false,
    };
    if conflicts(Parameter::Host) || explicit.get(Parameter::HostAddress).is_some() {
        return Settings::default();
    }
    if conflicts(Parameter::User) {
        from_file.remove(Parameter::Password);
        from_file.remove(Parameter::PasswordSecret);
    }
    // Of a password and a secret, the one counts whose source takes precedence.
    if explicit.get(Parameter::Password).is_some() {
        from_file.remove(Parameter::PasswordSecret);
    }
    from_file
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

/// A timeout in seconds. Like libpq, this maps negative values to 0, which means no limit.
struct Seconds(Duration);

impl FromStr for Seconds {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.trim().parse::<i32>() {
            Ok(seconds) => Ok(Self(Duration::from_secs(
                u64::try_from(seconds).unwrap_or(0),
            ))),
            Err(_) => Err("is not a number of seconds".to_owned()),
        }
    }
}

/// The value of `sslsni`.
struct Switch(bool);

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "0" => Ok(Self(false)),
            "1" => Ok(Self(true)),
            _ => Err("must be 0 or 1".to_owned()),
        }
    }
}

/// The value of `channel_binding`.
struct ChannelBindingSetting(ChannelBinding);

impl FromStr for ChannelBindingSetting {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(Self(match text {
            "disable" => ChannelBinding::Disable,
            "prefer" => ChannelBinding::Prefer,
            "require" => ChannelBinding::Require,
            _ => return Err("must be disable, prefer or require".to_owned()),
        }))
    }
}

/// The value of `load_balance_hosts`.
struct LoadBalance(bool);

impl FromStr for LoadBalance {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "disable" => Ok(Self(false)),
            "random" => Ok(Self(true)),
            _ => Err("must be disable or random".to_owned()),
        }
    }
}

impl fmt::Display for ConnectionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { database, user, .. } = self;
        let scheme = match self.dialect {
            Dialect::Redshift => "redshift",
            Dialect::Postgres => "postgres",
        };
        if let [host] = self.hosts.as_slice()
            && let Some(dir) = host.socket_dir()
        {
            let (port, dir) = (host.port, dir.display());
            return write!(f, "{scheme}://{user}@:{port}/{database}?host={dir}");
        }
        let hosts: Vec<String> = self.hosts.iter().map(HostConfig::to_string).collect();
        let hosts = hosts.join(",");
        match user.is_empty() {
            true => write!(f, "{scheme}://{hosts}/{database}"),
            false => write!(f, "{scheme}://{user}@{hosts}/{database}"),
        }
    }
}
