//! Client certificates, compared with psql.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openssl::symm::Cipher;
use testkit::postgres_server::{SUPERUSER, TestDatabase};

use super::certificates::{Certificate, CertificateSpec, KeyKind};
use super::clients::Outcome::{Encrypted, Plain, Refused};
use super::clients::{Home, connect, connect_psql, url};
use super::tls_server::TlsServer;

const HBA: &str = "hostssl all anna 127.0.0.1/32 cert\nhost all all 127.0.0.1/32 trust\n";

/// A server on which the user `anna` logs in with a certificate.
struct Fixture {
    _server: TlsServer,
    database: TestDatabase,
    authority: Certificate,
    home: Home,
}

impl Fixture {
    fn new(settings: &[(&str, &str)]) -> Self {
        let authority = Certificate::authority("clients");
        let server = TlsServer::start(&Certificate::new(CertificateSpec::default()), HBA, settings);
        server.trust_clients_of(&authority);
        server
            .postgres
            .admin_client()
            .batch_execute("CREATE ROLE anna LOGIN")
            .unwrap();
        Self {
            database: server.postgres.create_database(),
            _server: server,
            authority,
            home: Home::new(),
        }
    }

    fn certificate(&self, name: &str, key: KeyKind) -> Certificate {
        Certificate::new(CertificateSpec {
            common_name: name,
            is_for_clients: true,
            key,
            issuer: Some(&self.authority),
            ..CertificateSpec::default()
        })
    }

    /// Writes the certificate and its key, and returns the parameters that name them.
    fn write(&self, name: &str, certificate: &Certificate) -> String {
        let (certificate_path, key_path) = self.paths(name);
        fs::write(&certificate_path, certificate.pem()).unwrap();
        write_key(&key_path, certificate.key_pem());
        format!("sslcert={certificate_path}&sslkey={key_path}")
    }

    fn paths(&self, name: &str) -> (String, String) {
        let path = |ending: &str| self.home.path().join(format!("{name}.{ending}"));
        let path = |ending: &str| path(ending).to_str().unwrap().to_owned();
        (path("crt"), path("key"))
    }

    fn url(&self, parameters: &str) -> String {
        url(
            &self.database,
            "anna",
            &format!("sslmode=require&{parameters}"),
        )
    }

    /// Asserts that both clients log in.
    #[track_caller]
    fn assert_logs_in(&self, parameters: &str) {
        let url = self.url(parameters);
        let (psql, own) = (
            connect_psql(&self.database, &self.home, &url),
            connect(&self.home, &url),
        );
        assert_eq!(own.0, Encrypted, "{parameters}: {}", own.1);
        assert_eq!(psql.0, Encrypted, "{parameters}: {}", psql.1);
    }

    /// Asserts that neither client logs in, and that this program says why.
    #[track_caller]
    fn assert_refused(&self, parameters: &str, words: &str) {
        let url = self.url(parameters);
        let psql = connect_psql(&self.database, &self.home, &url);
        assert_eq!(psql.0, Refused, "{parameters}: {}", psql.1);
        self.assert_own_is_refused(parameters, words);
    }

    #[track_caller]
    fn assert_own_is_refused(&self, parameters: &str, words: &str) {
        let own = connect(&self.home, &self.url(parameters));
        assert_eq!(own.0, Refused, "{parameters}");
        assert!(own.1.contains(words), "{parameters}: {}", own.1);
        assert!(!own.1.contains("planted"), "{}", own.1);
    }
}

