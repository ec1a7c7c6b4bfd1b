//! Finds and checks credentials.

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::config::SharedHttpClient;

use super::error::{no_credentials_hint, no_credentials_reason, root_cause, strip_stderr};
use super::options::AwsOptions;
use super::profile::AwsProfile;
use crate::error::{Error, Result};

/// Returns the credentials chain for a profile that a flag names. The profile takes precedence over the
/// environment. If it has no credentials, those of the container or instance role are used.
pub(super) fn profile_credentials(
    name: &str,
    region: Option<Region>,
    http_client: &SharedHttpClient,
) -> CredentialsProviderChain {
    let config = ProviderConfig::without_region()
        .with_region(region)
        .with_http_client(http_client.clone());
    let profile = ProfileFileCredentialsProvider::builder().configure(&config);
    let container = EcsCredentialsProvider::builder().configure(&config);
    let instance = ImdsCredentialsProvider::builder().configure(&config);
    CredentialsProviderChain::first_try("Profile", profile.profile_name(name).build())
        .or_else("EcsContainer", container.build())
        .or_else("Ec2InstanceMetadata", instance.build())
}

/// Loads the credentials once before the first request to a service, because without them every request would fail.
///
/// # Errors
/// Returns an error if there are no credentials, or if they cannot be sent in a header.
pub(crate) async fn check_credentials(
    options: &AwsOptions,
    config: &SdkConfig,
    profile: &AwsProfile,
    service: &str,
) -> Result<()> {
    let Some(provider) = config.credentials_provider() else {
        return Ok(());
    };
    let e = match provider.provide_credentials().await {
        Ok(credentials) => {
            let (key_id, token) = (credentials.access_key_id(), credentials.session_token());
            return check_header_safe(key_id, token, service);
        }
        Err(e) => e,
    };
    let is_named = options.profile.is_none() && profile.name() != "default";
    if is_named {
        profile.ensure_exists(service)?;
    }
    let cause = strip_stderr(root_cause(&e));
    Err(Error::failed(format!("cannot use {service}"))
        .with_reason(no_credentials_reason(&cause, profile.sso_profile()))
        .with_hint(no_credentials_hint(&cause, profile.sso_profile())))
}

/// Checks that access key ID and session token can be sent in headers. The client would panic on other
/// characters.
fn check_header_safe(access_key_id: &str, token: Option<&str>, service: &str) -> Result<()> {
    let is_printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let unsafe_field = match (is_printable(access_key_id), token.is_none_or(is_printable)) {
        (true, true) => return Ok(()),
        (false, _) => "the access key ID",
        (true, false) => "the session token",
    };
    Err(Error::failed(format!("cannot use {service}"))
        .with_reason(format!(
            "{unsafe_field} contains a line break or another invalid character"
        ))
        .with_hint("check where the credentials come from"))
}
