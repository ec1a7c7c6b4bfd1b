//! Logins that are bound to the TLS connection (SCRAM-SHA-256-PLUS), compared with psql.

use testkit::postgres_server::SUPERUSER;

use super::certificates::{Certificate, CertificateSpec, KeyKind};
use super::clients::Outcome::{Encrypted, Plain, Refused};
use super::clients::{Home, connect, connect_psql, url};
use super::tls_server::TlsServer;

const HBA: &str = "host all trusted 127.0.0.1/32 trust\nhost all old 127.0.0.1/32 md5\n\
    host all all 127.0.0.1/32 scram-sha-256\n";

const NOT_BOUND: &str = "the server did not bind the login to the TLS channel, which channel_binding=require requires; \
    use TLS and a user whose password is stored as scram-sha-256, or channel_binding=prefer";

#[test]
fn login_is_bound_to_the_tls_connection_if_required() {
    let server = TlsServer::start(&Certificate::new(CertificateSpec::default()), HBA, &[]);
    server
        .postgres
        .admin_client()
        .batch_execute(
            "CREATE ROLE trusted LOGIN; SET password_encryption = md5; \
             CREATE ROLE old LOGIN PASSWORD 'password of the tests'",
        )
        .unwrap();
    let database = server.postgres.create_database();
    let home = Home::new();
    for (key, parameters, user, expected) in [
        (
            KeyKind::P256,
            "require&sslmode=require",
            SUPERUSER,
            Encrypted,
        ),
        (
            KeyKind::P256,
            "require&sslmode=prefer",
            SUPERUSER,
            Encrypted,
        ),
        (KeyKind::P256, "require&sslmode=disable", SUPERUSER, Refused),
        (KeyKind::P256, "require&sslmode=require", "old", Refused),
        (KeyKind::P256, "require&sslmode=require", "trusted", Refused),
        (KeyKind::P256, "prefer&sslmode=require", "old", Encrypted),
        (KeyKind::P256, "prefer&sslmode=disable", SUPERUSER, Plain),
        (
            KeyKind::P256,
            "disable&sslmode=require",
            SUPERUSER,
            Encrypted,
        ),
        (
            KeyKind::Rsa,
            "require&sslmode=require",
            SUPERUSER,
            Encrypted,
        ),
        (
            KeyKind::P521,
            "require&sslmode=require",
            SUPERUSER,
            Encrypted,
        ),
        (
            KeyKind::Ed25519,
            "require&sslmode=require",
            SUPERUSER,
            Refused,
        ),
        (
            KeyKind::Ed25519,
            "disable&sslmode=require",
            SUPERUSER,
            Encrypted,
        ),
    ] {
        server.set_certificate(&Certificate::new(CertificateSpec {
            key,
            ..CertificateSpec::default()
        }));
        let url = url(&database, user, &format!("channel_binding={parameters}"));
        let (psql, own) = (connect_psql(&database, &home, &url), connect(&home, &url));
        assert_eq!(own.0, expected, "{key:?}, {url}: {}", own.1);
        assert_eq!(psql.0, expected, "{key:?}, {url}: {}", psql.1);
        assert!(
            expected != Refused || own.1.contains(NOT_BOUND),
            "{}",
            own.1
        );
    }
    // No channel binding is defined for Ed25519. psql then fails even if none is required.
    let url = url(
        &database,
        SUPERUSER,
        "channel_binding=prefer&sslmode=require",
    );
    let psql = connect_psql(&database, &home, &url);
    assert!(psql.1.contains("could not find digest"), "{psql:?}");
    assert_eq!(connect(&home, &url).0, Encrypted);
}
