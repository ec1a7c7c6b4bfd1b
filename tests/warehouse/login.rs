//! Connecting and logging in, and the one line for each way in which that fails.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use sparkify::warehouse::connect::config::ConnectionConfig;
use sparkify::warehouse::connect::secret::Secret;
use sparkify::warehouse::connect::session::Session;
use sparkify::warehouse::dialect::Dialect;

use crate::answers::{message, read_message, refusal, says, serve};
use crate::postgres::{Options, PASSWORD, Server, USER, shared};
use crate::resolve::Sources;

/// The address of something on this machine.
fn at(port: u16) -> ConnectionConfig {
    let url = format!("postgres://me@127.0.0.1:{port}/d?sslmode=disable");
    Sources::of_url(&url).env("PGPASSWORD", "planted").address()
}

/// It fails in one line with all these words, and no password.
#[track_caller]
pub fn fails(address: &ConnectionConfig, words: &[&str]) {
    let error = match Session::open(address) {
        Ok(_) => panic!("{address} is open"),
        Err(error) => error.to_string(),
    };
    for words in words {
        assert!(error.contains(words), "{error}");
    }
    assert!(error.contains(&address.to_string()), "{error}");
    assert!(
        !error.contains("planted") && !error.contains(PASSWORD),
        "{error}"
    );
    assert!(!error.contains(char::is_control), "{error}");
}

#[test]
fn a_session_runs_statements() {
    let mut session = Session::open(&shared().database().address()).unwrap();
    session
        .execute("BEGIN; CREATE TABLE t (a INTEGER, b VARCHAR(5)); COMMIT")
        .unwrap();
    let mut copy = session.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\tx\n2\t\\N\n").unwrap();
    copy.finish().unwrap();
    let rows = session.query("SELECT a, b FROM t ORDER BY a").unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("1"), text("x")], [text("2"), None]]);
    let columns = session.describe("SELECT * FROM t").unwrap();
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, of)| (name.as_str(), of.name()))
        .collect();
    assert_eq!(columns, [("a", "int4"), ("b", "varchar")]);
    let name = session.query("SHOW application_name").unwrap();
    assert_eq!(name, [[text("sparkify")]]);
}

#[test]
fn a_socket_is_as_good_as_a_port() {
    let database = shared().database();
    let folder = shared().folder().to_str().unwrap();
    let url = format!(
        "postgres://{USER}@:{}/{}?host={folder}&sslmode=require",
        database.port, database.name
    );
    let address = Sources::of_url(&url).env("PGPASSWORD", PASSWORD).address();
    Session::open(&address).unwrap();

    let url = format!("postgres://{USER}@:1/d?host={folder}");
    fails(
        &Sources::of_url(&url).address(),
        &["there is no such socket"],
    );
}

#[test]
fn settings_reach_the_session() {
    let database = shared().database();
    let url = format!(
        "{}?application_name=mine&options=-c%20search_path%3Dmusic",
        database.url()
    );
    let address = Sources::of_url(&url).env("PGPASSWORD", PASSWORD).address();
    let mut session = Session::open(&address).unwrap();
    let settings = session
        .query("SELECT current_setting('application_name'), current_setting('search_path')")
        .unwrap();
    assert_eq!(
        settings,
        [[Some("mine".to_owned()), Some("music".to_owned())]]
    );
}

#[test]
fn the_scheme_must_be_that_of_the_warehouse() {
    let mut address = shared().database().address();
    address.dialect = Dialect::Redshift;
    fails(&address, &["it is PostgreSQL", "postgres://"]);
}

#[test]
fn what_the_server_refuses_is_said() {
    let address = shared().database().address();
    let wrong = ConnectionConfig {
        password: Some(Secret::new("planted")),
        ..address.clone()
    };
    fails(
        &wrong,
        &[
            "password authentication failed",
            "28P01",
            "check the user and the password",
        ],
    );
    let nobody = ConnectionConfig {
        user: "nobody".to_owned(),
        ..address.clone()
    };
    fails(&nobody, &["28P01"]);
    let none = ConnectionConfig {
        password: None,
        ..address.clone()
    };
    fails(
        &none,
        &[
            "the server wants a password, and none is given",
            "PGPASSWORD",
        ],
    );
    let nowhere = ConnectionConfig {
        database: "nowhere".to_owned(),
        ..address.clone()
    };
    fails(&nowhere, &["does not exist (3D000)", "create it"]);
    let option = ConnectionConfig {
        options: Some("-c nothing.of.it=1 -c work_mem=no".to_owned()),
        ..address
    };
    fails(&option, &["work_mem"]);
}

