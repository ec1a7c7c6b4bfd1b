//! A PostgreSQL server whose certificate changes while it runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{Ssl, SslContext, SslMethod, SslStream};
use openssl::x509::X509;
use testkit::postgres_server::{PostgresServer, PostgresServerOptions};

use super::certificates::{Certificate, CertificateSpec};

/// The message by which a client of PostgreSQL asks for TLS.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Lets every user in without a password.
pub const TRUST: &str = "host all all 127.0.0.1/32 trust\n";

/// A server with TLS.
pub struct TlsServer {
    pub postgres: PostgresServer,
}

impl TlsServer {
    /// Starts a server with this certificate, `pg_hba.conf` and settings.
    pub fn start(certificate: &Certificate, hba: &str, settings: &[(&str, &str)]) -> Self {
        let setting = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            postgres: PostgresServer::start(PostgresServerOptions {
                tls: Some((certificate.pem(), certificate.key_pem())),
                hba: Some(hba.to_owned()),
                settings: settings.iter().map(setting).collect(),
                ..PostgresServerOptions::default()
            }),
        }
    }

    /// Replaces the certificate, and waits until the server presents it.
    pub fn set_certificate(&self, certificate: &Certificate) {
        let folder = self.postgres.dir();
        // The files keep their owner, who must be the user of the server.
        fs::write(folder.join("server.crt"), certificate.pem()).unwrap();
        fs::write(folder.join("server.key"), certificate.key_pem()).unwrap();
        self.postgres
            .admin_client()
            .batch_execute("SELECT pg_reload_conf()")
            .unwrap();
        let expected = certificate.x509.to_der().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.presented_certificate().to_der().unwrap() != expected {
            assert!(
                Instant::now() < deadline,
                "the server does not present its new certificate:\n{}",
                fs::read_to_string(folder.join("log")).unwrap()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets clients identify themselves by certificates of this authority.
    pub fn trust_clients_of(&self, authority: &Certificate) {
        let path = authority.write(&self.postgres.dir().join("clients.crt"));
        self.postgres
            .admin_client()
            .batch_execute(&format!("ALTER SYSTEM SET ssl_ca_file = '{path}'"))
            .unwrap();
        // The new certificate shows that the server has read its settings.
        self.set_certificate(&Certificate::new(CertificateSpec::default()));
    }

    /// Returns the certificate that the server presents.
    fn presented_certificate(&self) -> X509 {
        let mut stream = TcpStream::connect(("127.0.0.1", self.postgres.port)).unwrap();
        stream.write_all(&SSL_REQUEST).unwrap();
        let mut answer = [0];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"S");
        let context = SslContext::builder(SslMethod::tls_client())
            .unwrap()
            .build();
        let mut stream = SslStream::new(Ssl::new(&context).unwrap(), stream).unwrap();
        stream.connect().unwrap();
        stream.ssl().peer_certificate().unwrap()
    }
}
