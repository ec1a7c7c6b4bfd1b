//! What a failed connection says about certificates and TLS.

use std::fs;
use std::io::{Read, Write};

use sparkify::internals::warehouse::connect::{WarehouseSession, copy_error};
use testkit::postgres_server::{SUPERUSER, SUPERUSER_PASSWORD, shared_server};

use super::certificates::AlternativeName::{Dns, Ip};
use super::certificates::{Certificate, CertificateSpec};
use super::clients::Outcome::{Plain, Refused};
use super::clients::{Home, connect, url};
use super::tls_server::{TRUST, TlsServer};
use crate::support::config_sources::ConfigSources;
use crate::support::scripted_server::{read_untagged_message, serve_connections};
use crate::support::tcp_proxy::{TcpProxy, free_port};

#[test]
fn untrusted_certificates_are_explained() {
    let authority = Certificate::authority("authority");
    let spec = CertificateSpec {
        alternative_names: &[Ip("127.0.0.1")],
        issuer: Some(&authority),
        ..CertificateSpec::default()
    };
    let right = Certificate::new(spec);
    let self_signed = Certificate::new(CertificateSpec {
        issuer: None,
        ..spec
    });
    let misnamed = Certificate::new(CertificateSpec {
        alternative_names: &[Dns("elsewhere.example")],
        ..spec
    });
    let expired = Certificate::new(CertificateSpec {
        years: (2000, 2001),
        ..spec
    });
    let future = Certificate::new(CertificateSpec {
        years: (2090, 2100),
        ..spec
    });
    let for_clients = Certificate::new(CertificateSpec {
        is_for_clients: true,
        ..spec
    });

    let home = Home::new();
    let root = authority.write(&home.path().join("authority.pem"));
    let namesake = Certificate::authority("authority").write(&home.path().join("namesake.pem"));
    let server = TlsServer::start(&right, TRUST, &[]);
    let database = server.postgres.create_database();
    for (certificate, parameters, words) in [
        (
            &right,
            format!("verify-full&sslrootcert={namesake}"),
            "signed by an unknown authority; give the certificate of that authority as sslrootcert=FILE or --ca-bundle \
             FILE; only the certificates in ",
        ),
        (
            &right,
            "verify-full".to_owned(),
            "unknown authority; give the certificate of that authority as sslrootcert=FILE or --ca-bundle FILE; \
             sslmode=require accepts any certificate",
        ),
        (
            &right,
            "verify-ca".to_owned(),
            "sslmode=verify-ca requires sslrootcert",
        ),
        (
            &right,
            "verify-full&sslrootcert=system".to_owned(),
            "signed by an unknown authority",
        ),
        (
            &self_signed,
            format!("verify-ca&sslrootcert={root}"),
            "the server certificate is self-signed, and not among the trusted certificates; give the server \
             certificate itself as sslrootcert=FILE",
        ),
        (
            &misnamed,
            format!("verify-full&sslrootcert={root}"),
            "the server certificate is not valid for 127.0.0.1, only for elsewhere.example, server; use a host name",
        ),
        (
            &expired,
            format!("require&sslrootcert={root}"),
            "the server certificate has expired; renew it",
        ),
        (
            &future,
            format!("require&sslrootcert={root}"),
            "the server certificate is not valid yet; check the clock",
        ),
        (
            &for_clients,
            format!("verify-ca&sslrootcert={root}"),
            "invalid server certificate: unsuitable certificate purpose; the server needs another certificate",
        ),
    ] {
        server.set_certificate(certificate);
        let url = url(&database, SUPERUSER, &format!("sslmode={parameters}"));
        let (outcome, message) = connect(&home, &url);
        assert_eq!(outcome, Refused, "{url}");
        assert!(message.contains(words), "{url}: {message}");
    }
}

#[test]
fn server_without_tls_is_rejected_if_required() {
    let home = Home::new();
    let root = Certificate::authority("authority").write(&home.path().join("authority.pem"));
    let database = shared_server().create_database();
    for mode in ["disable", "allow", "prefer"] {
        let (outcome, message) = connect(
            &home,
            &url(&database, SUPERUSER, &format!("sslmode={mode}")),
        );
        assert_eq!(outcome, Plain, "{mode}: {message}");
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let parameters = format!("sslmode={mode}&sslrootcert={root}");
        let (outcome, message) = connect(&home, &url(&database, SUPERUSER, &parameters));
        assert_eq!(outcome, Refused, "{mode}");
        assert!(
            message.contains("the server does not support TLS; if that is expected"),
            "{message}"
        );
    }
}

/// A connection that ends without the message that ends TLS is explained in words, and not by a page for programmers.
#[test]
fn cut_connections_name_no_web_page() {
    let server = TlsServer::start(&Certificate::new(CertificateSpec::default()), TRUST, &[]);
    let server = &server.postgres;
    let database = server.create_database();
    let proxy = TcpProxy::start(free_port(), server.port);
    let url = format!(
        "postgres://{SUPERUSER}@127.0.0.1:{}/{}?sslmode=require",
        proxy.port(),
        database.name
    );
    let config = ConfigSources::from_url(&url)
        .with_env("PGPASSWORD", SUPERUSER_PASSWORD)
        .connection_config();
    let mut session = WarehouseSession::open(&config).unwrap();
    session
        .execute("CREATE TEMP TABLE numbers (number INTEGER)")
        .unwrap();
    let mut copy = session.copy_in("COPY numbers FROM STDIN").unwrap();
    proxy.cut_connections();
    let error = loop {
        if let Err(error) = copy.write_all(&b"1\n".repeat(10_000)) {
            break copy_error(error);
        }
    };
    drop(copy);
    let later = session.execute("SELECT 1").unwrap_err();
    let mut session = WarehouseSession::open(&config).unwrap();
    proxy.cut_connections();
    let waiting = session.execute("SELECT 1").unwrap_err();
    for failure in [error, later, waiting] {
        let line = failure.error.to_string();
        assert!(
            line.starts_with("the connection to the warehouse was lost"),
            "{line}"
        );
        assert!(
            !line.contains("http") && !line.contains("docs.rs"),
            "{line}"
        );
    }
    // The server ends the connection within the handshake.
    let port = serve_connections(|mut connection| {
        read_untagged_message(&mut connection);
        connection.write_all(b"S").unwrap();
        let mut hello = [0; 64];
        let _ = connection.read(&mut hello);
    });
    let url = format!("postgres://me@127.0.0.1:{port}/d?sslmode=require");
    let config = ConfigSources::from_url(&url).connection_config();
    let error = WarehouseSession::open(&config).err().unwrap().to_string();
    assert!(
        !error.contains("http") && !error.contains("docs.rs"),
        "{error}"
    );
}

#[test]
fn root_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let url = format!("redshift://me@127.0.0.1?sslrootcert={}", path.display());
    let config = ConfigSources::from_url(&url).connection_config();
    for text in [
        None,
        Some(""),
        Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
    ] {
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let error = WarehouseSession::open(&config).err().unwrap().to_string();
        let expected = format!("cannot read certificates in {}", path.display());
        assert!(
            error.starts_with(&expected) && error.contains("sslrootcert"),
            "{error}"
        );
    }
}
