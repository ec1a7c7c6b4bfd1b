//! Sources of a connection configuration: a flag, environment variables and a file.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;
use sparkify::error::Error;
use sparkify::jobs::ConfigFile;
use sparkify::jobs::{ConnectionConfig, ConnectionFlags};
use testkit::postgres_server::TestDatabase;

/// The sources of a configuration.
#[derive(Default, Clone)]
pub struct ConfigSources {
    pub url: Option<String>,
    pub ca_bundle: Option<String>,
    pub iam_login: bool,
    pub password_secret: Option<String>,
    pub env_vars: BTreeMap<String, String>,
    pub file: Option<ConfigFile>,
}

impl ConfigSources {
    /// Creates sources with a URL only.
    pub fn from_url(url: &str) -> Self {
        Self {
            url: Some(url.to_owned()),
            ..Self::default()
        }
    }

    /// Adds an environment variable.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env_vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds a config file.
    pub fn with_file(mut self, text: &str) -> Self {
        self.file = Some(ConfigFile::parse(Path::new("dwh.cfg"), text).unwrap());
        self
    }

    /// Resolves the configuration, and returns it with the warnings.
    pub fn resolve(&self) -> (Result<Option<ConnectionConfig>, Error>, Vec<String>) {
        let mut warnings = Vec::new();
        let flags = ConnectionFlags {
            url: self.url.as_deref(),
            ca_bundle: self.ca_bundle.as_deref(),
            iam_login: self.iam_login,
            password_secret: self.password_secret.as_deref(),
        };
        let env = |name: &str| self.env_vars.get(name).cloned();
        let config = ConnectionConfig::resolve(flags, self.file.as_ref(), env, &mut warnings);
        (config, warnings)
    }

    /// Returns the configuration, which must be valid.
    #[track_caller]
    pub fn connection_config(&self) -> ConnectionConfig {
        let (config, warnings) = self.resolve();
        assert_eq!(warnings, Vec::<String>::new());
        config.unwrap().unwrap()
    }

    /// Returns the error, which must occur.
    #[track_caller]
    pub fn resolve_error(&self) -> Error {
        self.resolve().0.unwrap_err()
    }

    /// Returns the password.
    #[track_caller]
    pub fn resolve_password(&self) -> Option<String> {
        let config = self.connection_config();
        let password = config.hosts[0].password.as_ref()?;
        Some(password.expose_secret().to_owned())
    }
}

/// Returns the connection configuration of a database, with its password.
pub fn config_of_database(database: &TestDatabase) -> ConnectionConfig {
    ConfigSources::from_url(&database.url())
        .with_env("PGPASSWORD", &database.password)
        .connection_config()
}
