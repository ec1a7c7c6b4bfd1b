//! Faults of a PostgreSQL server, of its tables and of the way to it.

use std::io::{Read, Write};

use testkit::cli::checks::Checks;
use testkit::cli::output::CommandOutput;
use testkit::postgres_server::{
    PostgresServer, PostgresServerOptions, SUPERUSER_PASSWORD, shared_server,
};
use testkit::redshift_simulator::WarehouseKind;

use crate::support::scripted_server::{read_untagged_message, serve_connections};
use crate::support::tcp_proxy::free_port;
use crate::support::test_warehouse::TestWarehouse;
use crate::tls::certificates::{AlternativeName, Certificate, CertificateSpec};
use crate::tls::tls_server::{TRUST, TlsServer};

/// Makes the checks of a warehouse alone.
fn doctor(warehouse: &TestWarehouse, url: &str) -> Checks {
    let mut command = warehouse.sparkify(&["doctor", "--json", "--warehouse", url]);
    Checks::from_output(CommandOutput::run(&mut command))
}

/// Returns the names and numbers of rows of all tables, temporary ones too.
fn relations(warehouse: &TestWarehouse) -> Vec<String> {
    let query = "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND c.relkind IN ('r', 'v') ORDER BY 1";
    let rows = warehouse.admin_client().query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn healthy_warehouse_passes_all_checks() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    warehouse.generate_input("data", &["--events", "100", "--songs", "9", "--seed", "1"]);
    let before = relations(&warehouse);
    let arguments = [
        "doctor",
        "--json",
        "--songs",
        "data/song_data",
        "--logs",
        "data/log_data",
        "--out",
        "out",
    ];
    let checks = Checks::from_output(warehouse.run_command(&arguments));
    checks.assert_no_failure(&[]);
    let names = [
        "versions",
        "songs-list",
        "songs-read",
        "logs-list",
        "logs-read",
        "out-write",
        "disk",
        "warehouse-dns",
        "warehouse-tcp",
        "warehouse-tls",
        "warehouse-login",
        "warehouse-version",
        "warehouse-encoding",
        "warehouse-time-zone",
        "tables",
        "privileges",
        "table-rows",
    ];
    assert_eq!(checks.with_status("ok"), names);
    assert_eq!(checks.with_status("skipped"), ["warehouse-certificate"]);
    assert_eq!(relations(&warehouse), before);
    assert!(!warehouse.path("out").exists());
}

#[test]
fn faults_on_the_way_to_the_server_are_named_once() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    let url = warehouse.url();
    let port = format!(":{}/", warehouse.database().port);
    let web_server = serve_connections(|mut connection| {
        let _ = connection.read(&mut [0; 64]);
        let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let silent = serve_connections(|mut connection| {
        read_untagged_message(&mut connection);
        std::mem::forget(connection);
    });
    for (case, url, id, remedy) in [
        (
            "no such name",
            url.replace("127.0.0.1", "no-such-host.invalid"),
            "warehouse-dns",
            "check the name",
        ),
        (
            "closed port",
            url.replace(&port, &format!(":{}/", free_port())),
            "warehouse-tcp",
            "that the server is running",
        ),
        (
            "TLS that is required and not supported",
            format!("{url}?sslmode=require"),
            "warehouse-tls",
            "use sslmode=prefer or sslmode=disable",
        ),
        (
            "web server",
            url.replace(&port, &format!(":{web_server}/")),
            "warehouse-tls",
            "check host and port",
        ),
        (
            "server that does not answer",
            url.replace(&port, &format!(":{silent}/")) + "?connect_timeout=1",
            "warehouse-tls",
            "raise connect_timeout",
        ),
        (
            "no such database",
            format!(
                "{}nothing",
                url.split_once(&port).unwrap().0.to_owned() + &port
            ),
            "warehouse-login",
            "or create the database",
        ),
        (
            "no such user",
            url.replace("loader@", "nobody@"),
            "warehouse-login",
            "check",
        ),
    ] {
        doctor(&warehouse, &url).assert_only_failure(case, id, remedy);
    }
    // A socket has neither a name nor a port nor TLS.
    let server = shared_server();
    let name = server.create_database().name;
    let url = format!(
        "postgres://{}@/{name}?host={}&port={}",
        testkit::postgres_server::SUPERUSER,
        server.dir().display(),
        server.port
    );
    let mut command = warehouse.sparkify(&["doctor", "--json", "--warehouse", &url]);
    command.env("PGPASSWORD", SUPERUSER_PASSWORD);
    let checks = Checks::from_output(CommandOutput::run(&mut command));
    checks.assert_only_failure("socket", "tables", "sparkify create-tables");
    assert_eq!(checks.field("warehouse-login", "status"), "ok");
}

#[test]
fn certificates_that_are_not_accepted_are_named_once() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    let authority = Certificate::authority("authority");
    let spec = CertificateSpec {
        alternative_names: &[AlternativeName::Ip("127.0.0.1")],
        issuer: Some(&authority),
        ..CertificateSpec::default()
    };
    let right = Certificate::new(spec);
    let misnamed = Certificate::new(CertificateSpec {
        alternative_names: &[AlternativeName::Dns("elsewhere.example")],
        ..spec
    });
    let expired = Certificate::new(CertificateSpec {
        years: (2000, 2001),
        ..spec
    });
    warehouse.write_file("authority.pem", &authority.pem());
    let root = warehouse.path("authority.pem").display().to_string();
    let server = TlsServer::start(&right, TRUST, &[]);
    let url = server.postgres.create_database().url();
    let verified = format!("{url}?sslmode=verify-full&sslrootcert={root}");
    // Everything up to the tables, which are not there.
    let checks = doctor(&warehouse, &verified);
    checks.assert_only_failure("right", "tables", "sparkify create-tables");
    let message = checks.field("warehouse-certificate", "message");
    assert!(
        message.starts_with("certificate server, trusted, expires in "),
        "{message}"
    );
    let system = format!("{url}?sslmode=verify-full&sslrootcert=system");
    let id = "warehouse-certificate";
    doctor(&warehouse, &system).assert_only_failure("authority", id, "give the certificate of");
    server.set_certificate(&misnamed);
    doctor(&warehouse, &verified).assert_only_failure("name", id, "use a host name that");
    server.set_certificate(&expired);
    doctor(&warehouse, &verified).assert_only_failure("expired", id, "renew it");
    // It is accepted, because it is not verified.
    let checks = doctor(&warehouse, &format!("{url}?sslmode=require"));
    checks.assert_only_failure("require", "tables", "sparkify create-tables");
    assert_eq!(checks.with_status("warning"), [id]);
}

