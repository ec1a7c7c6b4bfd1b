//! Compares a host with the names in the certificate of a server, by the rules of libpq.

use std::net::IpAddr;

use openssl::nid::Nid;
use openssl::x509::X509Ref;

/// Why a certificate is not valid for a host.
#[derive(Debug)]
pub(super) enum HostNameError {
    /// The certificate has other names.
    Mismatch {
        /// The names in the certificate.
        names: Vec<String>,
    },
    /// A name in the certificate is malformed.
    Malformed(&'static str),
}

/// A name in a certificate.
enum CertificateName {
    Dns(Vec<u8>),
    Ip(IpAddr),
}

/// Returns whether the handshake may name this host. It must not name an IP address (RFC 6066, section 3).
pub(super) fn is_sent_as_sni(host: &str) -> bool {
    let is_numeric = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    !is_numeric && !host.contains(':')
}

/// Checks that a certificate is valid for a host.
///
/// The common name counts only if the certificate has no subject alternative name of the kind of the host: a DNS name or
/// an IP address.
///
/// # Errors
/// Returns an error if no name matches before a malformed one.
pub(super) fn verify(certificate: &X509Ref, host: &str) -> Result<(), HostNameError> {
    let host_ip: Option<IpAddr> = host.parse().ok();
    let mut names = Vec::new();
    let mut uses_common_name = true;
    for alternative in certificate.subject_alt_names().into_iter().flatten() {
        let name = match (alternative.dnsname(), alternative.ipaddress()) {
            (Some(name), _) => CertificateName::Dns(name.as_bytes().to_vec()),
            (None, Some(address)) => CertificateName::Ip(parse_address(address)?),
            (None, None) => continue,
        };
        if host_ip.is_some() == matches!(name, CertificateName::Ip(_)) {
            uses_common_name = false;
        }
        if name.matches(host, host_ip)? {
            return Ok(());
        }
        names.push(name.to_string());
    }
    let common_name = certificate
        .subject_name()
        .entries_by_nid(Nid::COMMONNAME)
        .next();
    if let Some(common_name) = common_name.filter(|_| uses_common_name) {
        let name = CertificateName::Dns(common_name.data().as_slice().to_vec());
        if name.matches(host, host_ip)? {
            return Ok(());
        }
        names.push(name.to_string());
    }
    Err(HostNameError::Mismatch { names })
}

impl CertificateName {
    fn matches(&self, host: &str, host_ip: Option<IpAddr>) -> Result<bool, HostNameError> {
        match self {
            Self::Ip(address) => Ok(host_ip == Some(*address)),
            // A text of C would end at the null character, and hide the rest of the name.
            Self::Dns(name) if name.contains(&0) => {
                Err(HostNameError::Malformed("a name contains a null character"))
            }
            Self::Dns(name) => {
                Ok(name.eq_ignore_ascii_case(host.as_bytes()) || wildcard_matches(name, host))
            }
        }
    }
}

impl std::fmt::Display for CertificateName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(&String::from_utf8_lossy(name)),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

fn parse_address(bytes: &[u8]) -> Result<IpAddr, HostNameError> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::from(bytes));
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => Ok(IpAddr::from(bytes)),
        Err(_) => Err(HostNameError::Malformed("an IP address has a wrong length")),
    }
}

/// Returns whether a name that begins with `*.` matches the host. The `*` stands for one label.
fn wildcard_matches(name: &[u8], host: &str) -> bool {
    let Some(parent) = name.strip_prefix(b"*.") else {
        return false;
    };
    match host.split_once('.') {
        Some((label, rest)) => {
            !parent.is_empty() && !label.is_empty() && parent.eq_ignore_ascii_case(rest.as_bytes())
        }
        None => false,
    }
}
