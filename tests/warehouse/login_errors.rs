//! Connecting and logging in, and the one-line message for each failure.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use secrecy::SecretString;
use sparkify::internals::warehouse::connect::{ErrorClass, WarehouseSession};
use sparkify::jobs::ConnectionConfig;
use sparkify::jobs::Dialect;
use testkit::postgres_server::{
    PostgresServer, PostgresServerOptions, SUPERUSER, SUPERUSER_PASSWORD, shared_server,
};

use crate::support::config_sources::{ConfigSources, config_of_database};
use crate::support::scripted_server::{
    backend_message, error_response, read_untagged_message, serve_connections, serve_response,
};

/// Returns the configuration of a connection to a port of this machine.
fn config_for_port(port: u16) -> ConnectionConfig {
    let url = format!("postgres://me@127.0.0.1:{port}/d?sslmode=disable");
    ConfigSources::from_url(&url)
        .with_env("PGPASSWORD", "planted")
        .connection_config()
}

/// Asserts that connecting fails with one line that contains all these words and no password.
#[track_caller]
pub fn assert_open_fails(config: &ConnectionConfig, words: &[&str]) {
    let error = match WarehouseSession::open(config) {
        Ok(_) => panic!("connected to {config}"),
        Err(error) => error.to_string(),
    };
    for words in words {
        assert!(error.contains(words), "{error}");
    }
    assert!(error.contains(&config.to_string()), "{error}");
    assert!(
        !error.contains("planted") && !error.contains(SUPERUSER_PASSWORD),
        "{error}"
    );
    assert!(!error.contains(char::is_control), "{error}");
}

#[test]
fn session_runs_statements() {
    let mut session =
        WarehouseSession::open(&config_of_database(&shared_server().create_database())).unwrap();
    session
        .execute("BEGIN; CREATE TABLE t (a INTEGER, b VARCHAR(5)); COMMIT")
        .unwrap();
    let mut copy = session.copy_in("COPY t FROM STDIN").unwrap();
    copy.write_all(b"1\tx\n2\t\\N\n").unwrap();
    copy.finish().unwrap();
    let rows = session.query("SELECT a, b FROM t ORDER BY a").unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("1"), text("x")], [text("2"), None]]);
    let (columns, _) = session.query_with_columns("SELECT * FROM t").unwrap();
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, of)| (name.as_str(), of.name()))
        .collect();
    assert_eq!(columns, [("a", "int4"), ("b", "text")]);
    let name = session.query("SHOW application_name").unwrap();
    assert_eq!(name, [[text("sparkify")]]);
}

#[test]
fn unix_socket_connects() {
    let database = shared_server().create_database();
    let folder = shared_server().dir().to_str().unwrap();
    let url = format!(
        "postgres://{SUPERUSER}@:{}/{}?host={folder}&sslmode=require",
        database.port, database.name
    );
    let config = ConfigSources::from_url(&url)
        .with_env("PGPASSWORD", SUPERUSER_PASSWORD)
        .connection_config();
    WarehouseSession::open(&config).unwrap();

    let url = format!("postgres://{SUPERUSER}@:1/d?host={folder}");
    assert_open_fails(
        &ConfigSources::from_url(&url).connection_config(),
        &["there is no such socket"],
    );
}

#[test]
fn application_name_and_options_reach_the_session() {
    let database = shared_server().create_database();
    let url = format!(
        "{}?application_name=mine&options=-c%20search_path%3Dmusic",
        database.url()
    );
    let config = ConfigSources::from_url(&url)
        .with_env("PGPASSWORD", SUPERUSER_PASSWORD)
        .connection_config();
    let mut session = WarehouseSession::open(&config).unwrap();
    let settings = session
        .query("SELECT current_setting('application_name'), current_setting('search_path')")
        .unwrap();
    assert_eq!(
        settings,
        [[Some("mine".to_owned()), Some("music".to_owned())]]
    );
}

#[test]
fn url_scheme_must_match_server() {
    let mut config = config_of_database(&shared_server().create_database());
    config.dialect = Dialect::Redshift;
    assert_open_fails(&config, &["the server is PostgreSQL", "postgres://"]);
}

