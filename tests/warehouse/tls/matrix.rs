//! Every kind of server certificate with every `sslmode` and every kind of root certificate, compared with psql.

use std::thread;

use super::certificates::AlternativeName::{Dns, Ip};
use super::certificates::{Certificate, CertificateSpec, KeyKind};
use super::clients::Outcome::{self, Encrypted, Plain, Refused};
use super::clients::{Home, MODES, connect, connect_psql, url};
use super::tls_server::TlsServer;

/// `encrypted` logs in with TLS only, `any` with it and without it.
const HBA: &str = "hostssl all encrypted 127.0.0.1/32 trust\nhostnossl all encrypted 127.0.0.1/32 reject\n\
    host all all 127.0.0.1/32 trust\n";

const ROOTS: [&str; 6] = [
    "none",
    "authority",
    "itself",
    "other",
    "namesake",
    "intermediate",
];

/// The name of a cell, and what psql and this program made of it.
struct Cell {
    kind: &'static str,
    mode: &'static str,
    root: &'static str,
    psql: (Outcome, String),
    own: (Outcome, String),
}

/// The authorities.
struct Authorities {
    authority: Certificate,
    other: Certificate,
    namesake: Certificate,
    intermediate: Certificate,
}

impl Authorities {
    fn new() -> Self {
        let authority = Certificate::authority("authority");
        Self {
            intermediate: Certificate::new(CertificateSpec {
                common_name: "intermediate",
                is_authority: true,
                issuer: Some(&authority),
                ..CertificateSpec::default()
            }),
            authority,
            other: Certificate::authority("other"),
            namesake: Certificate::authority("authority"),
        }
    }

    /// Returns the certificates of the server by their names.
    fn server_certificates(&self) -> Vec<(&'static str, Certificate)> {
        let authority = Some(&self.authority);
        let host = &[Ip("127.0.0.1")];
        let v3 = CertificateSpec {
            alternative_names: host,
            issuer: authority,
            ..CertificateSpec::default()
        };
        let named = CertificateSpec {
            common_name: "127.0.0.1",
            alternative_names: &[],
            ..v3
        };
        let by_intermediate = CertificateSpec {
            issuer: Some(&self.intermediate),
            ..v3
        };
        let with_key = |key| CertificateSpec { key, ..v3 };
        let certificates = [
            ("v3", v3),
            ("v3, RSA", with_key(KeyKind::Rsa)),
            ("v3, P-384", with_key(KeyKind::P384)),
            ("v3, P-521", with_key(KeyKind::P521)),
            ("v3, Ed25519", with_key(KeyKind::Ed25519)),
            (
                "v1",
                CertificateSpec {
                    version: 1,
                    ..named
                },
            ),
            (
                "v1, RSA, self-signed",
                CertificateSpec {
                    version: 1,
                    key: KeyKind::Rsa,
                    issuer: None,
                    ..named
                },
            ),
            ("self-signed", CertificateSpec { issuer: None, ..v3 }),
            (
                "self-signed, CA:TRUE",
                CertificateSpec {
                    issuer: None,
                    is_authority: true,
                    ..v3
                },
            ),
            (
                "self-signed, P-521",
                CertificateSpec {
                    issuer: None,
                    key: KeyKind::P521,
                    ..v3
                },
            ),
            (
                "CA:TRUE",
                CertificateSpec {
                    is_authority: true,
                    ..v3
                },
            ),
            (
                "by an intermediate",
                CertificateSpec {
                    sends_issuer: true,
                    ..by_intermediate
                },
            ),
            ("by an intermediate that is not sent", by_intermediate),
            (
                "for clients only",
                CertificateSpec {
                    is_for_clients: true,
                    ..v3
                },
            ),
            (
                "wrong name",
                CertificateSpec {
                    alternative_names: &[Dns("elsewhere.example")],
                    ..v3
                },
            ),
            ("right common name only", named),
            (
                "expired",
                CertificateSpec {
                    years: (2000, 2001),
                    ..v3
                },
            ),
            (
                "not yet valid",
                CertificateSpec {
                    years: (2090, 2100),
                    ..v3
                },
            ),
        ];
        let create = |(kind, spec)| (kind, Certificate::new(spec));
        certificates.map(create).into_iter().collect()
    }
}

