//! Every command through PgBouncer in transaction mode, where each transaction may run in another session of the server, and
//! nothing may be left in it for the next client.

use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use postgres::{Client, SimpleQueryMessage};
use testkit::cli::output::{CommandOutput, kill};
use testkit::cli::sandbox::Sandbox;
use testkit::postgres_server::{PgBouncer, SUPERUSER_PASSWORD, TestDatabase, shared_server};

use crate::support::table_rows::{assert_tables_eq, read_database_tables, read_parquet_tables};
use crate::support::tcp_proxy::{TcpProxy, free_port};

/// How many sessions of the server the clients share. There are fewer than clients, so that they take turns.
const POOL_SIZE: usize = 3;

/// What a client could leave behind in a session, apart from the settings that PgBouncer itself sets for each client.
const SESSION_STATE: &str = "
SELECT 'setting ' || name || ' = ' || setting FROM pg_settings
WHERE source = 'session'
    AND name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')
UNION ALL SELECT 'prepared statement ' || name FROM pg_prepared_statements
UNION ALL SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = pg_my_temp_schema()
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = pg_my_temp_schema()
UNION ALL SELECT 'lock ' || objid FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'
UNION ALL SELECT 'channel ' || channel FROM pg_listening_channels() AS channel";

/// A database behind a PgBouncer, and a directory for input and output.
struct PooledWarehouse {
    sandbox: Sandbox,
    database: TestDatabase,
    pooled: TestDatabase,
    _pooler: PgBouncer,
}

impl PooledWarehouse {
    fn start() -> Self {
        Self::start_behind(shared_server().port)
    }

    /// Starts a PgBouncer that reaches its server through this port.
    fn start_behind(port: u16) -> Self {
        let database = shared_server().create_database();
        let server = TestDatabase {
            port,
            ..database.clone()
        };
        let pooler = PgBouncer::start(&server, POOL_SIZE);
        Self {
            sandbox: Sandbox::new(),
            pooled: pooler.database(&database),
            database,
            _pooler: pooler,
        }
    }

    /// Starts the binary with these arguments.
    fn spawn(&self, arguments: &[&str]) -> Child {
        self.spawn_with(arguments, &self.pooled.url(), SUPERUSER_PASSWORD)
    }

    /// Starts the binary with these arguments, this URL of the warehouse and this password.
    fn spawn_with(&self, arguments: &[&str], url: &str, password: &str) -> Child {
        let mut command = self.sandbox.command(arguments);
        command
            .args(["--warehouse", url])
            .env("PGPASSWORD", password)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs the binary with these arguments, and asserts that it succeeds.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> CommandOutput {
        assert_succeeds(self.spawn(arguments))
    }

    /// Generates input of its own into a folder, and builds a dataset of it.
    fn build_dataset(&self, number: usize) {
        let (data, seed) = (format!("data/{number}"), number.to_string());
        let sizes = [
            "--events", "400", "--songs", "40", "--users", "12", "--files", "3", "--seed", &seed,
        ];
        let generate = ["generate", "--quiet", "--out", &data];
        let mut generate = self.sandbox.command(&[&generate[..], &sizes].concat());
        CommandOutput::run(&mut generate).assert_success();
        self.build(&data, &format!("dataset-{number}"));
    }

    /// Builds a dataset of the input in a folder.
    fn build(&self, data: &str, out: &str) {
        let (songs, logs) = (format!("{data}/song_data"), format!("{data}/log_data"));
        let run = [
            "run",
            "--quiet",
            "--max-rejects",
            "100%",
            "--songs",
            &songs,
            "--logs",
            &logs,
            "--out",
            out,
        ];
        CommandOutput::run(&mut self.sandbox.command(&run)).assert_success();
    }

    /// Asserts that the tables have the rows of a dataset.
    #[track_caller]
    fn assert_holds(&self, dataset: &str) {
        let loaded = read_database_tables(&mut self.database.connect());
        let expected = read_parquet_tables(&self.sandbox.path(dataset));
        assert_tables_eq(&loaded, &expected);
    }

    /// Returns what is left in the sessions that the clients have shared.
    fn session_state(&self) -> Vec<String> {
        // Each transaction keeps a session, so that these are all of them.
        let mut clients: Vec<Client> = (0..POOL_SIZE).map(|_| self.pooled.connect()).collect();
        let mut sessions = Vec::new();
        let mut state = Vec::new();
        for client in &mut clients {
            client.simple_query("BEGIN").unwrap();
            sessions.extend(first_column(client, "SELECT pg_backend_pid()"));
            state.extend(first_column(client, SESSION_STATE));
        }
        sessions.sort_unstable();
        sessions.dedup();
        assert_eq!(sessions.len(), POOL_SIZE);
        state
    }
}

/// Returns the values of the first column of a query.
fn first_column(client: &mut Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).unwrap();
    let value = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    };
    messages.iter().filter_map(value).collect()
}

#[track_caller]
fn assert_succeeds(child: Child) -> CommandOutput {
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    output.assert_success()
}

#[test]
fn loads_and_queries_at_once_leave_nothing_in_the_pool() {
    let warehouse = PooledWarehouse::start();
    for number in 1..=8 {
        warehouse.build_dataset(number);
    }
    warehouse.build("data/*", "all");
    warehouse.run(&["create-tables", "--quiet"]);
    let loads = (1..=8).map(|number| {
        let from = format!("dataset-{number}");
        warehouse.spawn(&["load", "--quiet", "--json", "--from", &from])
    });
    let mut running: Vec<Child> = loads.collect();
    let queries = (0..24).map(|number| {
        let name = ["top-songs", "plays-by-hour", "busiest-users"][number % 3];
        warehouse.spawn(&["query", name, "--json"])
    });
    running.extend(queries);
    for child in running {
        assert_succeeds(child);
    }
    warehouse.assert_holds("all");
    assert_eq!(warehouse.session_state(), Vec::<String>::new());
}

