//! A simulator with empty tables, in whose session the scripts of the transform run, and the engine beside it.

use std::collections::BTreeSet;

use postgres::{Client, SimpleQueryMessage};
use serde_json::Value;
use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::internals::warehouse::sql::sql_scripts;
use sparkify::jobs::Dialect;
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::redshift_simulator::{RedshiftSimulator, SimulatorSettings};

use super::records::RawRecord;
use crate::support::table_rows::{
    TableRows, assert_tables_eq, read_database_tables, read_parquet_tables,
};

/// The scripts between the tables of raw records and the staged tables.
pub const SCRIPTS: [&str; 8] = [
    "check_songs",
    "check_events",
    "artists",
    "songs",
    "users",
    "time",
    "songplays",
    "source_objects",
];

/// The number of records that one INSERT stages.
const INSERTED_RECORDS: usize = 1000;

/// A rejected record: reason, key, detail, and the record.
pub type RejectSet = BTreeSet<[String; 4]>;

pub struct TransformFixture {
    pub client: Client,
    simulator: RedshiftSimulator,
}

impl TransformFixture {
    /// Begins a load: all tables are empty.
    pub fn new() -> Self {
        let simulator = RedshiftSimulator::start(SimulatorSettings::default());
        let mut client = simulator.connect();
        for name in ["create.sql", "stage.sql", "transform/staging.sql"] {
            client.batch_execute(&script(name)).unwrap();
        }
        Self { client, simulator }
    }

    /// Stages records as COPY does.
    pub fn stage(&mut self, table: &str, records: &[RawRecord]) {
        for records in records.chunks(INSERTED_RECORDS) {
            let keys: BTreeSet<_> = records.iter().flat_map(|record| record.0.keys()).collect();
            let value = |record: &RawRecord, key: &str| {
                let staged = record.0.get(key).and_then(|cell| cell.staged.as_deref());
                staged.map_or("NULL".to_owned(), |text| {
                    assert!(!text.contains('\\'), "{text}");
                    format!("'{}'", text.replace('\'', "''"))
                })
            };
            let row = |record: &RawRecord| {
                let values: Vec<_> = keys.iter().map(|key| value(record, key)).collect();
                format!("({})", values.join(","))
            };
            let rows: Vec<_> = records.iter().map(row).collect();
            let columns: Vec<_> = keys.iter().map(|key| key.to_lowercase()).collect();
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES {}",
                columns.join(","),
                rows.join(",")
            );
            self.client.batch_execute(&sql).unwrap();
        }
    }

    /// Runs the scripts of the transform.
    pub fn transform(&mut self) {
        for name in SCRIPTS {
            let sql = script(&format!("transform/{name}.sql"));
            self.client.batch_execute(&sql).unwrap();
        }
    }

    /// Returns rows as texts.
    pub fn query_rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let messages = self.client.simple_query(sql).unwrap();
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|i| row.get(i).map(str::to_owned));
                Some(values.collect())
            }
            _ => None,
        };
        messages.iter().filter_map(row).collect()
    }

    /// Returns the rejected records of a kind, with the texts of their keys in the order of the names.
    pub fn rejects(&mut self, table: &str) -> RejectSet {
        let rows = self.query_rows(&format!("SELECT * FROM {table}"));
        let rows = rows.into_iter().map(|row| {
            let texts: Vec<_> = row.into_iter().map(Option::unwrap_or_default).collect();
            let [reason, key, detail, record @ ..] = &texts[..] else {
                panic!("a reject has reason, key and detail")
            };
            [
                reason.clone(),
                key.clone(),
                detail.clone(),
                record.join("|"),
            ]
        });
        rows.collect()
    }

    /// Returns the rows of the staged tables, and ends the load.
    pub fn staged_tables(mut self) -> TableRows {
        for table in SPARKIFY.dataset_tables_by_dependency() {
            if SPARKIFY.is_in_warehouse(table) {
                let name = table.name;
                let sql = format!("INSERT INTO {name} SELECT * FROM staged_{name}");
                self.client.batch_execute(&sql).unwrap();
            }
        }
        self.client.batch_execute("COMMIT").unwrap();
        read_database_tables(&mut self.simulator.backend_client())
    }
}

/// Returns a script without the commands of psql.
pub fn script(name: &str) -> String {
    let scripts = sql_scripts(&SPARKIFY, Dialect::Redshift);
    let script = scripts.iter().find(|script| script.name == name).unwrap();
    let lines = script.text.lines().filter(|line| !line.starts_with('\\'));
    lines.collect::<Vec<_>>().join("\n")
}

/// Asserts that the scripts and the engine leave the same tables and reject the same records. Returns the number of rejects.
#[track_caller]
pub fn assert_engines_agree(songs: &[RawRecord], events: &[RawRecord]) -> usize {
    let sandbox = Sandbox::new();
    let lines = |records: &[RawRecord]| records.iter().map(RawRecord::line).collect::<String>();
    sandbox.write("songs/a.json", lines(songs));
    sandbox.write("logs/a.json", lines(events));
    let run = ["run", "--quiet", "--max-rejects", "100%", "--allow-empty"];
    let locations = ["--songs", "songs", "--logs", "logs", "--out", "out"];
    let output = CommandOutput::run(&mut sandbox.command(&[&run[..], &locations].concat()));
    assert_eq!(output.code, Some(0), "{output:?}");

    let mut fixture = TransformFixture::new();
    fixture.stage("staging_songs", songs);
    fixture.stage("staging_events", events);
    fixture.transform();
    let mut rejects = 0;
    for (kind, records, table) in [
        ("songs", songs, "rejected_songs"),
        ("logs", events, "rejected_events"),
    ] {
        let expected = engine_rejects(&sandbox, kind, records);
        let found = fixture.rejects(table);
        let first: Vec<_> = expected.symmetric_difference(&found).take(4).collect();
        assert!(first.is_empty(), "{kind}: {first:#?}");
        rejects += found.len();
    }
    assert_tables_eq(
        &fixture.staged_tables(),
        &read_parquet_tables(&sandbox.path("out")),
    );
    rejects
}

/// Returns the records that the engine rejects. Their line tells which they are.
fn engine_rejects(sandbox: &Sandbox, kind: &str, records: &[RawRecord]) -> RejectSet {
    let path = sandbox.path(&format!("out/_rejects/{kind}-00000.jsonl"));
    let rejects = std::fs::read_to_string(path).unwrap_or_default();
    let rejects = rejects.lines().map(|line| {
        let reject: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| reject[name].as_str().unwrap_or_default().to_owned();
        let record = &records[reject["line"].as_u64().unwrap() as usize - 1];
        let columns = columns_of(kind).into_iter();
        let staged: Vec<_> = columns
            .map(|key| {
                let cell = record.0.get(key.as_str());
                cell.and_then(|cell| cell.staged.clone())
                    .unwrap_or_default()
            })
            .collect();
        [
            text("reason"),
            text("key"),
            text("detail"),
            staged.join("|"),
        ]
    });
    rejects.collect()
}

/// Returns the keys of a kind of record in the order of the columns.
fn columns_of(kind: &str) -> Vec<String> {
    let complete = match kind {
        "songs" => super::records::song(0),
        _ => super::records::event(0),
    };
    let mut keys: Vec<_> = complete.0.keys().map(|key| (*key).to_owned()).collect();
    keys.sort_by_key(|key| key.to_lowercase());
    keys
}
