//! Explains why TLS with a server failed.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use openssl::error::ErrorStack;
use openssl::ssl::{self, SslAlert};
use openssl::x509::X509VerifyResult;

use super::explanation::Explanation;
use super::host_name::HostNameError;
use super::tls::{RootCerts, TlsConfig, TlsNegotiation};
use crate::warehouse::dialect::Dialect;

/// Why a TLS handshake failed.
#[derive(Debug)]
pub(super) enum TlsError {
    /// OpenSSL could not begin.
    Setup(ErrorStack),
    /// The certificate of the server is not trusted.
    Certificate(X509VerifyResult),
    /// The certificate of the server is not valid for the host.
    HostName(HostNameError),
    /// The server has not confirmed by ALPN that it speaks PostgreSQL's protocol.
    NoApplicationProtocol,
    /// The handshake failed for another reason.
    Handshake(ssl::Error),
}

// The error codes of certificates (openssl/x509_vfy.h).
const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT: i32 = 2;
const X509_V_ERR_CERT_SIGNATURE_FAILURE: i32 = 7;
const X509_V_ERR_CERT_NOT_YET_VALID: i32 = 9;
const X509_V_ERR_CERT_HAS_EXPIRED: i32 = 10;
const X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: i32 = 18;
const X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: i32 = 19;
const X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: i32 = 20;
const X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: i32 = 21;

// The reason codes of failed handshakes (openssl/sslerr.h), beside the alerts of the server.
const SSL_R_CERTIFICATE_VERIFY_FAILED: i32 = 134;
const SSL_R_HTTP_REQUEST: i32 = 156;
const SSL_R_NO_PROTOCOLS_AVAILABLE: i32 = 191;
const SSL_R_UNSUPPORTED_PROTOCOL: i32 = 258;
const SSL_R_WRONG_VERSION_NUMBER: i32 = 267;
const SSL_R_PACKET_LENGTH_TOO_LONG: i32 = 198;
const SSL_R_UNEXPECTED_EOF_WHILE_READING: i32 = 294;
const SSL_R_VERSION_TOO_LOW: i32 = 396;

// The library of OpenSSL that implements TLS (openssl/err.h).
const ERR_LIB_SSL: i32 = 20;

impl TlsError {
    /// Returns the error of a handshake, after which OpenSSL reports this result of the verification.
    pub(super) fn from_handshake(error: ssl::Error, verified: X509VerifyResult) -> Self {
        match verified {
            X509VerifyResult::OK => Self::Handshake(error),
            // The result is also set where the certificate is not verified, and another error ends the handshake.
            _ if openssl_reason_code(&error) != Some(SSL_R_CERTIFICATE_VERIFY_FAILED) => {
                Self::Handshake(error)
            }
            untrusted => Self::Certificate(untrusted),
        }
    }

    /// Returns whether the connection was closed during the handshake, as by a server or a load balancer that restarts.
    pub(super) fn is_connection_closed(&self) -> bool {
        matches!(self, Self::Handshake(error) if openssl_reason_code(error).is_none())
    }

    /// Explains the error of a connection with these settings.
    pub(super) fn explain(&self, host: &str, tls: &TlsConfig, dialect: Dialect) -> Explanation {
        match self {
            Self::Setup(errors) => {
                Explanation::without_hint(format!("cannot set up TLS: {}", openssl_reason(errors)))
            }
            Self::Certificate(result) => explain_certificate(*result, tls, dialect),
            Self::HostName(error) => explain_host_name(error, host, tls),
            Self::NoApplicationProtocol => Explanation::new(
                "the server does not confirm that it speaks PostgreSQL's protocol (ALPN)",
                DIRECT_HINT,
            ),
            Self::Handshake(error) => explain_ssl_error(error, tls),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(errors) => f.write_str(&openssl_reason(errors)),
            Self::Certificate(result) => f.write_str(result.error_string()),
            Self::HostName(_) => f.write_str("the certificate is not valid for the host"),
            Self::NoApplicationProtocol => f.write_str("no application protocol"),
            Self::Handshake(error) => f.write_str(&ssl_error_text(error)),
        }
    }
}

