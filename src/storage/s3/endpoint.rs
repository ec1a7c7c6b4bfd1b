//! Finds and checks a custom endpoint, such as that of a MinIO server.

use aws_config::SdkConfig;
use aws_types::service_config::ServiceConfigKey;
use url::{Host, Url};

use crate::aws::AwsOptions;
use crate::error::{Error, Result};

/// Returns the custom endpoint from flag, environment or profile, if there is one.
///
/// # Errors
/// Returns an error if the endpoint is not a plain HTTP URL or contains credentials. The message does not
/// show the endpoint.
pub(super) fn custom_endpoint(options: &AwsOptions, config: &SdkConfig) -> Result<Option<String>> {
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

/// Returns true if requests to an endpoint can be read on their way: they have no TLS and leave this machine.
pub(super) fn is_unencrypted(endpoint: &str) -> bool {
    let Ok(url) = Url::parse(endpoint) else {
        return true;
    };
    let is_this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() != "https" && !is_this_machine
}
