//! TLS: what a connection to a warehouse is protected by, in the words of PostgreSQL's tools.
//!
//! | `sslmode` | encrypted | certificate |
//! |---|---|---|
//! | `disable` | never | |
//! | `allow`, `prefer` | if the server can | any |
//! | `require` | always | any; with `sslrootcert` as `verify-ca` |
//! | `verify-ca` | always | of a trusted authority, for whatever name |
//! | `verify-full` | always | of a trusted authority, for the host |
//!
//! Other than there, `allow` tries encryption first; a handshake that fails is no reason to go on in plain
//! text; trusted without `sslrootcert` is what the system trusts; a certificate's names are only those of
//! its subject alternative names; and `sslrootcert` without `sslmode` means `verify-full`.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use postgres::config::SslMode;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::error::{Error, Result};

/// How far a connection is protected: `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Not at all.
    Disable,
    /// As `Prefer`.
    Allow,
    /// Against those who only listen, if the server can.
    Prefer,
    /// Against those who only listen.
    Require,
    /// Against servers without a certificate of a trusted authority.
    VerifyCa,
    /// Against every server but the one that is meant.
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
                    "is none of disable, allow, prefer, require, verify-ca and verify-full"
                        .to_owned(),
                );
            }
        })
    }
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCerts {
    /// Those that the system trusts.
    System,
    /// Those in a file, in PEM.
    File(PathBuf),
}

/// What a connection is protected by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// How far.
    pub mode: TlsMode,
    /// Whom to trust, where that matters.
    pub root_certs: RootCerts,
}

impl TlsConfig {
    /// From `sslmode` and `sslrootcert` as they were given, and the mode if neither was.
    ///
    /// # Errors
    /// They contradict each other: all the world has certificates of the system's authorities, so that
    /// only the name tells servers apart.
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
                    Error::usage("sslrootcert=system goes with sslmode=verify-full only")
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

    /// What the driver knows of it: it leaves certificates to the [`connector`](Self::connector).
    pub fn driver_ssl_mode(&self) -> SslMode {
        match self.mode {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Allow | TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        }
    }

    /// What encrypts, and checks certificates.
    ///
    /// # Errors
    /// There are no certificates to trust.
    pub fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let config =
            ClientConfig::builder_with_provider(Arc::clone(&provider) as Arc<CryptoProvider>)
                .with_safe_default_protocol_versions()
                .map_err(|e| Error::failed("cannot use TLS").with_reason(e))?;
        let permissive = |roots| PermissiveVerifier { roots, algorithms };
        let config = match self.mode {
            TlsMode::VerifyFull => config.with_root_certificates(self.root_certs.load()?),
            TlsMode::VerifyCa => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(permissive(Some(
                    self.root_certs.load()?,
                )))),
            TlsMode::Disable | TlsMode::Allow | TlsMode::Prefer | TlsMode::Require => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(permissive(None))),
        };
        Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
    }
}

impl RootCerts {
    fn load(&self) -> Result<RootCertStore> {
        let mut store = RootCertStore::empty();
        match self {
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    let error = Error::failed("cannot check the certificate of the warehouse");
                    let error = match found.errors.first() {
                        Some(why) => error.with_reason(why),
                        None => error.with_reason("this system trusts none"),
                    };
                    return Err(error.with_hint(
                        "install ca-certificates, or name a file of them as sslrootcert or --ca-bundle",
                    ));
                }
            }
            Self::File(path) => {
                let read_error = |why: &dyn std::fmt::Display| {
                    Error::failed(format!("cannot read certificates in {}", path.display()))
                        .with_reason(why)
                        .with_hint("sslrootcert and --ca-bundle name a file of certificates in PEM")
                };
                let certificates =
                    CertificateDer::pem_file_iter(path).map_err(|e| read_error(&e))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|e| read_error(&e))?;
                    store.add(certificate).map_err(|e| read_error(&e))?;
                }
                if store.is_empty() {
                    return Err(read_error(&"it holds none"));
                }
            }
        }
        Ok(store)
    }
}

/// Checks less than everything.
#[derive(Debug)]
struct PermissiveVerifier {
    /// Who must have signed the certificate; anybody may if not set.
    roots: Option<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
}

type VerifyResult<T> = std::result::Result<T, rustls::Error>;

impl ServerCertVerifier for PermissiveVerifier {
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