impl StdError for TlsError {}

fn explain_certificate(result: X509VerifyResult, tls: &TlsConfig, dialect: Dialect) -> Explanation {
    let without_check = match &tls.root_certs {
        RootCerts::System => "sslmode=require accepts any certificate".to_owned(),
        RootCerts::File(path) => format!(
            "only the certificates in {} are trusted, and without that file sslmode=require accepts any certificate",
            path.display()
        ),
    };
    match result.as_raw() {
        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT => Explanation::new(
            "the server certificate is self-signed, and not among the trusted certificates",
            format!(
                "give the server certificate itself as sslrootcert=FILE or --ca-bundle FILE; {without_check}"
            ),
        ),
        // An untrusted authority may have the name of a trusted one, but another key.
        X509_V_ERR_CERT_SIGNATURE_FAILURE
        | X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN
        | X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT
        | X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY
        | X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE => {
            let bundle = match dialect {
                Dialect::Redshift => "Amazon's amazon-trust-ca-bundle.crt",
                Dialect::Postgres => "the certificate of that authority",
            };
            Explanation::new(
                "the server certificate is signed by an unknown authority",
                format!("give {bundle} as sslrootcert=FILE or --ca-bundle FILE; {without_check}"),
            )
        }
        X509_V_ERR_CERT_HAS_EXPIRED => Explanation::new(
            "the server certificate has expired",
            format!("renew it; {without_check}"),
        ),
        X509_V_ERR_CERT_NOT_YET_VALID => Explanation::new(
            "the server certificate is not valid yet",
            "check the clock of this machine",
        ),
        _ => Explanation::new(
            format!("invalid server certificate: {}", result.error_string()),
            format!("the server needs another certificate; {without_check}"),
        ),
    }
}

/// What to do if a server does not support a direct negotiation.
const DIRECT_HINT: &str = "sslnegotiation=direct requires PostgreSQL 17 or later; leave it out";

/// The maximum number of names of a certificate that a message lists.
const MAX_LISTED_NAMES: usize = 3;

fn explain_host_name(error: &HostNameError, host: &str, tls: &TlsConfig) -> Explanation {
    match error {
        HostNameError::Mismatch { names } => {
            let mut reason = format!("the server certificate is not valid for {host}");
            if !names.is_empty() {
                let listed = names.iter().take(MAX_LISTED_NAMES).map(String::as_str);
                reason += ", only for ";
                reason += &listed.collect::<Vec<_>>().join(", ");
            }
            if let Some(more @ 1..) = names.len().checked_sub(MAX_LISTED_NAMES) {
                reason += &format!(" and {more} more");
            }
            Explanation::new(
                reason,
                match tls.root_certs {
                    RootCerts::System => "use a host name that the certificate has",
                    RootCerts::File(_) => {
                        "use a host name that the certificate has, or sslmode=verify-ca"
                    }
                },
            )
        }
        HostNameError::Malformed(problem) => Explanation::new(
            format!("invalid server certificate: {problem}"),
            "the server needs another certificate",
        ),
    }
}

