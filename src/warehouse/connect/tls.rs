//! Configures TLS for a connection to a warehouse, with the settings of libpq.
//!
//! | `sslmode` | encrypted | accepted certificate |
//! |---|---|---|
//! | `disable` | never | |
//! | `allow`, `prefer` | if the server supports TLS | any |
//! | `require` | always | any; with `sslrootcert` the same as `verify-ca` |
//! | `verify-ca` | always | signed by a trusted authority, for any name |
//! | `verify-full` | always | signed by a trusted authority, for the host |
//!
//! Differences from libpq: `allow` tries encryption first; a failed handshake never falls back to plain text; without
//! `sslrootcert` the certificates that the system trusts are used; only the subject alternative names of a certificate
//! are compared with the host; and `sslrootcert` without `sslmode` means `verify-full`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use postgres::config::SslMode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

/// Protection of a connection, as `sslmode` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// No encryption.
    Disable,
    /// Same as `Prefer`.
    Allow,
    /// Encryption if the server supports it, which protects against eavesdropping.
    Prefer,
    /// Encryption always, which protects against eavesdropping.
    Require,
    /// Encryption, and a certificate that a trusted authority signed.
    VerifyCa,
    /// Encryption, and a certificate that a trusted authority signed for the host.
    VerifyFull,
}

impl FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(
                    "must be disable, allow, prefer, require, verify-ca or verify-full".to_owned(),
                );
            }
        })
    }
}

/// The trusted root certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCerts {
    /// The certificates that the system trusts.
    System,
    /// The certificates in a PEM file.
    File(PathBuf),
}

/// TLS settings of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Protection of the connection.
    pub mode: TlsMode,
    /// Root certificates, for the modes that verify the server.
    pub root_certs: RootCerts,
}

impl TlsConfig {
    /// Combines `sslmode` and `sslrootcert`. Without both, the mode is `default_mode`.
    ///
    /// # Errors
    /// Returns an error if `sslrootcert=system` comes with a mode other than `verify-full`: anyone can get a
    /// certificate of a public authority, so that only the host name distinguishes servers.
    pub fn new(
        mode: Option<TlsMode>,
        sslrootcert: Option<&str>,
        default_mode: TlsMode,
    ) -> Result<Self> {
        let (mode, root_certs) = match (mode, sslrootcert) {
            (mode, None) => (mode.unwrap_or(default_mode), RootCerts::System),
            (None | Some(TlsMode::VerifyFull), Some("system")) => {
                (TlsMode::VerifyFull, RootCerts::System)
            }
            (Some(_), Some("system")) => {
                return Err(
                    Error::usage("sslrootcert=system requires sslmode=verify-full")
                        .with_hint("leave out sslmode"),
                );
            }
            (Some(TlsMode::Require), Some(file)) => {
                (TlsMode::VerifyCa, RootCerts::File(file.into()))
            }
            (mode, Some(file)) => (
                mode.unwrap_or(TlsMode::VerifyFull),
                RootCerts::File(file.into()),
            ),
        };
        Ok(Self { mode, root_certs })
    }

    /// Returns the mode for the driver, which leaves certificates to the [`connector`](Self::connector).
    pub(crate) fn driver_ssl_mode(&self) -> SslMode {
        match self.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Allow | TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        }
    }

    /// Returns the connector that encrypts the connection and verifies the certificate of the server.
    ///
    /// # Errors
    /// Returns an error if the trusted certificates cannot be loaded.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| Error::failed("cannot set up TLS").with_source(e))?;
        let permissive = |roots| Arc::new(NoHostNameVerifier { roots, algorithms });
        let verifying = match self.mode {
            TlsMode::VerifyFull => builder.with_root_certificates(self.root_certs.load()?),
            TlsMode::VerifyCa => builder
                .dangerous()
                .with_custom_certificate_verifier(permissive(Some(self.root_certs.load()?))),
            TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer | TlsMode::Require => builder
                .dangerous()
                .with_custom_certificate_verifier(permissive(None)),
        };
        Ok(MakeRustlsConnect::new(verifying.with_no_client_auth()))
    }
}

impl RootCerts {
    fn load(&self) -> Result<RootCertStore> {
        match self {
            Self::System => load_system_certificates(),
            Self::File(path) => load_certificate_file(path),
        }
    }
}

fn load_system_certificates() -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(loaded.certs);
    if !store.is_empty() {
        return Ok(store);
    }
    let error = Error::failed("cannot verify the server certificate")
        .with_hint("install ca-certificates, or give a PEM file as sslrootcert or --ca-bundle");
    Err(match loaded.errors.into_iter().next() {
        Some(first) => error.with_source(first),
        None => error.with_reason("this system has no trusted certificates"),
    })
}

fn load_certificate_file(path: &Path) -> Result<RootCertStore> {
    let read_error = || {
        Error::failed(format!("cannot read certificates in {}", path.display()))
            .with_hint("sslrootcert and --ca-bundle must name a PEM file")
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|e| read_error().with_source(e))?;
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|e| read_error().with_source(e))?;
        store
            .add(certificate)
            .map_err(|e| read_error().with_source(e))?;
    }
    match store.is_empty() {
        true => Err(read_error().with_reason("no certificates found")),
        false => Ok(store),
    }
}

/// Verifies the signer of a certificate at most, and never its host name.
#[derive(Debug)]
struct NoHostNameVerifier {
    /// Roots that must have signed the certificate. Without them any certificate is accepted.
    roots: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

type VerifyResult<T> = std::result::Result<T, rustls::Error>;

impl ServerCertVerifier for NoHostNameVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> VerifyResult<ServerCertVerified> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(certificate)?;
            verify_server_cert_signed_by_trust_anchor(
                &certificate,
                roots,
                intermediates,
                now,
                self.algorithms.all,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> VerifyResult<HandshakeSignatureValid> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> VerifyResult<HandshakeSignatureValid> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
