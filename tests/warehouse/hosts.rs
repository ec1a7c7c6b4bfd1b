//! Several hosts in one URL, by the rules of libpq, against real servers.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sparkify::internals::warehouse::connect::{ErrorClass, WarehouseSession};
use sparkify::jobs::ConnectionConfig;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::postgres_server::{
    PostgresServer, PostgresServerOptions, SUPERUSER, SUPERUSER_PASSWORD, shared_server,
};

use crate::login_errors::assert_open_fails;
use crate::support::config_sources::ConfigSources;

fn config(hosts: &str, parameters: &str) -> ConnectionConfig {
    ConfigSources::from_url(&format!(
        "postgres://{SUPERUSER}@{hosts}/postgres?{parameters}"
    ))
    .with_env("PGPASSWORD", SUPERUSER_PASSWORD)
    .connection_config()
}

/// Returns the port of the server that a session is opened on.
fn port_of_session(config: &ConnectionConfig) -> u16 {
    let mut session = WarehouseSession::open(config).unwrap_or_else(|e| panic!("{config}: {e}"));
    let rows = session.query("SELECT inet_server_port()").unwrap();
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

/// Returns an address where nothing listens.
fn closed_address() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn first_host_that_can_be_reached_is_used() {
    let port = shared_server().port;
    let closed = closed_address();
    for hosts in [
        format!("{closed},127.0.0.1:{port}"),
        format!("no-such-host.invalid,127.0.0.1:{port}"),
        format!("127.0.0.1:{port},{closed}"),
        format!("%2Fno%2Fsuch%2Ffolder,127.0.0.1:{port}"),
    ] {
        assert_eq!(port_of_session(&config(&hosts, "")), port, "{hosts}");
    }
    // A server that accepts connections and never answers is left after the timeout.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let silent = silent.local_addr().unwrap();
    let begin = Instant::now();
    let silent_first = config(&format!("{silent},127.0.0.1:{port}"), "connect_timeout=1");
    assert_eq!(port_of_session(&silent_first), port);
    assert!(begin.elapsed() >= Duration::from_millis(900));
}

#[test]
fn address_replaces_the_lookup_of_the_name() {
    let port = shared_server().port;
    let named = config(
        &format!("no-such-host.invalid:{port}"),
        "hostaddr=127.0.0.1",
    );
    assert_eq!(port_of_session(&named), port);
    let alone = config(&format!(":{port}"), "hostaddr=127.0.0.1");
    assert_eq!(port_of_session(&alone), port);
}

#[test]
fn error_says_of_each_host_why_it_is_not_used() {
    let closed = closed_address();
    let hosts = format!("{closed},no-such-host.invalid:7");
    assert_open_fails(
        &config(&hosts, ""),
        &[
            &format!("cannot connect to postgres://{SUPERUSER}@{hosts}/postgres: {closed}: "),
            "refused",
            "no-such-host.invalid:7: host no-such-host.invalid (--warehouse) not found",
        ],
    );
}

/// A list is waited for if one of its hosts may be used later.
#[test]
fn class_of_a_list_follows_from_its_hosts() {
    let (closed, primary) = (closed_address(), shared_server().port);
    let folder = tempfile::tempdir().unwrap();
    let empty_folder = folder.path().to_str().unwrap().replace('/', "%2F");
    for (hosts, class) in [
        ("%2Fno%2Fsuch,%2Fno%2Fother".to_owned(), ErrorClass::Fatal),
        ("%2Fno%2Fsuch".to_owned(), ErrorClass::Fatal),
        (empty_folder.clone(), ErrorClass::ConnectionLost),
        (
            format!("%2Fno%2Fsuch,{empty_folder}"),
            ErrorClass::ConnectionLost,
        ),
        (format!("{closed},%2Fno%2Fsuch"), ErrorClass::ConnectionLost),
        (
            format!("%2Fno%2Fsuch,127.0.0.1:{primary}"),
            ErrorClass::ConnectionLost,
        ),
    ] {
        let config = config(&hosts, "target_session_attrs=standby");
        let failure = WarehouseSession::try_open(&config).err().unwrap();
        assert_eq!(failure.class, class, "{hosts}: {}", failure.error);
    }
}

/// As in libpq: another server would refuse the password, too.
#[test]
fn refused_login_ends_the_search() {
    let server = PostgresServer::start(PostgresServerOptions {
        hba: Some("host all all 127.0.0.1/32 reject".to_owned()),
        ..PostgresServerOptions::default()
    });
    let hosts = format!(
        "127.0.0.1:{},127.0.0.1:{}",
        server.port,
        shared_server().port
    );
    let refused = format!("(127.0.0.1:{})", server.port);
    assert_open_fails(&config(&hosts, ""), &[&refused, "28000"]);
}

#[test]
fn target_session_attrs_chooses_the_server() {
    let primary = shared_server();
    let standby = PostgresServer::start(PostgresServerOptions {
        standby: true,
        ..PostgresServerOptions::default()
    });
    let read_only = PostgresServer::start(PostgresServerOptions {
        settings: vec![("default_transaction_read_only".to_owned(), "on".to_owned())],
        ..PostgresServerOptions::default()
    });
    let [primary, standby, read_only] = [primary.port, standby.port, read_only.port];
    for (target, ports, expected) in [
        ("any", [standby, primary, read_only], standby),
        ("read-write", [standby, read_only, primary], primary),
        ("read-only", [primary, read_only, standby], read_only),
        ("primary", [standby, read_only, primary], read_only),
        ("standby", [primary, read_only, standby], standby),
        ("prefer-standby", [primary, read_only, standby], standby),
        ("prefer-standby", [primary, primary, read_only], primary),
    ] {
        let hosts = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
        let config = config(&hosts, &format!("target_session_attrs={target}"));
        assert_eq!(port_of_session(&config), expected, "{target}");
    }
    for (target, port, words) in [
        (
            "read-write",
            standby,
            "its sessions are read-only; check target_session_attrs",
        ),
        ("read-only", primary, "its sessions can write"),
        ("primary", standby, "it is a standby"),
        ("standby", primary, "it is not a standby"),
    ] {
        let hosts = format!("127.0.0.1:{port}");
        assert_open_fails(
            &config(&hosts, &format!("target_session_attrs={target}")),
            &[words],
        );
    }
}

#[test]
fn random_order_uses_every_host() {
    let server = PostgresServer::start(PostgresServerOptions::default());
    let hosts = format!(
        "127.0.0.1:{},127.0.0.1:{}",
        server.port,
        shared_server().port
    );
    let config = config(&hosts, "load_balance_hosts=random");
    let used = (0..40).map(|_| port_of_session(&config));
    assert_eq!(used.collect::<std::collections::BTreeSet<_>>().len(), 2);
}

/// A load by a service, a socket and a list of hosts, through the commands.
#[test]
fn commands_connect_by_service_socket_and_list() {
    let sandbox = Sandbox::new();
    let server = shared_server();
    let database = server.create_database().name;
    let (port, socket) = (server.port, server.dir().display());
    sandbox.write(
        "services",
        format!("[music]\nhost={socket}\nport={port}\ndbname={database}\nuser={SUPERUSER}\n"),
    );
    let closed = closed_address();
    for (url, service) in [
        ("postgres:///?service=music".to_owned(), ""),
        ("postgres://".to_owned(), "music"),
        (
            format!("postgres://{SUPERUSER}@:{port}/{database}?host={socket}"),
            "",
        ),
        (
            format!("postgres://{SUPERUSER}@{closed},127.0.0.1:{port}/{database}"),
            "",
        ),
    ] {
        let mut command = sandbox.command(&["create-tables", "--quiet", "--warehouse", &url]);
        command.env("PGSERVICEFILE", sandbox.path("services"));
        command.env("PGSERVICE", service);
        command.env("PGPASSWORD", SUPERUSER_PASSWORD);
        CommandOutput::run(&mut command).assert_success();
    }
}