/// Explains an error of OpenSSL, during the handshake or after it.
pub(super) fn explain_ssl_error(error: &ssl::Error, tls: &TlsConfig) -> Explanation {
    let Some(code) = openssl_reason_code(error) else {
        return Explanation::new(
            ssl_error_text(error),
            match (tls.negotiation, &tls.client_certificate) {
                (TlsNegotiation::Direct, _) => DIRECT_HINT,
                // A server that closes the connection at once may tear down its reason with it.
                (TlsNegotiation::Postgres, Some(_)) => {
                    "check host, port and sslmode, and that the server trusts the authority of the client certificate"
                }
                (TlsNegotiation::Postgres, None) => {
                    "check that host and port are those of the warehouse, and sslmode"
                }
            },
        );
    };
    let certificate_hint = match tls.client_certificate {
        Some(_) => {
            "check sslcert and sslkey; the server must trust the authority of the certificate"
        }
        None => "give a certificate as sslcert and its key as sslkey",
    };
    match (SslAlert::from_reason_code(code), code) {
        (Some(SslAlert::PROTOCOL_VERSION), _)
        | (_, SSL_R_UNSUPPORTED_PROTOCOL | SSL_R_NO_PROTOCOLS_AVAILABLE | SSL_R_VERSION_TOO_LOW) => {
            Explanation::new(
                match tls.max_protocol {
                    Some(only) if only == tls.min_protocol => {
                        format!("the server does not support {}", only.name())
                    }
                    Some(max) => format!(
                        "the server supports no TLS version from {} to {}",
                        tls.min_protocol.name(),
                        max.name()
                    ),
                    None => format!(
                        "the server does not support {} or later",
                        tls.min_protocol.name()
                    ),
                },
                "set ssl_min_protocol_version and ssl_max_protocol_version to versions that the server supports",
            )
        }
        (_, SSL_R_WRONG_VERSION_NUMBER | SSL_R_HTTP_REQUEST | SSL_R_PACKET_LENGTH_TOO_LONG) => {
            Explanation::new(
                "the server does not answer with TLS",
                "check that host and port are those of the warehouse, and sslnegotiation",
            )
        }
        (Some(SslAlert::CERTIFICATE_REQUIRED), _) => {
            Explanation::new("the server requires a client certificate", certificate_hint)
        }
        (
            Some(
                SslAlert::BAD_CERTIFICATE
                | SslAlert::UNSUPPORTED_CERTIFICATE
                | SslAlert::CERTIFICATE_REVOKED
                | SslAlert::CERTIFICATE_EXPIRED
                | SslAlert::CERTIFICATE_UNKNOWN
                | SslAlert::UNKNOWN_CA,
            ),
            _,
        ) => Explanation::new(
            format!(
                "the server rejected the client certificate ({})",
                ssl_error_text(error)
            ),
            certificate_hint,
        ),
        _ => Explanation::new(
            format!("the TLS handshake failed: {}", ssl_error_text(error)),
            "check that host and port are those of the warehouse, and that it supports TLS 1.2 or later",
        ),
    }
}

/// Returns the reason of the first error in words, without the places in the source of OpenSSL.
pub(super) fn openssl_reason(errors: &ErrorStack) -> String {
    match errors
        .errors()
        .iter()
        .find_map(openssl::error::Error::reason)
    {
        Some(reason) => reason.to_owned(),
        None => "OpenSSL reports no reason".to_owned(),
    }
}

/// Returns the reason code of the TLS layer, unless it means that the connection was closed. The errors of the layers below
/// it precede it.
fn openssl_reason_code(error: &ssl::Error) -> Option<i32> {
    let mut errors = error.ssl_error()?.errors().iter();
    let code = errors
        .find(|error| error.library_code() == ERR_LIB_SSL)?
        .reason_code();
    (code != SSL_R_UNEXPECTED_EOF_WHILE_READING).then_some(code)
}

/// Returns the reason of an error in words.
pub(super) fn ssl_error_text(error: &ssl::Error) -> String {
    match (error.io_error(), error.ssl_error()) {
        (Some(error), _) if error.kind() != io::ErrorKind::ConnectionReset => error.to_string(),
        (None, Some(errors)) if openssl_reason_code(error).is_some() => openssl_reason(errors),
        _ => "the server closed the connection during the TLS handshake".to_owned(),
    }
}

/// Returns the error of OpenSSL that an I/O error contains.
pub(super) fn find_ssl_error(error: &io::Error) -> Option<&ssl::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns the error of the TLS handshake that the error of the driver contains.
pub(super) fn tls_error(error: &postgres::Error) -> Option<&TlsError> {
    error.source()?.downcast_ref()
}
