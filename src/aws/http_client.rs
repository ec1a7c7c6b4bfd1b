//! Creates the HTTP client of the AWS SDK, and connectors like it for other servers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::profile::AwsProfile;
use super::proxy::{Proxies, Proxy};
use crate::error::{Error, Result};

const TLS_PROVIDER: Provider = Provider::Rustls(CryptoMode::Ring);

/// Creates the client, which trusts the certificates of the system and those of the CA bundle, and sends requests
/// through the proxies.
///
/// # Errors
/// Returns an error if the bundle or a proxy is invalid.
pub(super) fn http_client(
    profile: &AwsProfile,
    proxies: &Arc<Proxies>,
) -> Result<SharedHttpClient> {
    let mut trust = TrustStore::default();
    if let Some(pem) = load_ca_bundle(profile)? {
        trust = trust.with_pem_certificate(pem);
    }
    let context = TlsContext::builder().with_trust_store(trust).build().ok();
    let builder = aws_smithy_http_client::Builder::new().tls_provider(TLS_PROVIDER);
    let direct = match context.clone() {
        Some(context) => builder.tls_context(context).build_https(),
        None => builder.build_https(),
    };
    if proxies.is_empty() {
        return Ok(direct);
    }
    let proxied = |proxy: &Option<Proxy>| {
        let proxy = proxy.as_ref().map(Proxy::to_config).transpose()?;
        Ok::<_, Error>(match proxy {
            Some(proxy) => proxied_client(context.clone(), proxy),
            None => direct.clone(),
        })
    };
    let client = ProxiedHttpClient {
        http: proxied(&proxies.http)?,
        https: proxied(&proxies.https)?,
        direct: direct.clone(),
        proxies: Arc::clone(proxies),
    };
    Ok(SharedHttpClient::new(client))
}

/// Creates a client that sends everything through a proxy.
fn proxied_client(context: Option<TlsContext>, proxy: ProxyConfig) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        build_connector(builder.proxy_config(proxy.clone()), context.clone())
    })
}

fn build_connector(builder: ConnectorBuilder, context: Option<TlsContext>) -> Connector {
    let builder = builder.tls_provider(TLS_PROVIDER);
    match context {
        Some(context) => builder.tls_context(context).build(),
        None => builder.build(),
    }
}

/// Creates a connector for requests to a URL that is not of AWS. It trusts the certificates of the system, uses the proxies
/// of the environment as the client does, and follows no redirects.
///
/// # Errors
/// Returns an error if a proxy is invalid.
pub(crate) fn connector_to(url: &str, settings: HttpConnectorSettings) -> Result<Connector> {
    let mut builder = Connector::builder().connector_settings(settings);
    if let Some(proxy) = Proxies::from_env()?.proxy_for(url) {
        builder = builder.proxy_config(proxy.to_config()?);
    }
    let trust = TrustStore::default();
    let context = TlsContext::builder().with_trust_store(trust).build().ok();
    Ok(build_connector(builder, context))
}

/// A client that selects the proxy of each request by its URL.
#[derive(Debug)]
struct ProxiedHttpClient {
    http: SharedHttpClient,
    https: SharedHttpClient,
    direct: SharedHttpClient,
    proxies: Arc<Proxies>,
}

impl HttpClient for ProxiedHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let connector = |client: &SharedHttpClient| client.http_connector(settings, components);
        SharedHttpConnector::new(ProxiedConnector {
            http: connector(&self.http),
            https: connector(&self.https),
            direct: connector(&self.direct),
            proxies: Arc::clone(&self.proxies),
        })
    }
}

/// The connections of a [`ProxiedHttpClient`].
#[derive(Debug)]
struct ProxiedConnector {
    http: SharedHttpConnector,
    https: SharedHttpConnector,
    direct: SharedHttpConnector,
    proxies: Arc<Proxies>,
}

impl HttpConnector for ProxiedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri();
        let connector = match self.proxies.proxy_for(url) {
            None => &self.direct,
            Some(_) if url.starts_with("https:") => &self.https,
            Some(_) => &self.http,
        };
        connector.call(request)
    }
}

/// Reads the certificates that are trusted in addition to those of the system.
fn load_ca_bundle(profile: &AwsProfile) -> Result<Option<Vec<u8>>> {
    let from_env = env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty());
    let (path, hint) = match (from_env, profile.get("ca_bundle")) {
        (Some(path), _) => (PathBuf::from(path), "check AWS_CA_BUNDLE".to_owned()),
        (None, Some(path)) => {
            let setting = profile.describe_setting("ca_bundle");
            (PathBuf::from(path), format!("check {setting}"))
        }
        (None, None) => return Ok(None),
    };
    read_certificates(&path)
        .map(Some)
        .map_err(|error| error.with_hint(hint))
}

fn read_certificates(path: &Path) -> Result<Vec<u8>> {
    let pem = fs::read(path).map_err(|e| Error::io("cannot read", path, e))?;
    // Checked here because the HTTP client panics on an invalid certificate.
    let bundle_error = |reason: &dyn std::fmt::Display| {
        Error::failed(format!("cannot use {}", path.display())).with_reason(reason)
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|e| bundle_error(&e))?;
        roots.add(certificate).map_err(|e| bundle_error(&e))?;
    }
    if roots.is_empty() {
        return Err(bundle_error(&"it contains no certificate"));
    }
    Ok(pem)
}
