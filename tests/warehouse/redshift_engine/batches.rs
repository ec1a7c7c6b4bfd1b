//! Batches of raw records that arrive one after the other, and runs over them that are killed.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::redshift_simulator::{FaultPoint, StatementMatcher, WarehouseKind};

use super::support::{RawInput, event, run_engine};
use crate::support::table_rows::TableRows;
use crate::support::test_warehouse::TestWarehouse;

/// The limit of all runs over batches: each batch has rejects.
pub const LIMIT: [&str; 2] = ["--max-rejects", "50%"];

/// The number of rejected log records of a batch: one that COPY cannot read, and two that the checks reject.
pub const REJECTED_LOGS: u64 = 3;

/// Records of one kind, of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Songs,
    Logs,
}

/// Uploads the songs or the logs of a batch. Batches with other numbers have other events of the same users and songs.
pub fn upload_part(warehouse: &TestWarehouse, batch: usize, part: Part) {
    let folder = format!("batch-{batch}");
    if !warehouse.path(&folder).exists() {
        let seed = batch.to_string();
        let sizes = [
            "--events", "150", "--songs", "24", "--users", "9", "--files", "2", "--seed", &seed,
        ];
        warehouse.generate_input(&folder, &sizes);
    }
    match part {
        Part::Songs => {
            let songs = warehouse.path(&format!("{folder}/song_data"));
            warehouse.upload_dir(&songs, &format!("input/song_data/{folder}"));
        }
        Part::Logs => {
            let logs = warehouse.path(&format!("{folder}/log_data"));
            warehouse.upload_dir(&logs, &format!("input/log_data/{folder}"));
            let rejects = format!(
                "{}\n{{\"page\":\"NextSong\",}}\n{}\n{}\n",
                event_with_item(batch, &json!("5")),
                event_with_item(batch, &json!("x")),
                event_with_item(batch, &Value::Null),
            );
            let key = format!("input/log_data/{folder}/rejects.json");
            warehouse.put_object(&key, rejects);
        }
    }
}

/// Returns an event of a batch with this item of the session.
fn event_with_item(batch: usize, item: &Value) -> String {
    let ts = 1_541_000_000_000 + batch;
    event(&json!({"ts": ts, "userId": "3", "sessionId": batch, "itemInSession": item}))
}

/// Uploads a batch, and returns all input so far.
pub fn upload_batch(warehouse: &TestWarehouse, batch: usize) -> RawInput {
    for part in [Part::Songs, Part::Logs] {
        upload_part(warehouse, batch, part);
    }
    RawInput::below(warehouse, "input")
}

/// Returns the tables after one run of the engine in this process over all batches.
pub fn tables_of_one_run(batches: impl IntoIterator<Item = usize>) -> TableRows {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    for batch in batches {
        upload_batch(&warehouse, batch);
    }
    let input = RawInput::below(&warehouse, "input");
    run_engine(&warehouse, "in-process", &input, &LIMIT).assert_success();
    warehouse.warehouse_tables()
}

/// Starts a command that is killed at a statement.
#[track_caller]
pub fn kill_at(
    warehouse: &TestWarehouse,
    mut command: Command,
    point: FaultPoint,
    matcher: StatementMatcher,
) {
    let pid = Arc::new(AtomicU32::new(0));
    let victim = pid.clone();
    warehouse.faults().on_statement(point, matcher, move |_| {
        // The id is stored before or shortly after the first statement arrives.
        while victim.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let pid = victim.load(Ordering::SeqCst).cast_signed();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    });
    let mut child = command.spawn().unwrap();
    pid.store(child.id(), Ordering::SeqCst);
    assert!(!child.wait().unwrap().success());
    warehouse.wait_until_idle();
    warehouse.faults().clear();
}

/// Returns the runs that have objects below the output of the engine inside Redshift.
pub fn runs_in_output(warehouse: &TestWarehouse) -> BTreeSet<String> {
    let out = warehouse.run_dir("out-redshift", "");
    let entries = std::fs::read_dir(out).into_iter().flatten();
    let folders = entries.map(Result::unwrap).filter(|entry| {
        entry.path().is_dir() && !testkit::dir_contents::list_files(&entry.path()).is_empty()
    });
    folders
        .map(|folder| folder.file_name().into_string().unwrap())
        .collect()
}

/// Returns the permanent tables whose names begin with `staging`.
pub fn permanent_staging_tables(warehouse: &TestWarehouse) -> Vec<String> {
    let query = "SELECT relname::TEXT FROM pg_class
        WHERE relkind = 'r' AND relpersistence = 'p' AND relname LIKE 'staging%' ORDER BY relname";
    let rows = warehouse.admin_client().query(query, &[]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The contents of all tables of a warehouse, to which it can be reset.
pub struct SavedTables<'a> {
    warehouse: &'a TestWarehouse,
    tables: Vec<String>,
}

impl<'a> SavedTables<'a> {
    pub fn save(warehouse: &'a TestWarehouse) -> Self {
        let mut client = warehouse.admin_client();
        let query =
            "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename";
        let rows = client.query(query, &[]).unwrap();
        let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(tables.len() > 5, "{tables:?}");
        let mut sql = "CREATE SCHEMA saved;".to_owned();
        for table in &tables {
            sql += &format!("CREATE TABLE saved.{table} AS TABLE public.{table};");
        }
        client.batch_execute(&sql).unwrap();
        Self { warehouse, tables }
    }

    pub fn restore(&self) {
        self.warehouse.faults().clear();
        let mut sql = format!("TRUNCATE {};", self.tables.join(", "));
        for table in &self.tables {
            sql += &format!("INSERT INTO public.{table} SELECT * FROM saved.{table};");
        }
        self.warehouse.admin_client().batch_execute(&sql).unwrap();
    }
}
