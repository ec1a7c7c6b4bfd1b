//! The TLS settings of a connection to a warehouse, which mean what they mean to libpq.
//!
//! | `sslmode` | encrypted | accepted certificate |
//! |---|---|---|
//! | `disable` | never | |
//! | `allow` | only if the server refuses a connection in plain text | any |
//! | `prefer` | unless TLS fails or the server refuses the user with it | any |
//! | `require` | always | any |
//! | `verify-ca` | always | signed by a trusted authority, for any name |
//! | `verify-full` | always | signed by a trusted authority, for the host |
//!
//! With a file of root certificates (`sslrootcert`, otherwise `~/.postgresql/root.crt`), the certificate must be signed by
//! one of them in every mode that encrypts. In `prefer`, another certificate leads to a connection in plain text.
//!
//! Differences from libpq: without such a file, `verify-full` trusts the certificates that the system trusts; a file that `sslrootcert`, `sslcert` or `sslkey` names must be readable in every mode, whereas `prefer` continues
//! in plain text if one in `~/.postgresql` is not; `~/.postgresql/root.crl` is not read; and a certificate with a signature for
//! which no channel binding is defined (Ed25519) is accepted without channel binding, unless it is required.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;

use crate::error::{Error, Result};

/// Protection of a connection, as `sslmode` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// No encryption.
    Disable,
    /// Encryption if the server refuses a connection without it.
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

/// How a connection starts TLS, as `sslnegotiation` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsNegotiation {
    /// The client asks for TLS by a message of PostgreSQL's protocol.
    #[default]
    Postgres,
    /// The client begins with the TLS handshake, which PostgreSQL 17 and later support.
    Direct,
}

impl FromStr for TlsNegotiation {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "postgres" => Ok(Self::Postgres),
            "direct" => Ok(Self::Direct),
            _ => Err("must be postgres or direct".to_owned()),
        }
    }
}

/// Whether a client certificate is sent, as `sslcertmode` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificateMode {
    /// No certificate is sent.
    Disable,
    /// A certificate is sent if there is one and the server asks for it.
    #[default]
    Allow,
}

impl FromStr for ClientCertificateMode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "disable" => Ok(Self::Disable),
            "allow" => Ok(Self::Allow),
            "require" => Err("must be disable or allow; require is not supported".to_owned()),
            _ => Err("must be disable or allow".to_owned()),
        }
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0.
    Tls1_0,
    /// TLS 1.1.
    Tls1_1,
    /// TLS 1.2.
    Tls1_2,
    /// TLS 1.3.
    Tls1_3,
}

impl TlsVersion {
    /// Returns the version as `ssl_min_protocol_version` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls1_0 => "TLSv1",
            Self::Tls1_1 => "TLSv1.1",
            Self::Tls1_2 => "TLSv1.2",
            Self::Tls1_3 => "TLSv1.3",
        }
    }
}

impl FromStr for TlsVersion {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        [Self::Tls1_0, Self::Tls1_1, Self::Tls1_2, Self::Tls1_3]
            .into_iter()
            .find(|version| version.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| "must be TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3".to_owned())
    }
}

/// The trusted root certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootCerts {
    /// The certificates that the system trusts, of which only `verify-ca` and `verify-full` take notice.
    System,
    /// The certificates in a PEM file, one of which must have signed the certificate of the server in every mode.
    File(PathBuf),
}

/// A certificate by which this program identifies itself to the server.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// PEM file with the certificate, and after it those of its authorities.
    pub certificate: PathBuf,
    /// File with the private key, as PEM or DER.
    pub key: PathBuf,
    /// Password of an encrypted key.
    pub key_password: Option<SecretString>,
}

/// TLS settings of a connection.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// Protection of the connection.
    pub mode: TlsMode,
    /// How TLS starts.
    pub negotiation: TlsNegotiation,
    /// Root certificates that verify the server.
    pub root_certs: RootCerts,
    /// Certificate that is sent to a server that asks for one.
    pub client_certificate: Option<ClientCertificate>,
    /// Oldest accepted version of TLS.
    pub min_protocol: TlsVersion,
    /// Newest accepted version of TLS, if there is a limit.
    pub max_protocol: Option<TlsVersion>,
    /// Whether the handshake names the host, so that one address can serve several.
    pub sni: bool,
}

/// TLS settings as the user wrote them. Each is absent unless it was set.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// `sslmode`.
    pub mode: Option<TlsMode>,
    /// `sslrootcert`: a file, or `system`.
    pub root_certs: Option<String>,
    /// `sslcert`: a file.
    pub certificate: Option<String>,
    /// `sslkey`: a file.
    pub key: Option<String>,
    /// `sslpassword`.
    pub key_password: Option<SecretString>,
    /// `sslcertmode`.
    pub certificate_mode: Option<ClientCertificateMode>,
    /// `ssl_min_protocol_version`.
    pub min_protocol: Option<TlsVersion>,
    /// `ssl_max_protocol_version`.
    pub max_protocol: Option<TlsVersion>,
    /// `sslsni`.
    pub sni: Option<bool>,
    /// `sslnegotiation`.
    pub negotiation: Option<TlsNegotiation>,
}

