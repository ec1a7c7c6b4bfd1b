//! The surroundings: region, server, credentials and certificates, as flags, environment and the files
//! of the AWS command line name them.

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
use crate::storage::s3::error::{Operation, RequestError, root_cause, strip_stderr};
use crate::storage::s3::options::S3Options;

/// Finds all that is said about S3, by flags first.
///
/// # Errors
/// What is said cannot be.
pub async fn load_config(options: &S3Options) -> Result<SdkConfig> {
    let http_client = http_client(load_ca_bundle()?);
    let region = match &options.region {
        Some(region) => Some(Region::new(region.clone())),
        None => resolve_region(options).await,
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client.clone())
        // For those who are asked for credentials: the tries of S3 are counted by the connection. What the
        // environment says of them can be nonsense, on which this would panic.
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

/// The region that environment or profile name. For a server that is not Amazon's there is always one:
/// the service of the instance need not be asked for it.
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

/// Whether a region is more than an empty variable.
pub fn is_non_empty(region: &Region) -> bool {
    !region.as_ref().is_empty()
}

/// The credentials of a profile that a flag names. They go before those in the environment; a profile
/// without any leaves them to the machine.
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

/// An error if there is no such profile. Of files that cannot be read the credentials tell.
async fn ensure_profile_exists(name: &str) -> Result<()> {
    #[expect(
        deprecated,
        reason = "there is no other name for the default files yet"
    )]
    let files = aws_config::profile::profile_file::ProfileFiles::default();
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
    match profiles {
        Ok(profiles) if profiles.get_profile(name).is_none() => Err(Error::failed("cannot use S3")
            .with_reason(format!("there is no profile '{name}'"))
            .with_hint("check --profile or AWS_PROFILE, and ~/.aws/config")),
        _ => Ok(()),
    }
}

/// Credentials are had once before anything is asked: without them every request would fail alike.
///
/// # Errors
/// There are none.
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
    let operation = Operation {
        error_prefix: "cannot use",
        url: "S3".to_owned(),
        permission: "",
    };
    Err(RequestError::Credentials(strip_stderr(root_cause(&e))).to_error(&operation, 1, ""))
}

/// Key and token stand in headers; on what cannot stand there the client would panic.
fn check_header_safe(access_key_id: &str, token: Option<&str>) -> Result<()> {
    let is_printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let unsafe_field = match (is_printable(access_key_id), token.is_none_or(is_printable)) {
        (true, true) => return Ok(()),
        (false, _) => "the access key id",
        (true, false) => "the session token",
    };
    Err(Error::failed("cannot use S3")
        .with_reason(format!(
            "{unsafe_field} has a line break or another character that no such thing has"
        ))
        .with_hint("check where the credentials come from"))
}

/// The address of a server that is not Amazon's, wherever the user names it.
///
/// # Errors
/// It is none, or has a password in it. It is not shown then.
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
    let why = match Url::parse(&url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            "credentials do not belong into the address of the server"
        }
        Ok(parsed) if is_plain_http_url(&url, &parsed) => return Ok(Some(url)),
        _ => "the address of the server is no URL such as https://minio.example:9000",
    };
    Err(Error::usage("cannot use S3").with_reason(why).with_hint(
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

/// The certificates that are trusted beside the system's.
fn load_ca_bundle() -> Result<Option<Vec<u8>>> {
    let Some(path) = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = Path::new(&path);
    let hint = "check AWS_CA_BUNDLE";
    let pem = fs::read(path).map_err(|e| Error::io("cannot read", path, &e).with_hint(hint))?;
    // Whoever builds the client panics on what is no certificate.
    let bundle_error = |why: &dyn std::fmt::Display| {
        Error::failed(format!("cannot use {}", path.display()))
            .with_reason(why)
            .with_hint(hint)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| bundle_error(&e))?;
        roots.add(certificate).map_err(|e| bundle_error(&e))?;
    }
    if roots.is_empty() {
        return Err(bundle_error(&"it holds no certificate"));
    }
    Ok(Some(pem))
}