#[test]
fn every_way_to_log_in_with_a_password_works() {
    let hba = "host all trusted 127.0.0.1/32 trust\nhost all plain 127.0.0.1/32 password\n\
        host all old 127.0.0.1/32 md5\nhost all refused 127.0.0.1/32 reject\n\
        host all noted 127.0.0.1/32 ident\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let server = Server::start(Options {
        hba: Some(hba.to_owned()),
        ..Options::default()
    });
    let mut administrator = server.administrator();
    administrator
        .batch_execute(
            "CREATE ROLE trusted LOGIN; CREATE ROLE plain LOGIN PASSWORD 'word'; \
             CREATE ROLE refused LOGIN; SET password_encryption = md5; \
             CREATE ROLE old LOGIN PASSWORD 'word'; CREATE ROLE locked PASSWORD 'word'",
        )
        .unwrap();
    let database = server.database();
    let of = |user: &str, password: Option<&str>| ConnectionConfig {
        user: user.to_owned(),
        password: password.map(Secret::new),
        ..database.address()
    };
    for (user, password) in [
        ("trusted", None),
        ("trusted", Some("any")),
        ("plain", Some("word")),
        ("old", Some("word")),
        (USER, Some(PASSWORD)),
    ] {
        Session::open(&of(user, password)).unwrap();
    }
    for user in ["plain", "old"] {
        fails(&of(user, Some("planted")), &["28P01"]);
        fails(&of(user, None), &["none is given"]);
    }
    fails(&of("refused", None), &["28000", "pg_hba.conf"]);
    fails(&of("locked", Some("word")), &["28"]);

    // No more than so many at a time.
    administrator
        .batch_execute("ALTER ROLE trusted CONNECTION LIMIT 0")
        .unwrap();
    fails(&of("trusted", None), &["53300", "close other sessions"]);
}

#[test]
fn unknown_ways_to_log_in_are_named() {
    let asks = |method: u32| at(says(message(b'R', &method.to_be_bytes())));
    fails(
        &asks(13),
        &["authentication method 13", "sha256|", "MD5", "IAM"],
    );
    fails(
        &asks(14),
        &["authentication method 14", "use a user that has a password"],
    );
    for method in [2, 7, 9] {
        fails(&asks(method), &["another login than a password"]);
    }
}

#[test]
fn a_server_that_repeats_the_password_is_not_quoted() {
    let port = serve(|mut connection| {
        read_message(&mut connection);
        connection
            .write_all(&message(b'R', &3_u32.to_be_bytes()))
            .unwrap();
        let mut letter = [0];
        connection.read_exact(&mut letter).unwrap();
        let password = read_message(&mut connection);
        let password = String::from_utf8_lossy(&password);
        let text = format!("who is {}?\n\x1b[31m", password.trim_end_matches('\0'));
        let _ = connection.write_all(&refusal("28P01", &text));
    });
    fails(&at(port), &["who is ***?"]);
}

#[test]
fn a_server_that_says_nothing_is_waited_for_as_long_as_it_says() {
    let port = serve(|mut connection| drop(connection.read_to_end(&mut Vec::new())));
    for url in [
        format!("postgres://me@127.0.0.1:{port}/d?connect_timeout=1"),
        format!("redshift://me@127.0.0.1:{port}/d?connect_timeout=1"),
    ] {
        let address = Sources::of_url(&url).address();
        assert_eq!(address.connect_timeout, Some(Duration::from_secs(1)));
        fails(&address, &["no answer within 1 s", "connect_timeout"]);
    }
}

#[test]
fn servers_that_are_none_are_named() {
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    fails(&at(port), &["refused", "nobody listens there"]);
    fails(&at(serve(drop)), &["closed the connection"]);
    let http = serve(|mut connection| {
        read_message(&mut connection);
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    fails(&at(http), &["check host"]);
    fails(
        &at(says(refusal("57P03", "the database system is starting up"))),
        &["57P03", "run again"],
    );

    let mut address = at(1);
    "no-such-host.invalid".clone_into(&mut address.host);
    fails(
        &address,
        &[
            "the host no-such-host.invalid is not found",
            "check its name",
        ],
    );
}