fn write_key(path: impl AsRef<Path>, key: impl AsRef<[u8]>) {
    fs::write(&path, key).unwrap();
    set_mode(path, 0o600);
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn certificate_of_the_user_logs_in() {
    let fixture = Fixture::new(&[]);
    for key in [KeyKind::P256, KeyKind::Rsa, KeyKind::Ed25519] {
        let named = fixture.write("anna", &fixture.certificate("anna", key));
        fixture.assert_logs_in(&named);
    }
    let intermediate = Certificate::new(CertificateSpec {
        common_name: "intermediate",
        is_authority: true,
        issuer: Some(&fixture.authority),
        ..CertificateSpec::default()
    });
    let by_intermediate = Certificate::new(CertificateSpec {
        common_name: "anna",
        issuer: Some(&intermediate),
        sends_issuer: true,
        ..CertificateSpec::default()
    });
    fixture.assert_logs_in(&fixture.write("chain", &by_intermediate));

    // The key may also be DER, or in the file of the certificate.
    let anna = fixture.certificate("anna", KeyKind::Rsa);
    let named = fixture.write("der", &anna);
    write_key(
        fixture.paths("der").1,
        anna.key.private_key_to_der().unwrap(),
    );
    fixture.assert_logs_in(&named);
    let (combined, _) = fixture.paths("combined");
    write_key(&combined, anna.pem() + &anna.key_pem());
    fixture.assert_logs_in(&format!("sslcert={combined}&sslkey={combined}"));
}

#[test]
fn files_in_the_home_directory_are_used() {
    let fixture = Fixture::new(&[]);
    let missing = "connection requires a valid client certificate (28000)";
    fixture.assert_refused("", missing);
    let anna = fixture.certificate("anna", KeyKind::P256);
    fs::write(fixture.home.file("postgresql.crt"), anna.pem()).unwrap();
    let no_key = format!(
        "cannot use the private key in {}",
        fixture.home.file("postgresql.key").display()
    );
    fixture.assert_refused("", &no_key);
    write_key(fixture.home.file("postgresql.key"), anna.key_pem());
    fixture.assert_logs_in("");
    fixture.assert_own_is_refused("sslcertmode=disable", missing);

    // A root certificate there is checked in every mode.
    fixture.authority.write(&fixture.home.file("root.crt"));
    fixture.assert_refused("", "the server certificate is self-signed");
}

#[test]
fn rejected_certificates_are_explained() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let limit = format!("'{version}'");
        let fixture = Fixture::new(&[("ssl_max_protocol_version", &limit)]);
        fixture.assert_refused("", "connection requires a valid client certificate (28000)");
        let bert = fixture.write("bert", &fixture.certificate("bert", KeyKind::P256));
        fixture.assert_refused(
            &bert,
            "certificate authentication failed for user \"anna\" (28000)",
        );
        let self_signed = Certificate::new(CertificateSpec {
            common_name: "anna",
            ..CertificateSpec::default()
        });
        let foreign = fixture.write("foreign", &self_signed);
        let database = &fixture.database;
        let url = fixture.url(&foreign);
        assert_eq!(connect_psql(database, &fixture.home, &url).0, Refused);
        let (outcome, message) = connect(&fixture.home, &url);
        assert_eq!(outcome, Refused);
        // The end of the connection may overtake the reason.
        assert!(
            message.contains(
                "the server rejected the client certificate (tlsv1 alert unknown ca); check sslcert and sslkey"
            ) || message.contains("the server closed the connection"),
            "{message}"
        );
    }
}

#[test]
fn unusable_files_are_explained() {
    let fixture = Fixture::new(&[]);
    let anna = fixture.certificate("anna", KeyKind::P256);
    let named = fixture.write("anna", &anna);
    let (certificate_path, key_path) = fixture.paths("anna");

    set_mode(&key_path, 0o644);
    let shared = format!(
        "cannot use the private key in {key_path}: it has group or world access; run chmod 600 {key_path}"
    );
    fixture.assert_refused(&named, &shared);
    write_key(&key_path, "no key");
    fixture.assert_refused(
        &named,
        "it contains no private key; sslkey must name a PEM or DER file",
    );
    write_key(
        &key_path,
        fixture.certificate("anna", KeyKind::P256).key_pem(),
    );
    fixture.assert_refused(
        &named,
        &format!("with the key in {key_path}: key values mismatch"),
    );
    fs::remove_file(&key_path).unwrap();
    fixture.assert_refused(&named, &format!("{key_path}: No such file or directory"));
    write_key(&key_path, anna.key_pem());
    fs::write(&certificate_path, "").unwrap();
    let unusable =
        format!("cannot use the client certificate in {certificate_path}: no certificates found");
    fixture.assert_refused(&named, &unusable);
    // psql ignores a certificate that does not exist.
    fs::remove_file(&certificate_path).unwrap();
    fixture.assert_refused(
        &named,
        &format!("{certificate_path}: No such file or directory"),
    );
}

#[test]
fn encrypted_key_needs_its_password() {
    let fixture = Fixture::new(&[]);
    let anna = fixture.certificate("anna", KeyKind::P256);
    let named = fixture.write("anna", &anna);
    let (_, key_path) = fixture.paths("anna");
    let encrypted = anna
        .key
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"planted word")
        .unwrap();
    write_key(&key_path, encrypted);
    fixture.assert_own_is_refused(&named, "it is encrypted; give its password as sslpassword");
    fixture.assert_refused(
        &format!("{named}&sslpassword=planted%20sword"),
        "it is encrypted, and sslpassword does not decrypt it",
    );
    fixture.assert_logs_in(&format!("{named}&sslpassword=planted%20word"));
}

#[test]
fn prefer_ignores_unusable_files_only_if_nobody_names_them() {
    let fixture = Fixture::new(&[]);
    let anna = fixture.certificate("anna", KeyKind::P256);
    let home_key = fixture.home.file("postgresql.key");
    fs::write(fixture.home.file("postgresql.crt"), anna.pem()).unwrap();
    write_key(&home_key, anna.key_pem());
    set_mode(&home_key, 0o644);
    let database = &fixture.database;
    let prefer =
        |parameters: &str| url(database, SUPERUSER, &format!("sslmode=prefer{parameters}"));
    let default_files = prefer("");
    assert_eq!(
        connect_psql(database, &fixture.home, &default_files).0,
        Plain
    );
    assert_eq!(connect(&fixture.home, &default_files).0, Plain);
    let (outcome, message) = connect(&fixture.home, &prefer("&sslrootcert=/nowhere.pem"));
    assert_eq!(outcome, Refused);
    assert!(
        message.contains("cannot read certificates in /nowhere.pem"),
        "{message}"
    );
}
