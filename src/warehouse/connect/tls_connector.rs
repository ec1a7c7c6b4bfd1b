//! Encrypts a connection with OpenSSL, as libpq does, and verifies the certificate of the server.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Ssl, SslConnector, SslConnectorBuilder, SslMethod, SslOptions, SslVerifyMode, SslVersion,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Ref};
use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;

use super::host_name;
use super::parameter::Parameter;
use super::tls::{ClientCertificate, RootCerts, TlsConfig, TlsMode, TlsNegotiation, TlsVersion};
use super::tls_error::{TlsError, openssl_reason};
use super::value_source::ValueSources;
use crate::error::{Error, Result};

/// The name of PostgreSQL's protocol in ALPN.
const POSTGRESQL: &[u8] = b"postgresql";

/// The list of protocols that a direct negotiation announces, each preceded by its length.
const POSTGRESQL_ALPN: &[u8] = b"\x0apostgresql";

/// Encrypts connections to one host.
#[derive(Clone)]
pub(super) struct TlsConnector {
    connector: SslConnector,
    host: String,
    mode: TlsMode,
    negotiation: TlsNegotiation,
    sni: bool,
}

impl TlsConfig {
    /// Returns the connector that encrypts connections to a host and verifies the certificate of the server.
    ///
    /// # Errors
    /// Returns an error if a certificate or key cannot be loaded. It names the source of the path.
    pub(super) fn connector(&self, host: &str, sources: &ValueSources) -> Result<TlsConnector> {
        let setup_error = |errors: ErrorStack| {
            Error::failed("cannot set up TLS").with_reason(openssl_reason(&errors))
        };
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(setup_error)?;
        builder
            .set_min_proto_version(Some(openssl_version(self.min_protocol)))
            .map_err(setup_error)?;
        builder
            .set_max_proto_version(self.max_protocol.map(openssl_version))
            .map_err(setup_error)?;
        // A message of PostgreSQL has its length, so that a cut connection is noticed without the end of the TLS stream.
        builder.set_options(SslOptions::IGNORE_UNEXPECTED_EOF);
        if self.negotiation == TlsNegotiation::Direct {
            builder
                .set_alpn_protos(POSTGRESQL_ALPN)
                .map_err(setup_error)?;
        }
        if self.verifies_authority() {
            let mut store = X509StoreBuilder::new().map_err(setup_error)?;
            let certificates = self.root_certs.load();
            for certificate in
                certificates.map_err(|e| sources.add_to(e, "sslrootcert", Parameter::RootCerts))?
            {
                store.add_cert(certificate).map_err(setup_error)?;
            }
            builder.set_cert_store(store.build());
            builder.set_verify(SslVerifyMode::PEER);
        } else {
            builder.set_verify(SslVerifyMode::NONE);
        }
        if let Some(certificate) = &self.client_certificate {
            certificate.add_to(&mut builder, sources)?;
        }
        Ok(TlsConnector {
            connector: builder.build(),
            host: host.to_owned(),
            mode: self.mode,
            negotiation: self.negotiation,
            sni: self.sni,
        })
    }
}

fn openssl_version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls1_0 => SslVersion::TLS1,
        TlsVersion::Tls1_1 => SslVersion::TLS1_1,
        TlsVersion::Tls1_2 => SslVersion::TLS1_2,
        TlsVersion::Tls1_3 => SslVersion::TLS1_3,
    }
}

impl RootCerts {
    fn load(&self) -> Result<Vec<X509>> {
        match self {
            Self::System => load_system_certificates(),
            Self::File(path) => load_certificates(path).map_err(|reason| {
                Error::failed(format!("cannot read certificates in {}", path.display()))
                    .with_reason(reason)
                    .with_hint("sslrootcert and --ca-bundle must name a PEM file")
            }),
        }
    }
}

