//! Creates the HTTP client of the AWS SDK.

use std::env;
use std::fs;
use std::path::Path;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::{Error, Result};

/// Creates the client, which trusts the certificates of the system and those of `AWS_CA_BUNDLE`.
///
/// # Errors
/// Returns an error if that bundle is invalid.
pub(super) fn http_client() -> Result<SharedHttpClient> {
    let mut trust = TrustStore::default();
    if let Some(pem) = load_ca_bundle()? {
        trust = trust.with_pem_certificate(pem);
    }
    let builder =
        aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(
        match TlsContext::builder().with_trust_store(trust).build() {
            Ok(context) => builder.tls_context(context).build_https(),
            Err(_) => builder.build_https(),
        },
    )
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