#[test]
fn login_error_quotes_server_and_hints() {
    let config = config_of_database(&shared_server().create_database());
    let planted = SecretString::from("planted");
    let wrong = config.clone().with_password(Some(planted));
    assert_open_fails(
        &wrong,
        &[
            "password authentication failed",
            "28P01",
            "check the user (--warehouse) and the password",
        ],
    );
    let unknown_user = ConnectionConfig {
        user: "nobody".to_owned(),
        ..config.clone()
    };
    assert_open_fails(&unknown_user, &["28P01"]);
    let none = config.clone().with_password(None);
    assert_open_fails(
        &none,
        &[
            "the server requires a password, and none was supplied",
            "PGPASSWORD",
        ],
    );
    let missing_database = ConnectionConfig {
        database: "nowhere".to_owned(),
        ..config.clone()
    };
    assert_open_fails(
        &missing_database,
        &["does not exist (3D000)", "create the database"],
    );
    let option = ConnectionConfig {
        options: Some("-c nothing.of.it=1 -c work_mem=no".to_owned()),
        ..config
    };
    assert_open_fails(&option, &["work_mem"]);
}

/// Who is woken by a failed login learns where the wrong value is.
#[test]
fn login_error_names_the_sources_of_the_values() {
    let database = shared_server().create_database();
    let folder = tempfile::tempdir().unwrap();
    let [pgpass, services] = ["pgpass", "services"].map(|name| folder.path().join(name));
    fs::write(&pgpass, "# ours\n*:*:*:*:planted\n").unwrap();
    fs::set_permissions(&pgpass, fs::Permissions::from_mode(0o600)).unwrap();
    let port = database.port;
    let service =
        format!("[music]\nhost=127.0.0.1\nport={port}\nuser={SUPERUSER}\ndbname=nowhere\n");
    fs::write(&services, service).unwrap();
    let dwh = format!(
        "[CLUSTER]\nHOST=127.0.0.1\nDB_PORT={port}\nDB_USER={SUPERUSER}\nDB_PASSWORD=planted\n"
    );
    let [pgpass, services] = [&pgpass, &services].map(|path| path.to_str().unwrap());
    let from_url = || ConfigSources::from_url(&database.url());
    for (sources, words) in [
        (
            from_url().with_env("PGPASSWORD", "planted"),
            "check the user (--warehouse) and the password (PGPASSWORD)".to_owned(),
        ),
        (
            from_url().with_env("PGPASSFILE", pgpass),
            format!("and the password ({pgpass}, line 2)"),
        ),
        (
            ConfigSources::from_url("postgres://").with_file(&dwh),
            "check the user (dwh.cfg, line 4) and the password (dwh.cfg, line 5)".to_owned(),
        ),
        (
            ConfigSources::from_url("postgres:///?service=music")
                .with_env("PGSERVICEFILE", services)
                .with_env("PGPASSWORD", SUPERUSER_PASSWORD),
            format!("check the database name ({services}, line 5), or create the database"),
        ),
        (
            ConfigSources::from_url("postgres://me@/d").with_env("PGHOST", "no-such-host.invalid"),
            "host no-such-host.invalid (PGHOST) not found".to_owned(),
        ),
        (
            ConfigSources::from_url("postgres://me@127.0.0.1/d").with_env("PGPORT", "1"),
            "check host (--warehouse) and port (PGPORT)".to_owned(),
        ),
    ] {
        assert_open_fails(&sources.connection_config(), &[&words]);
    }
    let missing_file = from_url()
        .with_env("PGSSLMODE", "verify-ca")
        .with_env("PGSSLROOTCERT", "/no/such/file");
    let error = WarehouseSession::open(&missing_file.connection_config()).err();
    let error = error.unwrap().to_string();
    assert!(
        error.starts_with("cannot read certificates in /no/such/file: "),
        "{error}"
    );
    assert!(
        error.ends_with("; sslrootcert is set in PGSSLROOTCERT"),
        "{error}"
    );
}