impl TlsConfig {
    /// Adds the defaults to the settings: `default_mode`, and the files in `.postgresql` below the home directory.
    ///
    /// # Errors
    /// Returns an error if settings contradict each other.
    pub fn resolve(
        settings: TlsSettings,
        default_mode: TlsMode,
        home: Option<&Path>,
    ) -> Result<Self> {
        let folder = home.map(|home| home.join(".postgresql"));
        let (mode, root_certs) = resolve_mode(&settings, default_mode, folder.as_deref())?;
        let negotiation = settings.negotiation.unwrap_or_default();
        if negotiation == TlsNegotiation::Direct && mode < TlsMode::Require {
            return Err(Error::usage(
                "sslnegotiation=direct requires sslmode=require, verify-ca or verify-full",
            ));
        }
        let min_protocol = settings.min_protocol.unwrap_or(TlsVersion::Tls1_2);
        if let Some(max) = settings.max_protocol.filter(|max| *max < min_protocol) {
            let (min, max) = (min_protocol.name(), max.name());
            return Err(Error::usage(format!(
                "ssl_max_protocol_version={max} is older than ssl_min_protocol_version={min}"
            ))
            .with_hint("set both"));
        }
        Ok(Self {
            mode,
            negotiation,
            root_certs,
            min_protocol,
            max_protocol: settings.max_protocol,
            sni: settings.sni.unwrap_or(true),
            client_certificate: resolve_client_certificate(settings, folder.as_deref())?,
        })
    }

    /// Returns whether the certificate of the server must be signed by a trusted authority.
    pub(super) fn verifies_authority(&self) -> bool {
        self.mode >= TlsMode::VerifyCa || matches!(self.root_certs, RootCerts::File(_))
    }
}

/// Returns the mode and the root certificates. A root file turns `require` into `verify-ca`.
fn resolve_mode(
    settings: &TlsSettings,
    default_mode: TlsMode,
    folder: Option<&Path>,
) -> Result<(TlsMode, RootCerts)> {
    let file = match settings.root_certs.as_deref() {
        Some("system") => {
            return match settings.mode {
                None | Some(TlsMode::VerifyFull) => Ok((TlsMode::VerifyFull, RootCerts::System)),
                // Anyone can get a certificate of a public authority, so that only the host name distinguishes servers.
                Some(_) => Err(
                    Error::usage("sslrootcert=system requires sslmode=verify-full")
                        .with_hint("leave out sslmode"),
                ),
            };
        }
        Some(file) => Some(PathBuf::from(file)),
        None => existing_file(folder, "root.crt"),
    };
    Ok(match (settings.mode.unwrap_or(default_mode), file) {
        (TlsMode::Require, Some(file)) => (TlsMode::VerifyCa, RootCerts::File(file)),
        // Anyone can get a certificate of an authority that the system trusts, so that this would check nothing.
        (TlsMode::VerifyCa, None) => {
            return Err(
                Error::usage("sslmode=verify-ca requires sslrootcert").with_hint(
                    "name a file of certificates, or use sslmode=verify-full, which also checks the name of the host",
                ),
            );
        }
        (mode, Some(file)) => (mode, RootCerts::File(file)),
        (mode, None) => (mode, RootCerts::System),
    })
}

/// Returns the client certificate and its key, if there is a certificate.
fn resolve_client_certificate(
    settings: TlsSettings,
    folder: Option<&Path>,
) -> Result<Option<ClientCertificate>> {
    if settings.certificate_mode == Some(ClientCertificateMode::Disable) {
        return Ok(None);
    }
    let certificate = settings.certificate.map(PathBuf::from);
    let Some(certificate) = certificate.or_else(|| existing_file(folder, "postgresql.crt")) else {
        return Ok(None);
    };
    let key = settings.key.map(PathBuf::from);
    match key.or_else(|| folder.map(|folder| folder.join("postgresql.key"))) {
        Some(key) => Ok(Some(ClientCertificate {
            certificate,
            key,
            key_password: settings.key_password,
        })),
        None => Err(Error::usage("sslcert is set, but not sslkey")
            .with_hint("name the file with the private key as sslkey")),
    }
}

/// Returns the path of a file in a folder if it exists.
fn existing_file(folder: Option<&Path>, name: &str) -> Option<PathBuf> {
    folder
        .map(|folder| folder.join(name))
        .filter(|path| path.exists())
}
