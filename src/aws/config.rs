//! Loads region, endpoint and credentials from flags, from the environment and from the files of the AWS command line.

use std::env;
use std::sync::Arc;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::{ProvideRegion, RegionProviderChain};
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::retry::RetryConfig;

use super::credentials::profile_credentials;
use super::http_client::http_client;
use super::options::AwsOptions;
use super::profile::AwsProfile;
use super::proxy::Proxies;
use crate::error::{Error, Result};

/// The configuration of the SDK, and what messages say of where it comes from.
#[derive(Debug)]
pub(crate) struct AwsConfig {
    /// The configuration of the SDK.
    pub sdk: SdkConfig,
    /// The profile that applies.
    pub profile: AwsProfile,
    /// The proxies that requests go through.
    pub proxies: Arc<Proxies>,
}

/// Loads the AWS configuration for a service, which errors name. Command-line flags take precedence.
///
/// # Errors
/// Returns an error if a variable, the CA bundle or a proxy is invalid, or if the profile of a flag does not exist.
pub(crate) async fn load_config(options: &AwsOptions, service: &str) -> Result<AwsConfig> {
    ensure_text_variables()?;
    let profile = AwsProfile::load(options).await;
    let proxies = Arc::new(Proxies::from_env()?);
    let http_client = http_client(&profile, &proxies)?;
    let region = match &options.region {
        Some(region) => Some(Region::new(region.clone())),
        None => resolve_region(options).await,
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client.clone())
        // For the credentials providers only: the clients of the services retry their own requests. Without this setting the SDK reads
        // its retry settings from the environment, and panics if they are invalid.
        .retry_config(RetryConfig::standard());
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = &region {
        loader = loader.region(region.clone());
    }
    if let Some(name) = &options.profile {
        profile.ensure_exists(service)?;
        let credentials = profile_credentials(name, region, &http_client);
        loader = loader.profile_name(name).credentials_provider(credentials);
    }
    if options.no_sign_request {
        loader = loader.no_credentials();
    }
    Ok(AwsConfig {
        sdk: loader.load().await,
        profile,
        proxies,
    })
}

/// Returns an error that names the first variable of AWS whose value is not UTF-8, because the SDK would ignore it. The CA
/// bundle is a path, which may have any bytes.
fn ensure_text_variables() -> Result<()> {
    let mut names: Vec<_> = env::vars_os()
        .filter(|(_, value)| value.to_str().is_none())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("AWS_") && name != "AWS_CA_BUNDLE")
        .collect();
    names.sort();
    match names.first() {
        None => Ok(()),
        Some(name) => Err(Error::usage(format!("invalid {name}"))
            .with_reason("its value is not UTF-8 text")
            .with_hint("correct it, or unset it")),
    }
}

/// Returns the region of the environment or of the profile. With a custom endpoint it defaults to `us-east-1`,
/// so that the instance metadata service is not queried.
async fn resolve_region(options: &AwsOptions) -> Option<Region> {
    let profile = options.profile.iter();
    let profile = profile.fold(ProfileFileRegionProvider::builder(), |b, name| {
        b.profile_name(name)
    });
    let env_region = EnvironmentVariableRegionProvider::new().region().await;
    let env_region = env_region.filter(is_non_empty);
    let chain = RegionProviderChain::first_try(env_region).or_else(profile.build());
    let is_set = |name| env::var_os(name).is_some();
    let has_custom_endpoint = options.endpoint_url.is_some()
        || is_set("AWS_ENDPOINT_URL_S3")
        || is_set("AWS_ENDPOINT_URL");
    let fallback = has_custom_endpoint.then(|| Region::from_static("us-east-1"));
    chain.or_else(fallback).region().await
}

/// Returns true unless the region comes from an empty variable.
pub(crate) fn is_non_empty(region: &Region) -> bool {
    !region.as_ref().is_empty()
}