#[test]
fn every_command_works_through_the_pool() {
    let warehouse = PooledWarehouse::start();
    warehouse.build_dataset(1);
    warehouse.run(&["create-tables", "--quiet"]);
    warehouse.run(&["create-tables", "--quiet", "--drop", "--yes"]);
    warehouse.run(&["create-tables", "--quiet", "--upgrade"]);
    warehouse.run(&["create-tables", "--dry-run"]);
    let run = [
        "run",
        "--quiet",
        "--max-rejects",
        "100%",
        "--songs",
        "data/1/song_data",
        "--logs",
        "data/1/log_data",
        "--out",
        "out",
    ];
    warehouse.run(&run);
    // All objects are loaded now.
    warehouse.run(&run);
    warehouse.run(&["load", "--quiet", "--full-refresh", "--from", "dataset-1"]);
    warehouse.run(&["load", "--dry-run", "--from", "dataset-1"]);
    let history = warehouse.run(&["history", "--json"]).stdout;
    assert!(history.contains("\"run\""), "{history}");
    // Numbers have no quotes, so the types of the columns are known.
    let hours = warehouse.run(&["query", "plays-by-hour", "--json"]).stdout;
    assert!(
        hours.contains("\"hour\":0") || hours.contains("\"hour\": 0"),
        "{hours}"
    );
    assert_eq!(warehouse.session_state(), Vec::<String>::new());
}

/// A load that fails in the middle, and one that is killed there.
#[test]
fn failed_loads_leave_nothing_in_the_pool() {
    let warehouse = PooledWarehouse::start();
    warehouse.build_dataset(1);
    warehouse.run(&["create-tables", "--quiet"]);
    let mut client = warehouse.database.connect();
    client
        .batch_execute(
            "CREATE FUNCTION refuse() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON songplays FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .unwrap();
    let load = ["load", "--quiet", "--from", "dataset-1"];
    let rejected = warehouse.spawn(&load).wait_with_output().unwrap();
    CommandOutput::from(rejected).assert_failure(1, &["refused"]);
    client
        .batch_execute("DROP TRIGGER refuse ON songplays")
        .unwrap();

    // The load waits for this lock after it has filled its staging tables.
    client.batch_execute("BEGIN; LOCK TABLE artists").unwrap();
    let mut killed = warehouse.spawn(&load);
    let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'artists'::regclass";
    let started = Instant::now();
    while first_column(&mut client, waits).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60));
        assert_eq!(killed.try_wait().unwrap(), None);
        thread::sleep(Duration::from_millis(20));
    }
    kill(killed.id());
    killed.wait().unwrap();
    client.batch_execute("ROLLBACK").unwrap();
    assert_eq!(warehouse.session_state(), Vec::<String>::new());
    warehouse.run(&load);
    warehouse.assert_holds("dataset-1");
    assert_eq!(warehouse.session_state(), Vec::<String>::new());
}

/// PgBouncer has one SQLSTATE for what is temporary and what is not.
#[test]
fn refusal_of_the_pooler_ends_the_load_at_once() {
    let warehouse = PooledWarehouse::start();
    warehouse.build_dataset(1);
    let url = warehouse.pooled.url();
    let (server, _) = url.rsplit_once('/').unwrap();
    for (url, password, words) in [
        (
            format!("{url}?options=-c%20lock_timeout%3D1"),
            SUPERUSER_PASSWORD,
            "ignore_startup_parameters",
        ),
        (
            format!("{server}/sqlserver_timeout"),
            SUPERUSER_PASSWORD,
            "or create the database",
        ),
        (url.clone(), "another", "check the user"),
        (
            url.replace("://", "://shut_server_"),
            SUPERUSER_PASSWORD,
            "check the user",
        ),
    ] {
        let started = Instant::now();
        let load = ["load", "--quiet", "--from", "dataset-1"];
        let child = warehouse.spawn_with(&load, &url, password);
        let output = CommandOutput::from(child.wait_with_output().unwrap());
        // The only line is the error, so nothing was tried again.
        output.assert_failure(1, &["cannot load dataset-1 into ", words]);
        assert!(started.elapsed() < Duration::from_secs(10), "{url}");
    }
}

/// The server behind the pooler does not run, and starts some seconds later.
#[test]
fn server_behind_the_pooler_is_waited_for() {
    let port = free_port();
    let warehouse = PooledWarehouse::start_behind(port);
    warehouse.build_dataset(1);
    let mut create = warehouse.sandbox.command(&["create-tables", "--quiet"]);
    create
        .args(["--warehouse", &warehouse.database.url()])
        .env("PGPASSWORD", SUPERUSER_PASSWORD);
    CommandOutput::run(&mut create).assert_success();
    let url = format!("{}?connect_timeout=2", warehouse.pooled.url());
    let load = ["load", "--quiet", "--from", "dataset-1"];
    let child = warehouse.spawn_with(&load, &url, SUPERUSER_PASSWORD);
    thread::sleep(Duration::from_secs(4));
    TcpProxy::start(port, shared_server().port);
    let output = CommandOutput::from(child.wait_with_output().unwrap());
    let output = output.assert_success_with_warnings();
    assert!(output.stderr.contains("trying again"), "{output:?}");
    warehouse.assert_holds("dataset-1");
}