/// Loads the certificates that the system trusts. The OpenSSL in this binary does not know where they are.
fn load_system_certificates() -> Result<Vec<X509>> {
    let loaded = rustls_native_certs::load_native_certs();
    let certificates = loaded.certs.iter();
    let certificates: Vec<X509> = certificates
        .filter_map(|certificate| X509::from_der(certificate).ok())
        .collect();
    if !certificates.is_empty() {
        return Ok(certificates);
    }
    let error = Error::failed("cannot verify the server certificate")
        .with_hint("install ca-certificates, or give a PEM file as sslrootcert or --ca-bundle");
    Err(match loaded.errors.into_iter().next() {
        Some(first) => error.with_source(first),
        None => error.with_reason("this system has no trusted certificates"),
    })
}

/// Loads the certificates of a PEM file, or returns the reason why they cannot be loaded.
fn load_certificates(path: &Path) -> std::result::Result<Vec<X509>, String> {
    let pem = fs::read(path).map_err(|e| e.to_string())?;
    let certificates = X509::stack_from_pem(&pem).map_err(|e| openssl_reason(&e))?;
    match certificates.is_empty() {
        true => Err("no certificates found".to_owned()),
        false => Ok(certificates),
    }
}

impl ClientCertificate {
    fn add_to(&self, builder: &mut SslConnectorBuilder, sources: &ValueSources) -> Result<()> {
        let certificate_error = |reason: String| {
            let path = self.certificate.display();
            let error = Error::failed(format!("cannot use the client certificate in {path}"))
                .with_reason(reason)
                .with_hint(
                    "sslcert must name a PEM file; sslcertmode=disable sends no certificate",
                );
            sources.add_to(error, "sslcert", Parameter::Certificate)
        };
        let chain = load_certificates(&self.certificate).map_err(certificate_error)?;
        let key = load_key(&self.key, self.key_password.as_ref());
        let key = key.map_err(|error| sources.add_to(error, "sslkey", Parameter::Key))?;
        let add_all = || {
            for (position, certificate) in chain.into_iter().enumerate() {
                match position {
                    0 => builder.set_certificate(&certificate)?,
                    _ => builder.add_extra_chain_cert(certificate)?,
                }
            }
            builder.set_private_key(&key)?;
            builder.check_private_key()
        };
        add_all().map_err(|e: ErrorStack| {
            let key = self.key.display();
            certificate_error(format!("with the key in {key}: {}", openssl_reason(&e)))
        })
    }
}

/// Loads a private key, which others must not be able to read.
fn load_key(path: &Path, password: Option<&SecretString>) -> Result<PKey<Private>> {
    let key_error = |reason: String| {
        let path = path.display();
        Error::failed(format!("cannot use the private key in {path}")).with_reason(reason)
    };
    let file = fs::metadata(path).map_err(|e| {
        key_error(e.to_string()).with_hint("name the file with the private key as sslkey")
    })?;
    if !file.is_file() {
        return Err(key_error("it is not a plain file".to_owned()));
    }
    // A key of the system is shared with those in its group.
    let forbidden = if file.uid() == 0 { 0o037 } else { 0o077 };
    if file.mode() & forbidden != 0 {
        return Err(key_error("it has group or world access".to_owned())
            .with_hint(format!("run chmod 600 {}", path.display())));
    }
    let bytes = fs::read(path).map_err(|e| key_error(e.to_string()))?;
    let mut is_encrypted = false;
    let from_pem = PKey::private_key_from_pem_callback(&bytes, |buffer| {
        is_encrypted = true;
        let password = password.map_or(&[][..], |password| password.expose_secret().as_bytes());
        let password = password.get(..buffer.len()).unwrap_or(password);
        buffer[..password.len()].copy_from_slice(password);
        Ok(password.len())
    });
    if let Ok(key) = from_pem {
        return Ok(key);
    }
    match (is_encrypted, password) {
        (true, None) => {
            Err(key_error("it is encrypted".to_owned())
                .with_hint("give its password as sslpassword"))
        }
        (true, Some(_)) => Err(key_error(
            "it is encrypted, and sslpassword does not decrypt it".to_owned(),
        )),
        (false, _) => PKey::private_key_from_der(&bytes).map_err(|_| {
            key_error("it contains no private key".to_owned())
                .with_hint("sslkey must name a PEM or DER file")
        }),
    }
}

