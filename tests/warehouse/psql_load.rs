//! A load by the scripts of `sql/postgres`, with the command that the comment of `stage.sql` shows, run by the real psql.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use sparkify::internals::model::TableSchema;
use sparkify::internals::model::sparkify::SPARKIFY;
use tempfile::TempDir;
use testkit::cli::output::CommandOutput;
use testkit::postgres_server::{TestDatabase, shared_server};
use testkit::redshift_simulator::WarehouseKind;

use crate::support::table_rows::{
    TableRows, assert_tables_eq, load_history_rows, read_database_tables,
};
use crate::support::test_warehouse::TestWarehouse;

/// A database with empty tables, and a folder with `sql` and the CSV files of the fixtures.
struct PsqlFixture {
    folder: TempDir,
    database: TestDatabase,
    /// A warehouse into which the program has loaded the fixtures.
    loaded: TestWarehouse,
}

impl PsqlFixture {
    fn new() -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let loaded = TestWarehouse::new(WarehouseKind::Postgres);
        let fixture = |name: &str| {
            let path = repository.join("fixtures").join(name);
            path.to_str().unwrap().to_owned()
        };
        loaded.build_dataset(&fixture("song_data"), &fixture("log_data"), "dataset");
        loaded.load_dataset("dataset").assert_success();

        let folder = TempDir::new().unwrap();
        std::os::unix::fs::symlink(repository.join("sql"), folder.path().join("sql")).unwrap();
        for table in SPARKIFY.dataset_tables() {
            let path = folder.path().join(format!("{}.csv", table.name));
            fs::write(path, dataset_csv(&loaded, table)).unwrap();
        }
        let fixture = Self {
            folder,
            database: shared_server().create_database(),
            loaded,
        };
        let create = "psql --quiet -v ON_ERROR_STOP=1 -1 -f sql/postgres/create.sql";
        fixture.run(create).assert_success();
        fixture
    }

    /// Runs a command of the shell.
    fn run(&self, command: &str) -> CommandOutput {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .envs(self.database.psql_env())
            .current_dir(self.folder.path());
        CommandOutput::run(&mut shell)
    }

    fn tables(&self) -> TableRows {
        read_database_tables(&mut self.database.connect())
    }

    #[track_caller]
    fn assert_nothing_is_loaded(&self) {
        for (name, rows) in self.tables() {
            assert_eq!(rows, [""; 0], "{name}");
        }
    }
}

/// Returns the rows of a table of the dataset that was loaded into empty tables.
fn dataset_csv(loaded: &TestWarehouse, table: &TableSchema) -> Vec<u8> {
    let columns: Vec<_> = table.columns.iter().map(|column| column.name).collect();
    let source = match table.name {
        "source_objects" => SPARKIFY.load_history.name,
        name => name,
    };
    let copy = format!(
        "COPY (SELECT {} FROM {source}) TO STDOUT WITH (FORMAT csv)",
        columns.join(", ")
    );
    let mut csv = Vec::new();
    let mut client = loaded.admin_client();
    let mut reader = client.copy_out(&copy).unwrap();
    reader.read_to_end(&mut csv).unwrap();
    csv
}

/// Returns the command that the comment of `stage.sql` shows.
fn documented_command() -> String {
    let stage = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/postgres/stage.sql");
    let stage = fs::read_to_string(stage).unwrap();
    let (_, usage) = stage.split_once("-- Usage:\n").unwrap();
    let (command, _) = usage.split_once("--\n").unwrap();
    let lines = command
        .lines()
        .map(|line| line.strip_prefix("-- ").unwrap());
    let command = lines.collect::<Vec<_>>().join("\n");
    command.replace("run=ID", "run=R1")
}

/// Returns the results of queries for names and counts, as psql prints them.
fn printed_counts(stdout: &str) -> Vec<Vec<(&str, usize)>> {
    let mut results: Vec<Vec<_>> = Vec::new();
    for line in stdout.lines() {
        let Some((name, count)) = line.split_once('|') else {
            continue;
        };
        match (name.trim(), count.trim()) {
            ("name", "rows") => results.push(Vec::new()),
            (name, count) => {
                let result = results.last_mut().unwrap();
                result.push((name, count.parse().unwrap()));
            }
        }
    }
    results
}

#[test]
fn psql_loads_the_same_tables_as_the_program() {
    let fixture = PsqlFixture::new();
    let output = fixture.run(&documented_command()).assert_success();
    let expected = fixture.loaded.warehouse_tables();
    assert_tables_eq(&fixture.tables(), &expected);
    let mut client = fixture.database.connect();
    assert_eq!(
        load_history_rows(&mut client),
        load_history_rows(&mut fixture.loaded.admin_client())
    );

    let [staged, without_state, unmerged] = &printed_counts(&output.stdout)[..] else {
        panic!("count.sql has two queries and verify.sql one: {output:?}")
    };
    assert_eq!(staged.len(), SPARKIFY.dataset_tables().count());
    for (name, count) in staged.iter().filter(|(name, _)| *name != "source_objects") {
        assert_eq!(*count, expected[name].len(), "{name}");
    }
    for counts in [without_state, unmerged] {
        assert!(!counts.is_empty());
        assert!(counts.iter().all(|(_, count)| *count == 0), "{counts:?}");
    }
}

#[test]
fn load_without_commit_changes_nothing() {
    let fixture = PsqlFixture::new();
    let command = documented_command();
    let (command, _) = command.split_once("-f sql/postgres/commit.sql").unwrap();
    let command = command.trim_end().trim_end_matches('\\');
    let output = fixture.run(command).assert_success();
    assert!(output.stdout.contains("songplays"), "{output:?}");
    fixture.assert_nothing_is_loaded();
}

/// An error of the client does not abort the transaction, so psql itself has to end.
#[test]
fn missing_csv_file_ends_the_load() {
    let fixture = PsqlFixture::new();
    fs::remove_file(fixture.folder.path().join("users.csv")).unwrap();
    let output = fixture.run(&documented_command());
    assert_ne!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("users.csv"), "{output:?}");
    fixture.assert_nothing_is_loaded();
}

#[test]
fn refresh_alone_deletes_nothing() {
    let fixture = PsqlFixture::new();
    fixture.run(&documented_command()).assert_success();
    let before = fixture.tables();
    let output = fixture.run("psql -f sql/postgres/refresh.sql");
    assert_ne!(output.code, Some(0), "{output:?}");
    assert!(output.stderr.contains("drop_constraints"), "{output:?}");
    assert_tables_eq(&fixture.tables(), &before);
}

#[test]
fn refresh_between_stage_and_copy_loads_again() {
    let fixture = PsqlFixture::new();
    fixture.run(&documented_command()).assert_success();
    let before = fixture.tables();
    let stage = "-f sql/postgres/stage.sql";
    let refresh = format!("{stage} -f sql/postgres/refresh.sql");
    let command = documented_command().replace(stage, &refresh);
    let output = fixture.run(&command).assert_success();
    assert!(output.stdout.contains("DELETE 1025"), "{output:?}");
    assert_tables_eq(&fixture.tables(), &before);
}