#[test]
fn every_certificate_mode_and_root_is_answered_as_by_psql() {
    let authorities = Authorities::new();
    let certificates = authorities.server_certificates();
    let server = TlsServer::start(&certificates[0].1, HBA, &[]);
    server
        .postgres
        .admin_client()
        .batch_execute("CREATE ROLE encrypted LOGIN; CREATE ROLE any_user LOGIN")
        .unwrap();
    let database = server.postgres.create_database();
    let home = Home::new();
    let root_file = |name: &str| home.path().join(format!("{name}.pem"));
    authorities.authority.write(&root_file("authority"));
    authorities.other.write(&root_file("other"));
    authorities.namesake.write(&root_file("namesake"));
    authorities.intermediate.write(&root_file("intermediate"));

    let mut cells = Vec::new();
    for (number, (kind, certificate)) in certificates.iter().enumerate() {
        server.set_certificate(certificate);
        certificate.write(&root_file("itself"));
        let run_mode = |mode: &'static str| {
            ROOTS.map(|root| {
                let user = if mode == "allow" {
                    "encrypted"
                } else {
                    "any_user"
                };
                let mut parameters = format!("sslmode={mode}");
                if root != "none" {
                    parameters += &format!("&sslrootcert={}", root_file(root).display());
                }
                let url = url(&database, user, &parameters);
                let (psql, own) = (connect_psql(&database, &home, &url), connect(&home, &url));
                Cell {
                    kind,
                    mode,
                    root,
                    psql,
                    own,
                }
            })
        };
        thread::scope(|scope| {
            // Without TLS no certificate is seen.
            let modes = &MODES[usize::from(number > 0)..];
            let threads: Vec<_> = modes
                .iter()
                .map(|mode| scope.spawn(|| run_mode(mode)))
                .collect();
            for thread in threads {
                cells.extend(thread.join().unwrap());
            }
        });
    }

    let differences = cells.iter().filter(|cell| cell.psql.0 != cell.own.0);
    let differences: Vec<String> = differences
        .map(
            |Cell {
                 kind,
                 mode,
                 root,
                 psql,
                 own,
             }| {
                format!(
                    "{kind}, sslmode={mode}, root: {root}\n    psql: {psql:?}\n    own:  {own:?}"
                )
            },
        )
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for (kind, mode, root, expected) in [
        ("v3", "disable", "none", Plain),
        ("v3", "allow", "other", Refused),
        ("v3", "prefer", "other", Plain),
        ("v3", "require", "none", Encrypted),
        ("v3", "require", "namesake", Refused),
        ("v3, P-521", "verify-full", "authority", Encrypted),
        ("v3, Ed25519", "verify-full", "authority", Encrypted),
        ("v1", "require", "none", Encrypted),
        ("v1", "verify-full", "authority", Encrypted),
        ("self-signed", "verify-full", "itself", Encrypted),
        ("self-signed", "verify-full", "none", Refused),
        ("CA:TRUE", "verify-full", "authority", Encrypted),
        ("by an intermediate", "verify-full", "authority", Encrypted),
        ("by an intermediate", "verify-ca", "intermediate", Refused),
        ("wrong name", "verify-ca", "authority", Encrypted),
        ("wrong name", "verify-full", "authority", Refused),
        (
            "right common name only",
            "verify-full",
            "authority",
            Encrypted,
        ),
        ("expired", "require", "none", Encrypted),
        ("expired", "require", "authority", Refused),
        ("not yet valid", "verify-ca", "authority", Refused),
    ] {
        let cell = cells
            .iter()
            .find(|cell| (cell.kind, cell.mode, cell.root) == (kind, mode, root));
        assert_eq!(
            cell.unwrap().own.0,
            expected,
            "{kind}, sslmode={mode}, root: {root}"
        );
    }
    // No message shows the internals of OpenSSL.
    for Cell {
        own: (_, message), ..
    } in &cells
    {
        assert!(
            !message.contains("error:") && !message.contains("routines"),
            "{message}"
        );
    }
}
