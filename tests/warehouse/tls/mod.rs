//! TLS against a real PostgreSQL server, compared with psql.

mod certificates;
mod channel_binding;
mod client_certificates;
mod clients;
mod fallback;
mod host_names;
mod matrix;
mod negotiation;
mod tls_server;

use std::fs;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use sparkify::internals::warehouse::connect::{WarehouseSession, copy_error};
use testkit::postgres_server::{
    PostgresServer, PostgresServerOptions, SUPERUSER, SUPERUSER_PASSWORD, TestDatabase,
    shared_server,
};

use crate::login_errors::assert_open_fails;
use crate::support::config_sources::ConfigSources;
use crate::support::scripted_server::{read_untagged_message, serve_connections};
use crate::support::tcp_proxy::{TcpProxy, free_port};

/// A certificate authority.
struct CertificateAuthority(CertifiedIssuer<'static, KeyPair>);

impl CertificateAuthority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Starts a server with a certificate for this name, or for 127.0.0.1.
    fn start_server(&self, name: Option<&str>, not_after_year: i32) -> PostgresServer {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = name.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if name.is_none() {
            let ip = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());
            params.subject_alt_names.push(ip);
        }
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(not_after_year, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        PostgresServer::start(PostgresServerOptions {
            tls: Some((certificate.pem(), key.serialize_pem())),
            ..PostgresServerOptions::default()
        })
    }

    fn write_pem(&self, path: &Path) -> String {
        fs::write(path, self.0.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A connection that ends without the message that ends TLS is explained in words, and not by a page for programmers.
#[test]
fn cut_connections_name_no_web_page() {
    let authority = CertificateAuthority::new("Authority");
    let server = authority.start_server(None, 2100);
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

/// The outcome of a connection: open with TLS, open without TLS, or an error with these words.
enum ConnectionOutcome {
    Encrypted,
    Plain,
    Fails(&'static str),
}
use ConnectionOutcome::{Encrypted, Fails, Plain};

#[track_caller]
fn assert_outcome(database: &TestDatabase, parameters: &str, outcome: &ConnectionOutcome) {
    let url = format!("{}?{parameters}", database.url());
    let config = ConfigSources::from_url(&url)
        .with_env("PGPASSWORD", SUPERUSER_PASSWORD)
        .connection_config();
    if let Fails(words) = outcome {
        return assert_open_fails(&config, &[words]);
    }
    let mut session =
        WarehouseSession::open(&config).unwrap_or_else(|e| panic!("{parameters}: {e}"));
    let rows = session
        .query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .unwrap();
    let is_encrypted = matches!(outcome, Encrypted);
    let expected = if is_encrypted { "t" } else { "f" };
    assert_eq!(rows[0][0].as_deref(), Some(expected), "{parameters}");
}

const UNKNOWN_AUTHORITY: ConnectionOutcome =
    Fails("unknown authority; give the certificate of that authority");
const WRONG_HOST: ConnectionOutcome = Fails("the server certificate is not valid for 127.0.0.1");
const EXPIRED: ConnectionOutcome = Fails("the server certificate has expired");

#[test]
fn every_sslmode_checks_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, other_authority) = (
        CertificateAuthority::new("ours"),
        CertificateAuthority::new("theirs"),
    );
    let ca_file = authority.write_pem(&folder.path().join("ours.pem"));
    let other_ca_file = other_authority.write_pem(&folder.path().join("theirs.pem"));

    let namesake = CertificateAuthority::new("ours").write_pem(&folder.path().join("namesake.pem"));

    let right = authority.start_server(None, 2100);
    let misnamed = authority.start_server(Some("elsewhere.example"), 2100);
    let expired = authority.start_server(None, 2001);
    let [right, misnamed, expired] =
        [&right, &misnamed, &expired].map(PostgresServer::create_database);

    assert_outcome(&right, "sslmode=allow", &Plain);
    for mode in ["prefer", "require"] {
        for database in [&right, &misnamed, &expired] {
            assert_outcome(database, &format!("sslmode={mode}"), &Encrypted);
        }
    }
    assert_outcome(&right, "sslmode=disable", &Plain);
    assert_outcome(&right, "", &Encrypted);
    for (database, roots, modes) in [
        (&right, &ca_file, [&Encrypted, &Encrypted, &Encrypted]),
        (
            &right,
            &other_ca_file,
            [&UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY],
        ),
        (
            &right,
            &namesake,
            [&UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY],
        ),
        (&misnamed, &ca_file, [&Encrypted, &Encrypted, &WRONG_HOST]),
        (
            &misnamed,
            &other_ca_file,
            [&UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY],
        ),
        (&expired, &ca_file, [&EXPIRED, &EXPIRED, &EXPIRED]),
    ] {
        for (mode, outcome) in ["require", "verify-ca", "verify-full"].iter().zip(modes) {
            assert_outcome(
                database,
                &format!("sslmode={mode}&sslrootcert={roots}"),
                outcome,
            );
        }
    }
    // The system does not trust this certificate authority.
    for parameters in [
        "sslmode=verify-ca",
        "sslmode=verify-full",
        "sslrootcert=system",
    ] {
        assert_outcome(&right, parameters, &UNKNOWN_AUTHORITY);
    }
}

#[test]
fn server_without_tls_is_rejected_if_required() {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = CertificateAuthority::new("ours").write_pem(&folder.path().join("ours.pem"));
    let database = shared_server().create_database();
    for mode in ["disable", "allow", "prefer"] {
        assert_outcome(&database, &format!("sslmode={mode}"), &Plain);
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let none = Fails("the server does not support TLS");
        assert_outcome(
            &database,
            &format!("sslmode={mode}&sslrootcert={ca_file}"),
            &none,
        );
    }
}

#[test]
fn ca_certificate_is_accepted_as_server_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.pem");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(&path, &certificate).unwrap();
    let server = PostgresServer::start(PostgresServerOptions {
        tls: Some((certificate, key.serialize_pem())),
        ..PostgresServerOptions::default()
    });
    let database = server.create_database();
    assert_outcome(
        &database,
        &format!("sslmode=verify-full&sslrootcert={}", path.display()),
        &Encrypted,
    );
    assert_outcome(&database, "sslmode=require", &Encrypted);
}

#[test]
fn root_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let url = format!("redshift://me@h?sslrootcert={}", path.display());
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
