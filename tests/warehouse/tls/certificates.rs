//! Certificates for the tests, of every kind that OpenSSL can make.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use openssl::asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage};
use openssl::x509::{X509, X509Extension, X509NameBuilder};

/// The kind of a key.
#[derive(Debug, Clone, Copy)]
pub enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl KeyKind {
    fn generate(self) -> PKey<Private> {
        let on_curve = |curve| {
            let group = EcGroup::from_curve_name(curve).unwrap();
            PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
        };
        match self {
            Self::Rsa => PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
            Self::P256 => on_curve(Nid::X9_62_PRIME256V1),
            Self::P384 => on_curve(Nid::SECP384R1),
            Self::P521 => on_curve(Nid::SECP521R1),
            Self::Ed25519 => PKey::generate_ed25519().unwrap(),
        }
    }
}

/// A subject alternative name.
#[derive(Debug, Clone, Copy)]
pub enum AlternativeName {
    Dns(&'static str),
    /// A DNS name with bytes that no DNS name has.
    RawDns(&'static [u8]),
    Ip(&'static str),
}

/// What a certificate says.
#[derive(Clone, Copy)]
pub struct CertificateSpec<'a> {
    pub key: KeyKind,
    /// The version of X.509: 1 or 3. Version 1 has neither alternative names nor constraints.
    pub version: i32,
    pub common_name: &'a str,
    pub alternative_names: &'a [AlternativeName],
    /// The value of CA in the basic constraints.
    pub is_authority: bool,
    /// The certificate may only identify clients.
    pub is_for_clients: bool,
    /// The first and the last year in which the certificate is valid.
    pub years: (i32, i32),
    /// The authority that signs the certificate, or none if it signs itself.
    pub issuer: Option<&'a Certificate>,
    /// The certificate of the issuer follows after this one.
    pub sends_issuer: bool,
}

impl Default for CertificateSpec<'_> {
    fn default() -> Self {
        Self {
            key: KeyKind::P256,
            version: 3,
            common_name: "server",
            alternative_names: &[],
            is_authority: false,
            is_for_clients: false,
            years: (2000, 2100),
            issuer: None,
            sends_issuer: false,
        }
    }
}

/// A certificate with its key.
pub struct Certificate {
    pub x509: X509,
    pub key: PKey<Private>,
    chain: Vec<X509>,
}

impl Certificate {
    /// Creates the certificate of an authority.
    pub fn authority(name: &str) -> Self {
        Self::new(CertificateSpec {
            common_name: name,
            is_authority: true,
            ..CertificateSpec::default()
        })
    }

    /// Creates a certificate.
    pub fn new(spec: CertificateSpec<'_>) -> Self {
        let key = spec.key.generate();
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, spec.common_name)
            .unwrap();
        let name = name.build();
        let mut serial = BigNum::new().unwrap();
        serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
        let year = |year: i32| Asn1Time::from_str(&format!("{year}0101000000Z")).unwrap();

        let mut builder = X509::builder().unwrap();
        builder.set_version(spec.version - 1).unwrap();
        builder
            .set_serial_number(&Asn1Integer::from_bn(&serial).unwrap())
            .unwrap();
        builder.set_not_before(&year(spec.years.0)).unwrap();
        builder.set_not_after(&year(spec.years.1)).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        let issuer_name = spec.issuer.map(|issuer| issuer.x509.subject_name());
        builder
            .set_issuer_name(issuer_name.unwrap_or(&name))
            .unwrap();
        if spec.version == 3 {
            let mut constraints = BasicConstraints::new();
            constraints.critical();
            if spec.is_authority {
                constraints.ca();
            }
            builder
                .append_extension(constraints.build().unwrap())
                .unwrap();
            if spec.is_for_clients {
                let usage = ExtendedKeyUsage::new().client_auth().build().unwrap();
                builder.append_extension(usage).unwrap();
            }
            if !spec.alternative_names.is_empty() {
                let names = encode_alternative_names(spec.alternative_names);
                let names = Asn1OctetString::new_from_bytes(&names).unwrap();
                let oid = Asn1Object::from_str("subjectAltName").unwrap();
                let names = X509Extension::new_from_der(&oid, false, &names).unwrap();
                builder.append_extension(names).unwrap();
            }
        }
        let signing_key = spec.issuer.map_or(&key, |issuer| &issuer.key);
        let digest = match signing_key.id() {
            Id::ED25519 => MessageDigest::null(),
            _ => MessageDigest::sha256(),
        };
        builder.sign(signing_key, digest).unwrap();
        let issuer = spec.issuer.filter(|_| spec.sends_issuer);
        Self {
            x509: builder.build(),
            key,
            chain: issuer
                .map(|issuer| issuer.x509.clone())
                .into_iter()
                .collect(),
        }
    }

    /// Returns the certificate as PEM, and after it those that are sent with it.
    pub fn pem(&self) -> String {
        let all = [&self.x509].into_iter().chain(&self.chain);
        let pem: Vec<u8> = all.flat_map(|x509| x509.to_pem().unwrap()).collect();
        String::from_utf8(pem).unwrap()
    }

    /// Returns the key as PEM.
    pub fn key_pem(&self) -> String {
        String::from_utf8(self.key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// Writes the certificate alone, and returns the path.
    pub fn write(&self, path: &Path) -> String {
        fs::write(path, self.x509.to_pem().unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Encodes subject alternative names by hand, because OpenSSL would refuse the malformed ones.
fn encode_alternative_names(names: &[AlternativeName]) -> Vec<u8> {
    const DNS_NAME: u8 = 0x82;
    const IP_ADDRESS: u8 = 0x87;
    const SEQUENCE: u8 = 0x30;
    let encode = |tag: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap();
        assert!(length < 0x80, "a long form of the length is not needed");
        [&[tag, length], bytes].concat()
    };
    let encode_name = |name: &AlternativeName| match name {
        AlternativeName::Dns(name) => encode(DNS_NAME, name.as_bytes()),
        AlternativeName::RawDns(name) => encode(DNS_NAME, name),
        AlternativeName::Ip(address) => match address.parse().unwrap() {
            IpAddr::V4(address) => encode(IP_ADDRESS, &address.octets()),
            IpAddr::V6(address) => encode(IP_ADDRESS, &address.octets()),
        },
    };
    let names: Vec<u8> = names.iter().flat_map(encode_name).collect();
    encode(SEQUENCE, &names)
}
