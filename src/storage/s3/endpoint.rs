//! Finds and checks a custom endpoint, such as that of a MinIO server, and finds the endpoint of each bucket.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aws_config::SdkConfig;
use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::service_config::ServiceConfigKey;
use url::{Host, Url};

use crate::aws::AwsOptions;
use crate::aws::proxy::{Proxies, ProxyName};
use crate::error::{Error, Result};
use crate::storage::bucket_name::{is_access_point_arn, split_access_point};

/// Where the requests of a client go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct S3Endpoint {
    /// The URL of the custom endpoint, if there is one.
    pub custom: Option<String>,
    /// The region.
    pub region: String,
}

/// The endpoints of buckets and access points, and the proxies in front of them.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// The custom endpoint, if there is one.
    pub custom: Option<String>,
    /// The configured region.
    pub region: String,
    /// The proxies.
    pub proxies: Arc<Proxies>,
}

impl Endpoints {
    /// Returns the endpoint to which requests for an `s3://` URL go.
    pub(super) fn endpoint_for(&self, url: &str) -> String {
        let path = url.strip_prefix("s3://").unwrap_or(url);
        let bucket = match split_access_point(path) {
            Ok((arn, _)) => arn,
            Err(_) => path.split('/').next().unwrap_or_default(),
        };
        match &self.custom {
            Some(custom) if !is_access_point_arn(bucket) => custom.clone(),
            _ => self
                .resolve(bucket)
                .unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", self.region)),
        }
    }

    /// Returns the name of the proxy in front of an endpoint, if there is one.
    pub(super) fn proxy_for(&self, endpoint: &str) -> Option<ProxyName> {
        let proxy = self.proxies.proxy_for(endpoint)?;
        Some(proxy.name.clone())
    }

    /// Returns the endpoint that the SDK uses for a bucket.
    fn resolve(&self, bucket: &str) -> Option<String> {
        let params = Params::builder()
            .bucket(bucket)
            .region(&self.region)
            .set_endpoint(self.custom.clone())
            .use_arn_region(true)
            .build()
            .ok()?;
        let resolver = DefaultResolver::new();
        let endpoint = pin!(resolver.resolve_endpoint(&params));
        // The resolver waits for nothing.
        match endpoint.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(endpoint)) => {
                let url = Url::parse(endpoint.url()).ok()?;
                Some(url.origin().ascii_serialization())
            }
            _ => None,
        }
    }
}

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
