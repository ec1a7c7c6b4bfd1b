//! Servers that negotiate TLS in another way, or fail to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use openssl::ssl::{AlpnError, SslAcceptor, SslMethod, SslStream, select_next_proto};
use sparkify::internals::warehouse::connect::WarehouseSession;
use testkit::postgres_server::{TestDatabase, shared_server};

use super::certificates::{Certificate, CertificateSpec};
use super::clients::Outcome::{Encrypted, Refused};
use super::clients::{Home, config, connect, url};
use super::tls_server::{SSL_REQUEST, TRUST, TlsServer};
use crate::support::scripted_server::serve_connections;

/// How a terminator of TLS begins.
#[derive(Clone, Copy)]
enum Beginning {
    /// It answers a request of the client.
    Request,
    /// It expects the handshake, and confirms the protocol by ALPN.
    Direct,
    /// It expects the handshake, and does not know ALPN.
    DirectWithoutAlpn,
}

/// Starts a terminator of TLS in front of the shared server, which cuts the connection without the end of the TLS stream
/// when the client sends `cut`.
fn start_terminator(beginning: Beginning) -> TestDatabase {
    let certificate = Certificate::new(CertificateSpec::default());
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&certificate.x509).unwrap();
    acceptor.set_private_key(&certificate.key).unwrap();
    if let Beginning::Direct = beginning {
        acceptor.set_alpn_select_callback(|_, offered| {
            select_next_proto(b"\x0apostgresql", offered).ok_or(AlpnError::ALERT_FATAL)
        });
    }
    let acceptor = Arc::new(acceptor.build());
    let database = shared_server().create_database();
    let server_port = database.port;
    let port = serve_connections(move |mut client| {
        if let Beginning::Request = beginning {
            client.read_exact(&mut [0; SSL_REQUEST.len()]).unwrap();
            client.write_all(b"S").unwrap();
        }
        if let Ok(client) = acceptor.accept(client) {
            forward(
                client,
                TcpStream::connect(("127.0.0.1", server_port)).unwrap(),
            );
        }
    });
    TestDatabase { port, ..database }
}

/// Forwards bytes in both directions until one side ends, or the client sends `cut`.
fn forward(mut client: SslStream<TcpStream>, mut server: TcpStream) {
    let timeout = Some(Duration::from_millis(2));
    client.get_ref().set_read_timeout(timeout).unwrap();
    server.set_read_timeout(timeout).unwrap();
    let mut buffer = [0; 16384];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) if buffer[..length].windows(3).any(|text| text == b"cut") => {
                client.get_ref().shutdown(Shutdown::Both).unwrap();
                return;
            }
            Ok(length) => server.write_all(&buffer[..length]).unwrap(),
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
        match server.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => client.write_all(&buffer[..length]).unwrap(),
            Err(error) if is_timeout(&error) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock
            | std::io::ErrorKind::TimedOut
            | std::io::ErrorKind::Interrupted
    )
}

/// Asserts that connecting fails with these words.
#[track_caller]
fn assert_refused(database: &TestDatabase, parameters: &str, words: &[&str]) {
    let url = url(database, &database.user, parameters);
    let (outcome, message) = connect(&Home::new(), &url);
    assert_eq!(outcome, Refused, "{parameters}");
    for words in words {
        assert!(message.contains(words), "{message}");
    }
    assert!(
        !message.contains("error:") && !message.contains("http"),
        "{message}"
    );
}

#[test]
fn direct_negotiation_begins_with_the_handshake() {
    let direct = "sslmode=require&sslnegotiation=direct";
    let database = start_terminator(Beginning::Direct);
    let direct_url = url(&database, &database.user, direct);
    let session = WarehouseSession::open(&config(&Home::new(), &direct_url).unwrap());
    let mut session = session.unwrap();
    let rows = session.query("SELECT 1").unwrap();
    assert_eq!(rows, [[Some("1".to_owned())]]);

    assert_refused(
        &start_terminator(Beginning::DirectWithoutAlpn),
        direct,
        &[
            "does not confirm that it speaks PostgreSQL's protocol",
            "sslnegotiation=direct requires",
        ],
    );
    let old = TlsServer::start(&Certificate::new(CertificateSpec::default()), TRUST, &[]);
    let database = old.postgres.create_database();
    assert_eq!(
        connect(
            &Home::new(),
            &url(&database, &database.user, "sslmode=require")
        )
        .0,
        Encrypted
    );
    assert_refused(
        &database,
        direct,
        &[
            "the server closed the connection during the TLS handshake",
            "sslnegotiation=direct requires PostgreSQL 17 or later",
        ],
    );
}

#[test]
fn cut_connection_is_explained() {
    let database = start_terminator(Beginning::Request);
    let url = url(&database, &database.user, "sslmode=require");
    let mut session = WarehouseSession::open(&config(&Home::new(), &url).unwrap()).unwrap();
    let error = session.query("SELECT 'cut'").unwrap_err().error.to_string();
    assert_eq!(
        error,
        "the connection to the warehouse was lost: connection closed"
    );
}

#[test]
fn failed_handshakes_are_explained() {
    let database = |port| TestDatabase {
        host: "127.0.0.1".to_owned(),
        port,
        name: "d".to_owned(),
        user: "me".to_owned(),
        password: String::new(),
    };
    let answer_request = |answer: &'static [u8]| {
        database(serve_connections(move |mut client| {
            client.read_exact(&mut [0; SSL_REQUEST.len()]).unwrap();
            client.write_all(answer).unwrap();
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read_to_end(&mut Vec::new());
        }))
    };
    assert_refused(
        &answer_request(b"S"),
        "sslmode=require",
        &[
            "the server closed the connection during the TLS handshake",
            "check that host and port",
        ],
    );
    assert_refused(
        &answer_request(b"SHTTP/1.1 400 Bad Request\r\n\r\n"),
        "sslmode=require",
        &[
            "the server does not answer with TLS",
            "check that host and port",
        ],
    );
    // A fatal alert that the handshake failed.
    assert_refused(
        &answer_request(b"S\x15\x03\x03\x00\x02\x02\x28"),
        "sslmode=require",
        &["the TLS handshake failed: ", "alert handshake failure"],
    );
    assert_refused(
        &answer_request(b"N"),
        "sslmode=require",
        &["the server does not support TLS"],
    );
    assert_refused(
        &answer_request(b"E"),
        "sslmode=require",
        &["the server does not support TLS"],
    );
}
