//! TLS against a real PostgreSQL: every `sslmode` on every kind of certificate.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use sparkify::warehouse::connect::session::Session;

use crate::login::fails;
use crate::postgres::{Database, Options, PASSWORD, Server, shared};
use crate::resolve::Sources;

/// An authority, which signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server with a certificate for this name, or for 127.0.0.1.
    fn server(&self, name: Option<&str>, until: i32) -> Server {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = name.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if name.is_none() {
            let ip = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());
            params.subject_alt_names.push(ip);
        }
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Server::start(Options {
            tls: Some((certificate.pem(), key.serialize_pem())),
            ..Options::default()
        })
    }

    fn write(&self, path: &Path) -> String {
        fs::write(path, self.0.pem()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// What becomes of it: open with or without TLS, or these words.
enum End {
    Encrypted,
    Plain,
    Fails(&'static str),
}
use End::{Encrypted, Fails, Plain};

#[track_caller]
fn ends(database: &Database, parameters: &str, end: &End) {
    let url = format!("{}?{parameters}", database.url());
    let address = Sources::of_url(&url).env("PGPASSWORD", PASSWORD).address();
    if let Fails(words) = end {
        return fails(&address, &[words]);
    }
    let mut session = Session::open(&address).unwrap_or_else(|e| panic!("{parameters}: {e}"));
    let rows = session
        .query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        .unwrap();
    let is_encrypted = matches!(end, Encrypted);
    let expected = if is_encrypted { "t" } else { "f" };
    assert_eq!(rows[0][0].as_deref(), Some(expected), "{parameters}");
}

const UNKNOWN: End = Fails("unknown authority; name a file with the certificate of that authority");
const NAME: End = Fails("the certificate of the server is not for 127.0.0.1");
const EXPIRED: End = Fails("the certificate of the server has expired");

#[test]
fn every_mode_checks_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let known = ours.write(&folder.path().join("ours.pem"));
    let other = theirs.write(&folder.path().join("theirs.pem"));

    let namesake = Authority::new("ours").write(&folder.path().join("namesake.pem"));

    let right = ours.server(None, 2100);
    let misnamed = ours.server(Some("elsewhere.example"), 2100);
    let expired = ours.server(None, 2001);
    let [right, misnamed, expired] = [&right, &misnamed, &expired].map(Server::database);

    for mode in ["allow", "prefer", "require"] {
        for database in [&right, &misnamed, &expired] {
            ends(database, &format!("sslmode={mode}"), &Encrypted);
        }
    }
    ends(&right, "sslmode=disable", &Plain);
    ends(&right, "", &Encrypted);
    for (database, roots, modes) in [
        (&right, &known, [&Encrypted, &Encrypted, &Encrypted]),
        (&right, &other, [&UNKNOWN, &UNKNOWN, &UNKNOWN]),
        (&right, &namesake, [&UNKNOWN, &UNKNOWN, &UNKNOWN]),
        (&misnamed, &known, [&Encrypted, &Encrypted, &NAME]),
        (&misnamed, &other, [&UNKNOWN, &UNKNOWN, &UNKNOWN]),
        (&expired, &known, [&EXPIRED, &EXPIRED, &EXPIRED]),
    ] {
        for (mode, end) in ["require", "verify-ca", "verify-full"].iter().zip(modes) {
            ends(
                database,
                &format!("sslmode={mode}&sslrootcert={roots}"),
                end,
            );
        }
    }
    // Who names an authority wants it checked.
    ends(&right, &format!("sslrootcert={known}"), &Encrypted);
    ends(&misnamed, &format!("sslrootcert={known}"), &NAME);
    ends(&right, &format!("sslrootcert={other}"), &UNKNOWN);
    // No system trusts an authority of ours.
    for parameters in [
        "sslmode=verify-ca",
        "sslmode=verify-full",
        "sslrootcert=system",
    ] {
        ends(&right, parameters, &UNKNOWN);
    }
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let known = Authority::new("ours").write(&folder.path().join("ours.pem"));
    let database = shared().database();
    for mode in ["disable", "allow", "prefer"] {
        ends(&database, &format!("sslmode={mode}"), &Plain);
    }
    for mode in ["require", "verify-ca", "verify-full"] {
        let none = Fails("the server has no TLS");
        ends(
            &database,
            &format!("sslmode={mode}&sslrootcert={known}"),
            &none,
        );
    }
}

#[test]
fn an_authority_that_signed_itself_is_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.pem");
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(&path, &certificate).unwrap();
    let server = Server::start(Options {
        tls: Some((certificate, key.serialize_pem())),
        ..Options::default()
    });
    let database = server.database();
    let refused = Fails("the certificate of the server is refused: ");
    ends(
        &database,
        &format!("sslrootcert={}", path.display()),
        &refused,
    );
    ends(&database, "sslmode=require", &Encrypted);
}

#[test]
fn a_file_without_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let url = format!("redshift://me@h?sslrootcert={}", path.display());
    let address = Sources::of_url(&url).address();
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