/// Redshift has the same SQLSTATE for a wrong password and for a host that may not connect, and PgBouncer has one for all
/// errors.
#[test]
fn message_tells_which_login_error_it_is() {
    for (code, text, words) in [
        (
            "28000",
            "password authentication failed for user \"me\"",
            "check the user (--warehouse) and the password (PGPASSWORD)",
        ),
        (
            "28000",
            "no pg_hba.conf entry for host \"127.0.0.1\"",
            "pg_hba.conf",
        ),
        (
            "08P01",
            "SASL authentication failed",
            "check the user (--warehouse) and the password (PGPASSWORD)",
        ),
        (
            "08P01",
            "no such database: sqlserver_copy",
            "check the database name",
        ),
        ("08P01", "no such user: shutterstock", "check the user"),
        (
            "08P01",
            "server login has been failing, cached error: password authentication failed for user \"me\"",
            "check the user",
        ),
        (
            "08P01",
            "unsupported startup parameter in options: lock_timeout",
            "ignore_startup_parameters = options in pgbouncer.ini",
        ),
        (
            "08P01",
            "unsupported startup parameter: options",
            "ignore_startup_parameters = options in pgbouncer.ini",
        ),
    ] {
        let port = serve_response(error_response(code, text));
        let config = config_for_port(port);
        assert_open_fails(&config, &[text, words]);
        let failure = WarehouseSession::try_open(&config).err().unwrap();
        assert_eq!(failure.class, ErrorClass::Fatal, "{text}");
        let hint = failure.error.to_string();
        assert_eq!(
            hint.contains("pg_hba.conf"),
            words == "pg_hba.conf",
            "{hint}"
        );
    }
    for (code, text) in [
        ("57P03", "the database system is starting up"),
        ("53300", "sorry, too many clients already"),
        ("08P01", "client_login_timeout (server down)"),
        ("08P01", "query_wait_timeout"),
        ("08P01", "the database system is starting up"),
        ("08P01", "sorry, too many clients already"),
        ("08P01", "no more connections allowed (max_client_conn)"),
        (
            "08P01",
            "server login has been failing, try again later (server_login_retry)",
        ),
    ] {
        let port = serve_response(error_response(code, text));
        let failure = WarehouseSession::try_open(&config_for_port(port)).err();
        assert_eq!(failure.unwrap().class, ErrorClass::ConnectionLost, "{text}");
    }
}

/// The server refuses plain text, and closes the connection with TLS because it is stopping.
#[test]
fn one_of_two_attempts_may_succeed_later() {
    let port = serve_connections(|mut connection| {
        // A request for TLS has a code only.
        if read_untagged_message(&mut connection).len() > 4 {
            let refusal = error_response("28000", "no pg_hba.conf entry, no encryption");
            let _ = connection.write_all(&refusal);
        }
    });
    let url = format!("postgres://me@127.0.0.1:{port}/d?sslmode=allow");
    let config = ConfigSources::from_url(&url).connection_config();
    let failure = WarehouseSession::try_open(&config).err().unwrap();
    assert_eq!(
        failure.class,
        ErrorClass::ConnectionLost,
        "{}",
        failure.error
    );
    assert!(failure.error.to_string().contains("without TLS"));
}