#[test]
fn database_that_is_not_unicode_is_named() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    let server = shared_server();
    let mut admin = server.admin_client();
    admin
        .batch_execute("CREATE DATABASE doctor_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        .unwrap();
    let url = server.database_named("doctor_latin1").url();
    let run = |arguments: &[&str]| {
        let mut command = warehouse.sparkify(arguments);
        command.args(["--warehouse", &url]);
        CommandOutput::run(command.env("PGPASSWORD", SUPERUSER_PASSWORD))
    };
    run(&["create-tables", "--quiet"]).assert_success();
    let checks = Checks::from_output(run(&["doctor", "--json"]));
    checks.assert_only_failure("LATIN1", "warehouse-encoding", "ENCODING 'UTF8'");
}

#[test]
fn faults_of_the_tables_are_named_once() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    let check = |case: &str, id: &str, remedy: &str| {
        let before = relations(&warehouse);
        doctor(&warehouse, &warehouse.url()).assert_only_failure(case, id, remedy);
        assert_eq!(relations(&warehouse), before, "{case}");
    };
    check(
        "no tables",
        "tables",
        "create all tables with sparkify create-tables",
    );
    warehouse
        .run_command(&["create-tables", "--quiet"])
        .assert_success();
    let execute = |sql: &str| warehouse.admin_client().batch_execute(sql).unwrap();
    execute("ALTER TABLE songs ADD COLUMN extra BIGINT");
    check(
        "another column",
        "tables",
        "alter it, or recreate all tables",
    );
    execute("ALTER TABLE songs DROP COLUMN extra");
    warehouse.generate_input("data", &["--events", "200", "--songs", "9", "--seed", "1"]);
    warehouse.build_dataset("data/song_data", "data/log_data", "dataset");
    warehouse.load_dataset("dataset").assert_success();
    doctor(&warehouse, &warehouse.url()).assert_no_failure(&[]);
    execute("DELETE FROM state_songplays");
    check("no rows", "table-rows", "sparkify run --full-refresh");
    execute("DROP TABLE songplays CASCADE");
    check("lost table", "tables", "sparkify run --full-refresh");
}

#[test]
fn missing_privileges_are_named_with_the_grants() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    let mut client = warehouse.admin_client();
    let role = format!("doctor_{}", std::process::id());
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD '{SUPERUSER_PASSWORD}';
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
             REVOKE INSERT ON users FROM {role}"
        ))
        .unwrap();
    let database = &warehouse.database().name;
    let url = format!(
        "postgres://{role}@127.0.0.1:{}/{database}",
        shared_server().port
    );
    let mut command = warehouse.sparkify(&["doctor", "--json", "--warehouse", &url]);
    command.env("PGPASSWORD", SUPERUSER_PASSWORD);
    let checks = Checks::from_output(CommandOutput::run(&mut command));
    let grant = format!("ask for GRANT INSERT ON users TO {role}");
    checks.assert_only_failure("INSERT", "privileges", &grant);
    client
        .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .unwrap();
}

/// A wrong password is not printed, and neither is the right one.
#[test]
fn wrong_password_is_named() {
    let warehouse = TestWarehouse::without_tables(WarehouseKind::Postgres);
    let server = PostgresServer::start(PostgresServerOptions::default());
    let url = server.create_database().url();
    let mut command = warehouse.sparkify(&["doctor", "--json", "--warehouse", &url]);
    command.env("PGPASSWORD", "planted-password");
    let checks = Checks::from_output(CommandOutput::run(&mut command));
    checks.assert_only_failure("password", "warehouse-login", "the password");
    assert!(!checks.output.stdout.contains("planted-password"));
}
