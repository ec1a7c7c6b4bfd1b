//! TLS against a real PostgreSQL: every `sslmode` on every kind of certificate.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use sparkify::warehouse::connect::session::Session;

use crate::login::assert_open_fails;
use crate::support::config_sources::ConfigSources;
use crate::support::postgres_server::{
    Database, PostgresServer, SUPERUSER_PASSWORD, ServerOptions, shared_server,
};

/// An authority, which signs certificates.
struct CertificateAuthority(CertifiedIssuer<'static, KeyPair>);

impl CertificateAuthority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server with a certificate for this name, or for 127.0.0.1.
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
        PostgresServer::start(ServerOptions {
            tls: Some((certificate.pem(), key.serialize_pem())),
            ..ServerOptions::default()
        })
    }

    fn write_pem(&self, path: &Path) -> String {
        fs::write(path, self.0.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// What becomes of it: open with or without TLS, or these words.
enum Outcome {
    Encrypted,
    Plain,
    Fails(&'static str),
}
use Outcome::{Encrypted, Fails, Plain};

#[track_caller]
fn assert_outcome(database: &Database, parameters: &str, end: &Outcome) {
    let url = format!("{}?{parameters}", database.url());
    let address = ConfigSources::from_url(&url)
        .with_env("PGPASSWORD", SUPERUSER_PASSWORD)
        .connection_config();
    if let Fails(words) = end {
        return assert_open_fails(&address, &[words]);
    }
    let mut session = Session::open(&address).unwrap_or_else(|e| panic!("{parameters}: {e}"));
    let rows = session
        .query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .unwrap();
    let is_encrypted = matches!(end, Encrypted);
    let expected = if is_encrypted { "t" } else { "f" };
    assert_eq!(rows[0][0].as_deref(), Some(expected), "{parameters}");
}

const UNKNOWN_AUTHORITY: Outcome =
    Fails("unknown authority; give the certificate of that authority");
const WRONG_HOST: Outcome = Fails("the server certificate is not valid for 127.0.0.1");
const EXPIRED: Outcome = Fails("the server certificate has expired");

#[test]
fn every_sslmode_checks_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (
        CertificateAuthority::new("ours"),
        CertificateAuthority::new("theirs"),
    );
    let known = ours.write_pem(&folder.path().join("ours.pem"));
    let other = theirs.write_pem(&folder.path().join("theirs.pem"));

    let namesake = CertificateAuthority::new("ours").write_pem(&folder.path().join("namesake.pem"));

    let right = ours.start_server(None, 2100);
    let misnamed = ours.start_server(Some("elsewhere.example"), 2100);
    let expired = ours.start_server(None, 2001);
    let [right, misnamed, expired] =
        [&right, &misnamed, &expired].map(PostgresServer::create_database);

    for mode in ["allow", "prefer", "require"] {
        for database in [&right, &misnamed, &expired] {
            assert_outcome(database, &format!("sslmode={mode}"), &Encrypted);
        }
    }
    assert_outcome(&right, "sslmode=disable", &Plain);
    assert_outcome(&right, "", &Encrypted);
    for (database, roots, modes) in [
        (&right, &known, [&Encrypted, &Encrypted, &Encrypted]),
        (
            &right,
            &other,
            [&UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY],
        ),
        (
            &right,
            &namesake,
            [&UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY],
        ),
        (&misnamed, &known, [&Encrypted, &Encrypted, &WRONG_HOST]),
        (
            &misnamed,
            &other,
            [&UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY, &UNKNOWN_AUTHORITY],
        ),
        (&expired, &known, [&EXPIRED, &EXPIRED, &EXPIRED]),
    ] {
        for (mode, end) in ["require", "verify-ca", "verify-full"].iter().zip(modes) {
            assert_outcome(
                database,
                &format!("sslmode={mode}&sslrootcert={roots}"),
                end,
            );
        }
    }
    // Who names an authority wants it checked.
    assert_outcome(&right, &format!("sslrootcert={known}"), &Encrypted);
    assert_outcome(&misnamed, &format!("sslrootcert={known}"), &WRONG_HOST);
    assert_outcome(&right, &format!("sslrootcert={other}"), &UNKNOWN_AUTHORITY);
    // No system trusts an authority of ours.
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
    let known = CertificateAuthority::new("ours").write_pem(&folder.path().join("ours.pem"));
    let database = shared_server().create_database();
    for mode in ["disable", "allow", "prefer"] {
        assert_outcome(&database, &format!("sslmode={mode}"), &Plain);
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let none = Fails("the server does not support TLS");
        assert_outcome(
            &database,
            &format!("sslmode={mode}&sslrootcert={known}"),
            &none,
        );
    }
}

#[test]
fn ca_certificate_is_rejected_as_server_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.pem");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(&path, &certificate).unwrap();
    let server = PostgresServer::start(ServerOptions {
        tls: Some((certificate, key.serialize_pem())),
        ..ServerOptions::default()
    });
    let database = server.create_database();
    let refused = Fails("invalid server certificate: ");
    assert_outcome(
        &database,
        &format!("sslrootcert={}", path.display()),
        &refused,
    );
    assert_outcome(&database, "sslmode=require", &Encrypted);
}

#[test]
fn root_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let url = format!("redshift://me@h?sslrootcert={}", path.display());
    let address = ConfigSources::from_url(&url).connection_config();
    for text in [
        None,
        Some(""),
        Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
    ] {
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        let error = Session::open(&address).err().unwrap().to_string();
        let expected = format!("cannot read certificates in {}", path.display());
        assert!(
            error.starts_with(&expected) && error.contains("sslrootcert"),
            "{error}"
        );
    }
}