#[test]
fn every_password_method_logs_in() {
    let hba = "host all trusted 127.0.0.1/32 trust\nhost all plain 127.0.0.1/32 password\n\
        host all old 127.0.0.1/32 md5\nhost all refused 127.0.0.1/32 reject\n\
        host all noted 127.0.0.1/32 ident\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let server = PostgresServer::start(PostgresServerOptions {
        hba: Some(hba.to_owned()),
        ..PostgresServerOptions::default()
    });
    let mut administrator = server.admin_client();
    administrator
        .batch_execute(
            "CREATE ROLE trusted LOGIN; CREATE ROLE plain LOGIN PASSWORD 'word'; \
             CREATE ROLE refused LOGIN; SET password_encryption = md5; \
             CREATE ROLE old LOGIN PASSWORD 'word'; CREATE ROLE locked PASSWORD 'word'",
        )
        .unwrap();
    let database = server.create_database();
    let config_for = |user: &str, password: Option<&str>| ConnectionConfig {
        user: user.to_owned(),
        ..config_of_database(&database).with_password(password.map(SecretString::from))
    };
    for (user, password) in [
        ("trusted", None),
        ("trusted", Some("any")),
        ("plain", Some("word")),
        ("old", Some("word")),
        (SUPERUSER, Some(SUPERUSER_PASSWORD)),
    ] {
        WarehouseSession::open(&config_for(user, password)).unwrap();
    }
    for user in ["plain", "old"] {
        assert_open_fails(&config_for(user, Some("planted")), &["28P01"]);
        assert_open_fails(&config_for(user, None), &["none was supplied"]);
    }
    assert_open_fails(&config_for("refused", None), &["28000", "pg_hba.conf"]);
    assert_open_fails(&config_for("locked", Some("word")), &["28"]);

    // The connection limit of a role is reached.
    administrator
        .batch_execute("ALTER ROLE trusted CONNECTION LIMIT 0")
        .unwrap();
    assert_open_fails(
        &config_for("trusted", None),
        &["53300", "close other sessions"],
    );
}

#[test]
fn unsupported_auth_methods_are_named() {
    let config_asking_for =
        |method: u32| config_for_port(serve_response(backend_message(b'R', &method.to_be_bytes())));
    assert_open_fails(
        &config_asking_for(13),
        &["authentication method 13", "sha256|", "MD5", "IAM"],
    );
    assert_open_fails(
        &config_asking_for(14),
        &[
            "authentication method 14",
            "use a user that logs in with a password",
        ],
    );
    for method in [2, 7, 9] {
        assert_open_fails(
            &config_asking_for(method),
            &["requires GSS, Kerberos or SSPI"],
        );
    }
}

#[test]
fn echoed_password_is_masked() {
    let port = serve_connections(|mut connection| {
        read_untagged_message(&mut connection);
        connection
            .write_all(&backend_message(b'R', &3_u32.to_be_bytes()))
            .unwrap();
        let mut letter = [0];
        connection.read_exact(&mut letter).unwrap();
        let password = read_untagged_message(&mut connection);
        let password = String::from_utf8_lossy(&password);
        let text = format!("who is {}?\n\x1b[31m", password.trim_end_matches('\0'));
        let _ = connection.write_all(&error_response("28P01", &text));
    });
    assert_open_fails(&config_for_port(port), &["who is ***?"]);
}

#[test]
fn silent_server_fails_after_connect_timeout() {
    let port = serve_connections(|mut connection| drop(connection.read_to_end(&mut Vec::new())));
    for url in [
        format!("postgres://me@127.0.0.1:{port}/d?connect_timeout=1"),
        format!("redshift://me@127.0.0.1:{port}/d?connect_timeout=1"),
    ] {
        let config = ConfigSources::from_url(&url).connection_config();
        assert_eq!(config.connect_timeout, Some(Duration::from_secs(1)));
        assert_open_fails(&config, &["timed out after 1 s", "connect_timeout"]);
    }
}

#[test]
fn unreachable_and_foreign_servers_are_named() {
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.local_addr().unwrap().port()
    };
    assert_open_fails(&config_for_port(port), &["refused", "check host and port"]);
    assert_open_fails(
        &config_for_port(serve_connections(drop)),
        &["closed the connection"],
    );
    let http = serve_connections(|mut connection| {
        read_untagged_message(&mut connection);
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    assert_open_fails(&config_for_port(http), &["check host"]);
    assert_open_fails(
        &config_for_port(serve_response(error_response(
            "57P03",
            "the database system is starting up",
        ))),
        &["57P03", "run again"],
    );

    let mut config = config_for_port(1);
    "no-such-host.invalid".clone_into(&mut config.hosts[0].host);
    assert_open_fails(
        &config,
        &[
            "host no-such-host.invalid (--warehouse) not found",
            "check the name",
        ],
    );
}
