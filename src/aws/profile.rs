//! Reads the profile of the AWS command line that applies to a run.

use std::env;

use aws_config::profile::ProfileSet;
use aws_types::os_shim_internal::{Env, Fs};

use super::options::AwsOptions;
use crate::error::{Error, Result};

/// The profile that a flag or `AWS_PROFILE` names, or the default one, with those that it refers to.
#[derive(Debug)]
pub(crate) struct AwsProfile {
    name: String,
    /// All profiles; `None` if a file of profiles cannot be read, which the credentials provider reports.
    profiles: Option<ProfileSet>,
    /// Whether the credentials come from the profile: those of the environment precede a profile that no flag names.
    provides_credentials: bool,
}

impl AwsProfile {
    /// Loads the profiles.
    pub(crate) async fn load(options: &AwsOptions) -> Self {
        #[expect(deprecated, reason = "the default files have no other public name yet")]
        let files = aws_config::profile::profile_file::ProfileFiles::default();
        let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
        let from_env = || env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty());
        let name = options.profile.clone().or_else(from_env);
        let has_key = env::var_os("AWS_ACCESS_KEY_ID").is_some_and(|key| !key.is_empty());
        Self {
            provides_credentials: options.profile.is_some() || !has_key,
            name: name.unwrap_or_else(|| "default".to_owned()),
            profiles: profiles.ok(),
        }
    }

    /// Returns the name of the profile.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns a setting of the profile, unless it is empty.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let profile = self.profiles.as_ref()?.get_profile(&self.name)?;
        profile.get(key).filter(|value| !value.is_empty())
    }

    /// Returns where a setting of the profile was read, for messages.
    pub(crate) fn describe_setting(&self, key: &str) -> String {
        let file = env::var("AWS_CONFIG_FILE").ok();
        let file = file.filter(|file| !file.is_empty());
        let file = file.unwrap_or_else(|| "~/.aws/config".to_owned());
        format!("{key} of profile '{}' in {file}", self.name)
    }

    /// Returns an error if the profile does not exist, so that a service cannot be used.
    ///
    /// # Errors
    /// Returns an error that names the profile.
    pub(crate) fn ensure_exists(&self, service: &str) -> Result<()> {
        match &self.profiles {
            Some(profiles) if profiles.get_profile(&self.name).is_none() => {
                Err(Error::failed(format!("cannot use {service}"))
                    .with_reason(format!("profile '{}' not found", self.name))
                    .with_hint("check --profile or AWS_PROFILE, and ~/.aws/config"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the profile whose SSO session provides the credentials: this one, or one that it takes its source
    /// credentials from. The precedence of the settings is that of the SDK.
    pub(crate) fn sso_profile(&self) -> Option<&str> {
        let profiles = self
            .profiles
            .as_ref()
            .filter(|_| self.provides_credentials)?;
        let mut name = self.name.as_str();
        // Profiles can refer to each other in a circle.
        for _ in 0..profiles.profiles().count() {
            let profile = profiles.get_profile(name)?;
            let has = |key| profile.get(key).is_some();
            if has("web_identity_token_file") || has("credential_source") {
                return None;
            }
            let is_source = name != self.name;
            if is_source && has("aws_access_key_id") {
                return None;
            }
            match profile.get("source_profile").filter(|_| has("role_arn")) {
                Some(source) if source != name => name = source,
                _ => return (has("sso_session") || has("sso_start_url")).then_some(name),
            }
        }
        None
    }
}
