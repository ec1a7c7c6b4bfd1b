//! Batches that either engine loads into one warehouse, in any order, repeated or killed: the tables are those of one run
//! over all of them, and no object is loaded twice.

use serde_json::Value;
use testkit::redshift_simulator::{
    FaultPoint, IsolationLevel, SimulatorSettings, StatementMatcher, WarehouseKind,
};

use super::batches::{
    LIMIT, Part, kill_at, permanent_staging_tables, tables_of_one_run, upload_batch, upload_part,
};
use super::support::{RawInput, assert_nothing_is_loaded_twice, engine_command, run_engine};
use crate::support::table_rows::{assert_tables_eq, load_history_rows};
use crate::support::test_warehouse::TestWarehouse;

const IN_PROCESS: &str = "in-process";
const REDSHIFT: &str = "redshift";

/// Runs an engine over all input so far. Returns its report.
#[track_caller]
fn run(warehouse: &TestWarehouse, engine: &str) -> Value {
    let input = RawInput::below(warehouse, "input");
    let output = run_engine(warehouse, engine, &input, &LIMIT);
    assert_eq!(output.code, Some(0), "{output:?}");
    output.json()
}

/// Asserts that the history has each object once, and that neither engine finds anything new.
#[track_caller]
fn assert_all_is_loaded_once(warehouse: &TestWarehouse) {
    assert_nothing_is_loaded_twice(warehouse);
    let history = load_history_rows(&mut warehouse.admin_client());
    for engine in [IN_PROCESS, REDSHIFT] {
        let report = run(warehouse, engine);
        assert_eq!(report["status"], "nothing_new", "{engine}");
        let loaded = ["songs", "logs"].map(|kind| report[kind]["already_loaded_objects"].as_u64());
        let loaded: u64 = loaded.into_iter().flatten().sum();
        assert_eq!(loaded, history.len() as u64, "{engine}: {report}");
    }
}

#[test]
fn order_of_batches_and_engines_does_not_matter() {
    let expected = tables_of_one_run([1, 2, 3]);
    for (engines, batches) in [
        ([REDSHIFT, IN_PROCESS, REDSHIFT], [1, 2, 3]),
        ([IN_PROCESS, REDSHIFT, IN_PROCESS], [3, 1, 2]),
        ([IN_PROCESS, REDSHIFT, REDSHIFT], [2, 3, 1]),
        ([REDSHIFT, REDSHIFT, IN_PROCESS], [3, 2, 1]),
    ] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        let mut objects = [0, 0];
        for (engine, batch) in engines.into_iter().zip(batches) {
            upload_batch(&warehouse, batch);
            let report = run(&warehouse, engine);
            assert_eq!(report["engine"], engine);
            // The objects that either engine loaded before are left out.
            for (kind, before) in ["songs", "logs"].into_iter().zip(&mut objects) {
                let report = &report[kind];
                assert_eq!(report["already_loaded_objects"], *before, "{batches:?}");
                *before += report["objects"].as_u64().unwrap();
            }
        }
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
        assert_all_is_loaded_once(&warehouse);
    }
}

/// Songs arrive before or after the logs that play them, and either engine may load them.
#[test]
fn songs_may_arrive_before_or_after_their_logs() {
    let expected = tables_of_one_run([1, 2, 3]);
    let steps = [
        (Part::Songs, 1),
        (Part::Logs, 2),
        (Part::Logs, 1),
        (Part::Songs, 2),
    ];
    for engines in [
        [REDSHIFT, IN_PROCESS, IN_PROCESS, REDSHIFT],
        [IN_PROCESS, REDSHIFT, REDSHIFT, IN_PROCESS],
        [REDSHIFT; 4],
    ] {
        for is_reversed in [false, true] {
            let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
            upload_batch(&warehouse, 3);
            run(&warehouse, IN_PROCESS);
            let mut steps = steps;
            if is_reversed {
                steps.reverse();
            }
            for (engine, (part, batch)) in engines.into_iter().zip(steps) {
                upload_part(&warehouse, batch, part);
                run(&warehouse, engine);
            }
            assert_tables_eq(&warehouse.warehouse_tables(), &expected);
            assert_all_is_loaded_once(&warehouse);
        }
    }
}

/// The same events arrive again in other objects, by the same or by the other engine.
#[test]
fn repeated_deliveries_change_nothing() {
    let expected = tables_of_one_run([1, 2]);
    for engines in [
        [REDSHIFT, IN_PROCESS, REDSHIFT],
        [IN_PROCESS, REDSHIFT, IN_PROCESS],
    ] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        upload_batch(&warehouse, 1);
        run(&warehouse, engines[0]);
        let copies = |batch: usize, name: &str| {
            for kind in ["song_data", "log_data"] {
                let folder = warehouse.path(&format!("batch-{batch}/{kind}"));
                warehouse.upload_dir(&folder, &format!("input/{kind}/{name}"));
            }
        };
        copies(1, "again");
        upload_batch(&warehouse, 2);
        run(&warehouse, engines[1]);
        copies(2, "once-more");
        let report = run(&warehouse, engines[2]);
        let added = &report["load"]["tables"];
        for table in ["songplays", "users", "songs", "artists", "time"] {
            for change in ["added", "changed"] {
                assert_eq!(added[table][change], 0, "{table} {change}: {report}");
            }
        }
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
        assert_all_is_loaded_once(&warehouse);
    }
}

