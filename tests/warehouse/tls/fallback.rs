//! When a connection is tried again with TLS or without it, compared with psql.

use super::certificates::{Certificate, CertificateSpec};
use super::clients::Outcome::{Encrypted, Plain, Refused};
use super::clients::{Home, MODES, connect, connect_psql, url};
use super::tls_server::TlsServer;

/// Each user with another entry. `mixed` needs a password only with TLS.
const HBA: &str = "hostssl all tls_only 127.0.0.1/32 trust\nhostnossl all plain_only 127.0.0.1/32 trust\n\
    hostssl all mixed 127.0.0.1/32 scram-sha-256\nhostnossl all mixed 127.0.0.1/32 trust\n\
    host all rejected 127.0.0.1/32 reject\nhost all sparkify 127.0.0.1/32 trust\n\
    host all locked 127.0.0.1/32 trust\n";

fn start_server(settings: &[(&str, &str)]) -> TlsServer {
    let certificate = Certificate::new(CertificateSpec::default());
    let server = TlsServer::start(&certificate, HBA, settings);
    server
        .postgres
        .admin_client()
        .batch_execute(
            "CREATE ROLE tls_only LOGIN; CREATE ROLE plain_only LOGIN; CREATE ROLE mixed LOGIN PASSWORD 'another'; \
             CREATE ROLE rejected LOGIN; CREATE ROLE locked",
        )
        .unwrap();
    server
}

#[test]
fn users_of_hostssl_and_hostnossl_log_in_as_by_psql() {
    let server = start_server(&[]);
    let database = server.postgres.create_database();
    let home = Home::new();
    for (user, [disable, allow, prefer, require]) in [
        ("sparkify", [Plain, Plain, Encrypted, Encrypted]),
        ("tls_only", [Refused, Encrypted, Encrypted, Encrypted]),
        ("plain_only", [Plain, Plain, Plain, Refused]),
        // A wrong password with TLS is followed by an attempt without it.
        ("mixed", [Plain, Plain, Plain, Refused]),
        ("rejected", [Refused; 4]),
        ("locked", [Refused; 4]),
        ("unknown", [Refused; 4]),
    ] {
        let outcomes = [disable, allow, prefer, require, Refused, Refused];
        for (mode, expected) in MODES.iter().zip(outcomes) {
            let url = url(&database, user, &format!("sslmode={mode}"));
            let (psql, own) = (connect_psql(&database, &home, &url), connect(&home, &url));
            assert_eq!(psql.0, expected, "{url}: {}", psql.1);
            assert_eq!(own.0, expected, "{url}: {}", own.1);
        }
    }
    let missing = url(&database, "sparkify", "sslmode=prefer").replace("test_0", "nowhere");
    let (_, message) = connect(&home, &missing);
    assert!(
        message.contains("does not exist (3D000); check the database name"),
        "{message}"
    );
}

#[test]
fn both_errors_are_shown_where_they_differ() {
    let server = start_server(&[]);
    let database = server.postgres.create_database();
    let home = Home::new();
    for mode in ["allow", "prefer"] {
        let (_, message) = connect(
            &home,
            &url(&database, "rejected", &format!("sslmode={mode}")),
        );
        assert!(
            message.contains(
                ": with TLS: pg_hba.conf rejects connection for host \"127.0.0.1\", user \"rejected\", database \
                 \"test_0\", SSL encryption (28000), and without TLS: pg_hba.conf rejects connection for host \
                 \"127.0.0.1\", user \"rejected\", database \"test_0\", no encryption (28000);"
            ),
            "{message}"
        );
        // Nothing is said twice.
        let (_, message) = connect(&home, &url(&database, "locked", &format!("sslmode={mode}")));
        assert_eq!(
            message.matches("is not permitted to log in").count(),
            1,
            "{message}"
        );
    }
}

#[test]
fn failed_handshake_falls_back_in_prefer_only() {
    let server = start_server(&[("ssl_min_protocol_version", "'TLSv1.3'")]);
    let database = server.postgres.create_database();
    let home = Home::new();
    for (mode, expected) in [("allow", Plain), ("prefer", Plain), ("require", Refused)] {
        let parameters = format!("sslmode={mode}&ssl_max_protocol_version=TLSv1.2");
        let url = url(&database, "sparkify", &parameters);
        let (psql, own) = (connect_psql(&database, &home, &url), connect(&home, &url));
        assert_eq!(psql.0, expected, "{url}: {}", psql.1);
        assert_eq!(own.0, expected, "{url}: {}", own.1);
    }
    let url = url(
        &database,
        "tls_only",
        "sslmode=prefer&ssl_max_protocol_version=TLSv1.2",
    );
    let (outcome, message) = connect(&home, &url);
    assert_eq!(outcome, Refused);
    assert!(
        message.contains("with TLS: the server does not support TLSv1.2, and without TLS: ")
            && message.contains("no encryption (28000); set ssl_min_protocol_version"),
        "{message}"
    );
}

#[test]
fn protocol_versions_are_negotiated_and_limited() {
    let home = Home::new();
    for (only, other) in [("TLSv1.2", "TLSv1.3"), ("TLSv1.3", "TLSv1.2")] {
        let limit = format!("'{only}'");
        let server = start_server(&[
            ("ssl_min_protocol_version", &limit),
            ("ssl_max_protocol_version", &limit),
        ]);
        let database = server.postgres.create_database();
        for (parameters, expected) in [
            (String::new(), Encrypted),
            (
                format!("&ssl_min_protocol_version={only}&ssl_max_protocol_version={only}"),
                Encrypted,
            ),
            (
                format!("&ssl_min_protocol_version={other}&ssl_max_protocol_version={other}"),
                Refused,
            ),
        ] {
            let url = url(
                &database,
                "sparkify",
                &format!("sslmode=require{parameters}"),
            );
            let (psql, own) = (connect_psql(&database, &home, &url), connect(&home, &url));
            assert_eq!(psql.0, expected, "{url}: {}", psql.1);
            assert_eq!(own.0, expected, "{url}: {}", own.1);
            if expected == Refused {
                let words = format!("the server does not support {other};");
                assert!(own.1.contains(&words), "{}", own.1);
            }
        }
    }
}
