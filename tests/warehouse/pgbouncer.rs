//! Every command through PgBouncer in transaction mode, where each transaction may run in another session of the server, and
//! nothing may be left in it for the next client.

use std::process::{Child, Stdio};

use postgres::{Client, SimpleQueryMessage};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::postgres_server::{PgBouncer, SUPERUSER_PASSWORD, TestDatabase, shared_server};

use crate::support::table_rows::{assert_tables_eq, read_database_tables, read_parquet_tables};

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
        let database = shared_server().create_database();
        let pooler = PgBouncer::start(&database, POOL_SIZE);
        Self {
            sandbox: Sandbox::new(),
            pooled: pooler.database(&database),
            database,
            _pooler: pooler,
        }
    }

    /// Starts the binary with these arguments.
    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.sandbox.command(arguments);
        command
            .args(["--warehouse", &self.pooled.url()])
            .env("PGPASSWORD", SUPERUSER_PASSWORD)
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
        warehouse.spawn(&["query", name, "--csv"])
    });
    running.extend(queries);
    for child in running {
        assert_succeeds(child);
    }
    let loaded = read_database_tables(&mut warehouse.database.connect());
    let all = read_parquet_tables(&warehouse.sandbox.path("all"));
    assert_tables_eq(&loaded, &all);
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