/// An object that is replaced is loaded again, by whichever engine runs next.
#[test]
fn changed_objects_are_loaded_again() {
    for engines in [[REDSHIFT, IN_PROCESS], [IN_PROCESS, REDSHIFT]] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        upload_batch(&warehouse, 1);
        let folder = warehouse.path("batch-1/log_data");
        let name = testkit::dir_contents::list_files(&folder)
            .into_iter()
            .next()
            .unwrap();
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let half: Vec<_> = text.lines().take(text.lines().count() / 2).collect();
        let key = format!("input/log_data/batch-1/{name}");
        warehouse.put_object(&key, half.join("\n"));
        run(&warehouse, engines[0]);
        warehouse.put_object(&key, &text);
        let report = run(&warehouse, engines[1]);
        assert_eq!(report["logs"]["objects"], 1);
        assert_eq!(report["logs"]["changed_objects"], 1);
        assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1]));
    }
}

/// Six nights on which the engines take turns. Some runs are killed, and the next one is by the same or by the
/// other engine.
#[test]
fn engines_take_turns_for_six_nights() {
    const NIGHTS: usize = 6;
    let kills = [
        None,
        Some((REDSHIFT, "COPY staging_events")),
        Some((REDSHIFT, "INSERT INTO songplays")),
        None,
        Some((IN_PROCESS, "COPY staged_time")),
        Some((REDSHIFT, "INSERT INTO load_history")),
    ];
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    for (night, kill) in (1..=NIGHTS).zip(kills) {
        // The songs of a night arrive one night after its logs, apart from those of the first one.
        upload_part(&warehouse, night, Part::Logs);
        match night {
            1 => upload_part(&warehouse, 1, Part::Songs),
            2 => {}
            _ => upload_part(&warehouse, night - 1, Part::Songs),
        }
        let input = RawInput::below(&warehouse, "input");
        if let Some((engine, statement)) = kill {
            let command = engine_command(&warehouse, engine, &input, &LIMIT);
            let matcher = StatementMatcher::containing(statement);
            kill_at(&warehouse, command, FaultPoint::After, matcher);
        }
        let engine = match night % 2 {
            0 => REDSHIFT,
            _ => IN_PROCESS,
        };
        let report = run(&warehouse, engine);
        assert_eq!(report["logs"]["objects"], 3, "night {night}: {report}");
    }
    upload_part(&warehouse, NIGHTS, Part::Songs);
    run(&warehouse, REDSHIFT);
    let expected = tables_of_one_run(1..=NIGHTS);
    assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    assert_all_is_loaded_once(&warehouse);
    assert_eq!(permanent_staging_tables(&warehouse), Vec::<String>::new());
    let history = warehouse.run_command(&["history", "--json", "--limit", "20"]);
    let history = history.assert_success().json();
    assert_eq!(history["runs"].as_array().unwrap().len(), NIGHTS + 1);
    // A full refresh by either engine gives the same tables again.
    for engine in [REDSHIFT, IN_PROCESS] {
        let input = RawInput::below(&warehouse, "input");
        let refresh = [&LIMIT[..], &["--full-refresh"]].concat();
        let output = run_engine(&warehouse, engine, &input, &refresh);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
        assert_all_is_loaded_once(&warehouse);
    }
}

/// Both engines load the same objects at the same time: one waits for the other, and the tables are those of one run.
#[test]
fn engines_may_run_at_the_same_time() {
    let expected = tables_of_one_run([1, 2]);
    for isolation in [IsolationLevel::Snapshot, IsolationLevel::Serializable] {
        let warehouse = TestWarehouse::with_settings(SimulatorSettings {
            isolation,
            ..SimulatorSettings::default()
        });
        upload_batch(&warehouse, 1);
        let input = upload_batch(&warehouse, 2);
        let outputs = std::thread::scope(|scope| {
            let runs = [REDSHIFT, IN_PROCESS, REDSHIFT].map(|engine| {
                let (warehouse, input) = (&warehouse, &input);
                scope.spawn(move || run_engine(warehouse, engine, input, &LIMIT))
            });
            runs.map(|run| run.join().unwrap())
        });
        for output in outputs {
            assert_eq!(output.code, Some(0), "{output:?}");
        }
        assert_tables_eq(&warehouse.warehouse_tables(), &expected);
        let report = run(&warehouse, REDSHIFT);
        assert_eq!(report["status"], "nothing_new");
    }
}
