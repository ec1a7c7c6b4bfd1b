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
use crate::storage::s3::error::{Operation, RequestError, innermost, without_stderr};
use crate::storage::s3::options::S3Options;

/// Finds all that is said about S3, by flags first.
///
/// # Errors
/// What is said cannot be.
pub async fn load(options: &S3Options) -> Result<SdkConfig> {
    let http = client(ca_bundle()?);
    let region = match &options.region {
        Some(region) => Some(Region::new(region.clone())),
        None => near_region(options).await,
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
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
        check_profile(profile).await?;
        let credentials = of_profile(profile, region, &http);
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
async fn near_region(options: &S3Options) -> Option<Region> {
    let profile = options.profile.iter();
    let profile = profile.fold(ProfileFileRegionProvider::builder(), |b, name| {
        b.profile_name(name)
    });
    let of_environment = EnvironmentVariableRegionProvider::new().region().await;
    let of_environment = of_environment.filter(is_named);
    let near = RegionProviderChain::first_try(of_environment).or_else(profile.build());
    let is_set = |name| env::var_os(name).is_some();
    let custom = options.endpoint_url.is_some()
        || is_set("AWS_ENDPOINT_URL_S3")
        || is_set("AWS_ENDPOINT_URL");
    let other = custom.then(|| Region::from_static("us-east-1"));
    near.or_else(other).region().await
}

/// Whether a region is more than an empty variable.
pub fn is_named(region: &Region) -> bool {
    !region.as_ref().is_empty()
}

/// The credentials of a profile that a flag names. They go before those in the environment; a profile
/// without any leaves them to the machine.
fn of_profile(
    name: &str,
    region: Option<Region>,
    http: &SharedHttpClient,
) -> CredentialsProviderChain {
    let config = ProviderConfig::without_region()
        .with_region(region)
        .with_http_client(http.clone());
    let profile = ProfileFileCredentialsProvider::builder().configure(&config);
    let container = EcsCredentialsProvider::builder().configure(&config);
    let instance = ImdsCredentialsProvider::builder().configure(&config);
    CredentialsProviderChain::first_try("Profile", profile.profile_name(name).build())
        .or_else("EcsContainer", container.build())
        .or_else("Ec2InstanceMetadata", instance.build())
}

/// An error if there is no such profile. Of files that cannot be read the credentials tell.
async fn check_profile(name: &str) -> Result<()> {
    #[expect(
        deprecated,
        reason = "there is no other name for the default files yet"
    )]
    let files = aws_config::profile::profile_file::ProfileFiles::default();
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
    match profiles {
        Ok(profiles) if profiles.get_profile(name).is_none() => Err(Error::failed("cannot use S3")
            .because(format!("there is no profile '{name}'"))
            .hint("check --profile or AWS_PROFILE, and ~/.aws/config")),
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
        Ok(found) => return check_characters(found.access_key_id(), found.session_token()),
        Err(e) => e,
    };
    if let (None, Ok(profile)) = (&options.profile, env::var("AWS_PROFILE")) {
        check_profile(&profile).await?;
    }
    let call = Operation {
        cannot: "cannot use",
        url: "S3".to_owned(),
        permission: "",
    };
    Err(RequestError::Credentials(without_stderr(innermost(&e))).explain(&call, 1, ""))
}

/// Key and token stand in headers; on what cannot stand there the client would panic.
fn check_characters(key: &str, token: Option<&str>) -> Result<()> {
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
    let wrong = match (is_plain(key), token.is_none_or(is_plain)) {
        (true, true) => return Ok(()),
        (false, _) => "the access key id",
        (true, false) => "the session token",
    };
    Err(Error::failed("cannot use S3")
        .because(format!(
            "{wrong} has a line break or another character that no such thing has"
        ))
        .hint("check where the credentials come from"))
}

/// The address of a server that is not Amazon's, wherever the user names it.
///
/// # Errors
/// It is none, or has a password in it. It is not shown then.
pub fn endpoint(options: &S3Options, config: &SdkConfig) -> Result<Option<String>> {
    let of_service = || {
        let key = ServiceConfigKey::builder()
            .service_id("S3")
            .env("AWS_ENDPOINT_URL")
            .profile("endpoint_url")
            .build()
            .ok()?;
        config.service_config().and_then(|c| c.load_config(key))
    };
    let of_all = || config.endpoint_url().map(str::to_owned);
    let of_flag = options.endpoint_url.clone();
    let Some(url) = of_flag.or_else(of_service).or_else(of_all) else {
        return Ok(None);
    };
    let why = match Url::parse(&url) {
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            "credentials do not belong into the address of the server"
        }
        Ok(parsed) if is_address(&url, &parsed) => return Ok(Some(url)),
        _ => "the address of the server is no URL such as https://minio.example:9000",
    };
    Err(Error::usage("cannot use S3").because(why).hint(
        "check --endpoint-url, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL and the endpoint_url of the profile",
    ))
}

fn is_address(text: &str, parsed: &Url) -> bool {
    (text.starts_with("http://") || text.starts_with("https://"))
        && parsed.query().is_none()
        && parsed.fragment().is_none()
}

fn client(bundle: Option<Vec<u8>>) -> SharedHttpClient {
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
fn ca_bundle() -> Result<Option<Vec<u8>>> {
    let Some(path) = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = Path::new(&path);
    let hint = "check AWS_CA_BUNDLE";
    let pem = fs::read(path).map_err(|e| Error::io("cannot read", path, &e).hint(hint))?;
    // Whoever builds the client panics on what is no certificate.
    let wrong = |why: &dyn std::fmt::Display| {
        Error::failed(format!("cannot use {}", path.display()))
            .because(why)
            .hint(hint)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| wrong(&e))?;
        roots.add(certificate).map_err(|e| wrong(&e))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"it holds no certificate"));
    }
    Ok(Some(pem))
}
