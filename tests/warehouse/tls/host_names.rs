//! Which names in a certificate are valid for a host, compared with psql.

use std::fmt::Write as _;

use super::certificates::AlternativeName::{Dns, Ip, RawDns};
use super::certificates::{Certificate, CertificateSpec};
use super::clients::Outcome::{Encrypted, Refused};
use super::clients::{Home, connect, connect_psql, url_of_host};
use super::tls_server::{TRUST, TlsServer};

const HOSTS: [&str; 9] = [
    "db.example.com",
    "DB.Example.COM",
    "other.example.com",
    "a.db.example.com",
    "example.com",
    "xexample.com",
    "localhost",
    "127.0.0.1",
    "[::1]",
];

#[test]
fn names_are_compared_as_by_psql() {
    let authority = Certificate::authority("authority");
    let spec = |common_name, alternative_names| {
        Certificate::new(CertificateSpec {
            common_name,
            alternative_names,
            issuer: Some(&authority),
            ..CertificateSpec::default()
        })
    };
    let certificates = [
        spec("db.example.com", &[]),
        spec("*.example.com", &[]),
        spec("db.example.com", &[Dns("other.example.com")]),
        spec("db.example.com", &[Ip("127.0.0.1")]),
        spec("127.0.0.1", &[Dns("db.example.com")]),
        spec("127.0.0.1", &[Ip("::1")]),
        spec(
            "server",
            &[
                Dns("db.example.com"),
                Dns("other.example.com"),
                Ip("::1"),
                Ip("127.0.0.1"),
            ],
        ),
        spec("server", &[Dns("*.example.com")]),
        spec("server", &[Dns("d*.example.com")]),
        spec("server", &[Dns("*.*.com")]),
        spec("server", &[Dns("*")]),
        spec("server", &[Dns("*.com")]),
        spec("server", &[Dns("::1")]),
        spec("db.example.com\0.evil.example", &[]),
        spec(
            "db.example.com",
            &[RawDns(b"db.example.com\0.evil.example")],
        ),
        spec("server", &[Dns("db.example.com"), RawDns(b"\0")]),
        spec("server", &[RawDns(b"\0"), Dns("db.example.com")]),
    ];
    let server = TlsServer::start(&certificates[0], TRUST, &[]);
    let database = server.postgres.create_database();
    let home = Home::new();
    let root = authority.write(&home.path().join("root.pem"));
    let mut differences = String::new();
    let mut encrypted = 0;
    for certificate in &certificates {
        server.set_certificate(certificate);
        for host in HOSTS {
            let parameters = format!("hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={root}");
            let url = url_of_host(host, &database, "any_user", &parameters);
            let (psql, own) = (connect_psql(&database, &home, &url), connect(&home, &url));
            encrypted += usize::from(own.0 == Encrypted);
            if psql.0 != own.0 {
                let names = certificate.x509.subject_alt_names();
                writeln!(
                    differences,
                    "{host}, {:?} {names:?}\n    psql: {psql:?}\n    own:  {own:?}",
                    certificate.x509.subject_name()
                )
                .unwrap();
            }
            if own.0 == Refused {
                let is_explained = own.1.contains("is not valid for")
                    || own.1.contains("a name contains a null character");
                assert!(is_explained, "{}", own.1);
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(encrypted > 15, "{encrypted}");
}

#[test]
fn names_of_the_certificate_are_listed() {
    let authority = Certificate::authority("authority");
    let names = [
        Dns("a.example"),
        Ip("10.0.0.1"),
        Dns("*.b.example"),
        Dns("c.example"),
        Dns("d.example"),
    ];
    let home = Home::new();
    let root = authority.write(&home.path().join("root.pem"));
    let server = TlsServer::start(
        &Certificate::new(CertificateSpec {
            alternative_names: &names,
            issuer: Some(&authority),
            ..CertificateSpec::default()
        }),
        TRUST,
        &[],
    );
    let database = server.postgres.create_database();
    let parameters = format!("sslmode=verify-full&sslrootcert={root}");
    let (outcome, message) = connect(
        &home,
        &url_of_host("127.0.0.1", &database, "any_user", &parameters),
    );
    assert_eq!(outcome, Refused);
    assert!(
        message.contains(
            "the server certificate is not valid for 127.0.0.1, only for a.example, 10.0.0.1, *.b.example and 2 more; \
             use a host name that the certificate has, or sslmode=verify-ca"
        ),
        "{message}"
    );
}

#[test]
fn ipv6_address_is_compared() {
    let authority = Certificate::authority("authority");
    let home = Home::new();
    let root = authority.write(&home.path().join("root.pem"));
    let server = TlsServer::start(
        &Certificate::new(CertificateSpec {
            alternative_names: &[Ip("::1")],
            issuer: Some(&authority),
            ..CertificateSpec::default()
        }),
        "host all all ::1/128 trust\nhost all all 127.0.0.1/32 trust\n",
        &[("listen_addresses", "'127.0.0.1,::1'")],
    );
    let database = server.postgres.create_database();
    for (host, expected) in [("[::1]", Encrypted), ("127.0.0.1", Refused)] {
        for sslmode in ["verify-ca", "verify-full"] {
            let parameters = format!("sslmode={sslmode}&sslrootcert={root}");
            let url = url_of_host(host, &database, "any_user", &parameters);
            let expected = if sslmode == "verify-ca" {
                Encrypted
            } else {
                expected
            };
            assert_eq!(connect_psql(&database, &home, &url).0, expected, "{url}");
            assert_eq!(connect(&home, &url).0, expected, "{url}");
        }
    }
}