impl MakeTlsConnect<Socket> for TlsConnector {
    type Stream = EncryptedStream;
    type TlsConnect = Self;
    type Error = TlsError;

    fn make_tls_connect(&mut self, _domain: &str) -> std::result::Result<Self, TlsError> {
        Ok(self.clone())
    }
}

impl TlsConnect<Socket> for TlsConnector {
    type Stream = EncryptedStream;
    type Error = TlsError;
    type Future =
        Pin<Box<dyn Future<Output = std::result::Result<EncryptedStream, TlsError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let mut stream = self
                .ssl()
                .and_then(|ssl| SslStream::new(ssl, socket))
                .map_err(TlsError::Setup)?;
            if let Err(error) = Pin::new(&mut stream).connect().await {
                return Err(TlsError::from_handshake(
                    error,
                    stream.ssl().verify_result(),
                ));
            }
            self.check_peer(stream.ssl())?;
            Ok(EncryptedStream(stream))
        })
    }
}

impl TlsConnector {
    /// Returns how TLS starts.
    pub(super) fn negotiation(&self) -> TlsNegotiation {
        self.negotiation
    }

    /// Encrypts a connection that nobody uses afterwards, and returns the certificate of the server.
    ///
    /// # Errors
    /// Returns an error if the handshake fails or the certificate is not accepted.
    pub(super) fn handshake(
        &self,
        stream: std::net::TcpStream,
    ) -> std::result::Result<Option<X509>, TlsError> {
        let mut stream = self
            .ssl()
            .and_then(|ssl| openssl::ssl::SslStream::new(ssl, stream))
            .map_err(TlsError::Setup)?;
        if let Err(error) = stream.connect() {
            let verified = stream.ssl().verify_result();
            return Err(TlsError::from_handshake(error, verified));
        }
        self.check_peer(stream.ssl())?;
        Ok(stream.ssl().peer_certificate())
    }

    fn ssl(&self) -> std::result::Result<Ssl, ErrorStack> {
        // The host is compared with the certificate by the rules of libpq, which are not those of OpenSSL.
        self.connector
            .configure()?
            .verify_hostname(false)
            .use_server_name_indication(self.sni && host_name::is_sent_as_sni(&self.host))
            .into_ssl(&self.host)
    }

    /// Checks what OpenSSL has not checked during the handshake.
    fn check_peer(&self, ssl: &openssl::ssl::SslRef) -> std::result::Result<(), TlsError> {
        // Without the name of the protocol, a client could be tricked into a connection to another kind of server.
        if self.negotiation == TlsNegotiation::Direct
            && ssl.selected_alpn_protocol() != Some(POSTGRESQL)
        {
            return Err(TlsError::NoApplicationProtocol);
        }
        match (self.mode, ssl.peer_certificate()) {
            (TlsMode::VerifyFull, Some(certificate)) => {
                host_name::verify(&certificate, &self.host).map_err(TlsError::HostName)
            }
            _ => Ok(()),
        }
    }
}

/// An encrypted connection.
pub(super) struct EncryptedStream(SslStream<Socket>);

impl AsyncRead for EncryptedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for EncryptedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl TlsStream for EncryptedStream {
    fn channel_binding(&self) -> ChannelBinding {
        let certificate = self.0.ssl().peer_certificate();
        match certificate.and_then(|certificate| end_point_hash(&certificate)) {
            Some(hash) => ChannelBinding::tls_server_end_point(hash),
            None => ChannelBinding::none(),
        }
    }
}

/// Returns the hash of the server certificate that binds a login to the connection (RFC 5929, section 4.1), or `None` if
/// none is defined for the algorithm that signed the certificate.
fn end_point_hash(certificate: &X509Ref) -> Option<Vec<u8>> {
    let algorithm = certificate.signature_algorithm().object().nid();
    let digest = match algorithm.signature_algorithms()?.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        digest => MessageDigest::from_nid(digest)?,
    };
    Some(certificate.digest(digest).ok()?.to_vec())
}
