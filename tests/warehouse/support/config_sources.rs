//! Addresses as tests make them: from a flag, an environment of their own, and a file.

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;
use sparkify::error::Error;
use sparkify::warehouse::connect::config::{ConnectionConfig, ConnectionFlags};
use sparkify::warehouse::connect::config_file::ConfigFile;

/// What an address is made from.
#[derive(Default, Clone)]
pub struct ConfigSources {
    pub url: Option<String>,
    pub ca_bundle: Option<String>,
    pub env_vars: BTreeMap<String, String>,
    pub file: Option<ConfigFile>,
}

impl ConfigSources {
    /// A flag and nothing else.
    pub fn from_url(url: &str) -> Self {
        Self {
            url: Some(url.to_owned()),
            ..Self::default()
        }
    }

    /// The same with a variable.
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env_vars.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with a file.
    pub fn with_file(mut self, text: &str) -> Self {
        self.file = Some(ConfigFile::parse(Path::new("dwh.cfg"), text).unwrap());
        self
    }

    /// What comes of it, and the warnings.
    pub fn resolve(&self) -> (Result<Option<ConnectionConfig>, Error>, Vec<String>) {
        let mut warnings = Vec::new();
        let flags = ConnectionFlags {
            url: self.url.as_deref(),
            ca_bundle: self.ca_bundle.as_deref(),
        };
        let env = |name: &str| self.env_vars.get(name).cloned();
        let address = ConnectionConfig::resolve(flags, self.file.as_ref(), env, &mut warnings);
        (address, warnings)
    }

    /// The address.
    #[track_caller]
    pub fn connection_config(&self) -> ConnectionConfig {
        let (address, warnings) = self.resolve();
        assert_eq!(warnings, Vec::<String>::new());
        address.unwrap().unwrap()
    }

    /// The error.
    #[track_caller]
    pub fn resolve_error(&self) -> Error {
        self.resolve().0.unwrap_err()
    }

    /// The password.
    #[track_caller]
    pub fn resolve_password(&self) -> Option<String> {
        let password = self.connection_config().password?;
        Some(password.expose_secret().to_owned())
    }
}
