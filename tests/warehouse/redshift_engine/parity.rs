//! Both engines leave equal tables.

use std::path::Path;

use serde_json::Value;
use sparkify::internals::model::RecordSchema;
use sparkify::internals::model::sparkify::{EVENT_RECORD, SONG_RECORD};

use super::support::{RawInput, assert_engines_agree, run_engine, undocumented_behaviours};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

/// Uploads the input that `generate` writes with these arguments.
fn upload_generated(warehouse: &TestWarehouse, arguments: &[&str]) -> RawInput {
    warehouse.generate_input("generated", arguments);
    warehouse.upload_dir(&warehouse.path("generated"), "input");
    RawInput::below(warehouse, "input")
}

#[test]
fn engines_agree_on_fixtures() {
    for settings in undocumented_behaviours() {
        let upload = |warehouse: &TestWarehouse| {
            let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
            for folder in ["song_data", "log_data"] {
                warehouse.upload_dir(
                    format!("{fixtures}/{folder}").as_ref(),
                    &format!("input/{folder}"),
                );
            }
            RawInput::below(warehouse, "input")
        };
        let report = assert_engines_agree(&settings, upload, &[]);
        assert_eq!(report["engine"], "redshift");
    }
}

/// The real sample, if it is there.
#[test]
fn engines_agree_on_the_sample() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/sparkify_sample");
    if !sample.exists() {
        return;
    }
    for settings in undocumented_behaviours() {
        let upload = |warehouse: &TestWarehouse| {
            warehouse.upload_dir(&sample, "input");
            RawInput::below(warehouse, "input")
        };
        let report = assert_engines_agree(&settings, upload, &[]);
        assert_eq!(report["logs"]["kept"], 6820);
        assert_eq!(report["tables"]["artists"]["rows"], 69);
        assert_eq!(report["matched_songplays"], 1);
    }
}

#[test]
fn engines_agree_on_generated_events() {
    for (settings, events) in undocumented_behaviours().iter().zip(["200000", "20000"]) {
        let arguments = [
            "--events", events, "--songs", "2000", "--users", "300", "--seed", "11",
        ];
        let upload = |warehouse: &TestWarehouse| upload_generated(warehouse, &arguments);
        assert_engines_agree(settings, upload, &[]);
    }
}

/// Every kind of awkward input that the generator knows. COPY takes some of it differently, so the engine in this process
/// gets what COPY has staged.
#[test]
fn engines_agree_on_edge_cases_that_copy_has_staged() {
    for (settings, events) in undocumented_behaviours().iter().zip(["20000", "200000"]) {
        let arguments = [
            "--events",
            events,
            "--songs",
            "2000",
            "--users",
            "300",
            "--seed",
            "12",
            "--edge-cases",
        ];
        let warehouse = TestWarehouse::with_settings(settings.clone());
        let input = upload_generated(&warehouse, &arguments);
        let more = ["--max-rejects", "100%", "--keep-staging"];
        let found = run_engine(&warehouse, "redshift", &input, &more);
        // Long records that COPY cannot read are a warning.
        assert_eq!(found.code, Some(0), "{found:?}");
        let found = found.json();

        let other = TestWarehouse::with_settings(settings.clone());
        let staged = [
            upload_staged(&warehouse, &other, &SONG_RECORD, "song_data"),
            upload_staged(&warehouse, &other, &EVENT_RECORD, "log_data"),
        ];
        let input = RawInput::below(&other, "input");
        let expected = run_engine(&other, "in-process", &input, &["--max-rejects", "100%"]);
        let expected = expected.assert_success().json();
        assert_tables_eq(&warehouse.warehouse_tables(), &other.warehouse_tables());
        for (kind, staged) in ["songs", "logs"].into_iter().zip(staged) {
            let count = |report: &Value, name: &str| report[kind][name].as_u64().unwrap();
            let by_copy = count(&found, "records") - staged;
            assert!(
                by_copy > 10,
                "{kind}: {by_copy} records were rejected by COPY"
            );
            assert_eq!(
                count(&found, "rejected"),
                count(&expected, "rejected") + by_copy
            );
            for reason in ["type", "range", "missing"] {
                let [found, expected] =
                    [&found, &expected].map(|report| &report[kind]["rejected_by_reason"][reason]);
                assert_eq!(found, expected, "{kind} {reason}");
            }
        }
        for name in [
            "kept",
            "filtered",
            "duplicates",
            "oldest_event",
            "newest_event",
        ] {
            assert_eq!(found["logs"][name], expected["logs"][name], "{name}");
        }
    }
}

/// Uploads the records that a run has staged as JSON, all of their values as texts. Returns how many there are.
fn upload_staged(
    from: &TestWarehouse,
    to: &TestWarehouse,
    record: &RecordSchema,
    folder: &str,
) -> u64 {
    let keys = record.known_keys();
    let columns: Vec<_> = keys.iter().map(|key| key.to_lowercase()).collect();
    let query = format!(
        "SELECT {} FROM staging_{}s",
        columns.join(", "),
        record.name
    );
    let rows = from.admin_client().query(&query, &[]).unwrap();
    let mut lines = String::new();
    for row in &rows {
        let values = keys.iter().enumerate();
        let values = values.filter_map(|(index, key)| {
            Some((
                (*key).to_owned(),
                row.get::<_, Option<String>>(index)?.into(),
            ))
        });
        lines += &Value::Object(values.collect()).to_string();
        lines += "\n";
    }
    to.put_object(&format!("input/{folder}/staged.json"), lines);
    rows.len() as u64
}
