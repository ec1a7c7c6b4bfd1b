//! Loads region, endpoint, credentials and CA certificates from flags, from the environment and from the
//! files of the AWS command line.

use std::env;
use std::fs;
use std::path::Path;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::{ProvideRegion, RegionProviderChain};
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::config::SharedHttpClient;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::error::{Error, Result};
use crate::storage::s3::error::{OperationContext, RequestError, root_cause, strip_stderr};
use crate::storage::s3::options::S3Options;

/// Loads the AWS configuration. Command-line flags take precedence.
///
/// # Errors
/// Returns an error if the CA bundle is invalid or the profile of a flag does not exist.
pub async fn load_config(options: &S3Options) -> Result<SdkConfig> {
    let http_client = http_client(load_ca_bundle()?);
    let region = match &options.region {
        Some(region) => Some(Region::new(region.clone())),
        None => resolve_region(options).await,
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client.clone())
        // For the credentials providers only: `S3Client` retries S3 requests. Without this setting the SDK reads
        // its retry settings from the environment, and panics if they are invalid.
        .retry_config(RetryConfig::standard());
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    if let Some(region) = &region {
        loader = loader.region(region.clone());
    }
    if let Some(profile) = &options.profile {
        ensure_profile_exists(profile).await?;
        let credentials = profile_credentials(profile, region, &http_client);
        loader = loader
            .profile_name(profile)
            .credentials_provider(credentials);
    }
    if options.no_sign_request {
        loader = loader.no_credentials();
    }
    Ok(loader.load().await)
}

/// Returns the region of the environment or of the profile. With a custom endpoint it defaults to `us-east-1`,
/// so that the instance metadata service is not queried.
async fn resolve_region(options: &S3Options) -> Option<Region> {
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
pub fn is_non_empty(region: &Region) -> bool {
    !region.as_ref().is_empty()
}

/// Returns the credentials chain for a profile that a flag names. The profile takes precedence over the
/// environment. If it has no credentials, those of the container or instance role are used.
fn profile_credentials(
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

/// Checks that a profile exists. Configuration files that cannot be read are left to the credentials provider
/// to report.
async fn ensure_profile_exists(name: &str) -> Result<()> {
    #[expect(deprecated, reason = "the default files have no other public name yet")]
    let files = aws_config::profile::profile_file::ProfileFiles::default();
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
    match profiles {
        Ok(profiles) if profiles.get_profile(name).is_none() => Err(Error::failed("cannot use S3")
            .with_reason(format!("profile '{name}' not found"))
            .with_hint("check --profile or AWS_PROFILE, and ~/.aws/config")),
        _ => Ok(()),
    }
}

/// Loads the credentials once before the first request, because without them every request would fail.
///
/// # Errors
/// Returns an error if there are no credentials, or if they cannot be sent in a header.
pub async fn check_credentials(options: &S3Options, config: &SdkConfig) -> Result<()> {
    let Some(provider) = config.credentials_provider() else {
        return Ok(());
    };
    let e = match provider.provide_credentials().await {
        Ok(credentials) => {
            return check_header_safe(credentials.access_key_id(), credentials.session_token());
        }
        Err(e) => e,
    };
    if let (None, Ok(profile)) = (&options.profile, env::var("AWS_PROFILE")) {
        ensure_profile_exists(&profile).await?;
    }
    let operation = OperationContext {
        error_prefix: "cannot use",
        url: "S3".to_owned(),
        permission: "",
    };
    Err(RequestError::Credentials(strip_stderr(root_cause(&e))).to_error(&operation, 1, ""))
}

/// Checks that access key ID and session token can be sent in headers. The client would panic on other
/// characters.
fn check_header_safe(access_key_id: &str, token: Option<&str>) -> Result<()> {
    let is_printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let unsafe_field = match (is_printable(access_key_id), token.is_none_or(is_printable)) {
        (true, true) => return Ok(()),
        (false, _) => "the access key ID",
        (true, false) => "the session token",
    };
    Err(Error::failed("cannot use S3")
        .with_reason(format!(
            "{unsafe_field} contains a line break or another invalid character"
        ))
        .with_hint("check where the credentials come from"))
}

/// Returns the custom endpoint from flag, environment or profile, if there is one.
///
/// # Errors
/// Returns an error if the endpoint is not a plain HTTP URL or contains credentials. The message does not
/// show the endpoint.
pub fn custom_endpoint(options: &S3Options, config: &SdkConfig) -> Result<Option<String>> {
    let from_service = || {
        let key = ServiceConfigKey::builder()
            .service_id("S3")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        config.service_config().and_then(|c| c.load_config(key))
    };
    let from_global = || config.endpoint_url().map(str::to_owned);
    let from_flag = options.endpoint_url.clone();
    let Some(url) = from_flag.or_else(from_service).or_else(from_global) else {
        return Ok(None);
    };
    let reason = match Url::parse(&url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            "the endpoint URL contains credentials"
        }
        Ok(parsed) if is_plain_http_url(&url, &parsed) => return Ok(Some(url)),
        _ => "invalid endpoint URL: expected one such as https://minio.example:9000",
    };
    Err(Error::usage("cannot use S3").with_reason(reason).with_hint(
        "check --endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and the endpoint_url of the profile",
    ))
}

fn is_plain_http_url(text: &str, parsed: &Url) -> bool {
    (text.starts_with("http://") || text.starts_with("https://"))
        && parsed.query().is_none()
        && parsed.fragment().is_none()
}

fn http_client(bundle: Option<Vec<u8>>) -> SharedHttpClient {
    let mut trust = TrustStore::default();
    if let Some(pem) = bundle {
        trust = trust.with_pem_certificate(pem);
    }
    let builder =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trust).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// Reads the certificates that are trusted in addition to those of the system.
fn load_ca_bundle() -> Result<Option<Vec<u8>>> {
    let Some(path) = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = Path::new(&path);
    let hint = "check AWS_CA_BUNDLE";
    let pem = fs::read(path).map_err(|e| Error::io("cannot read", path, e).with_hint(hint))?;
    // Checked here because the HTTP client panics on an invalid certificate.
    let bundle_error = |reason: &dyn std::fmt::Display| {
        Error::failed(format!("cannot use {}", path.display()))
            .with_reason(reason)
            .with_hint(hint)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| bundle_error(&e))?;
        roots.add(certificate).map_err(|e| bundle_error(&e))?;
    }
    if roots.is_empty() {
        return Err(bundle_error(&"it contains no certificate"));
    }
    Ok(Some(pem))
}
