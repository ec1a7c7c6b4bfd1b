//! The objects that COPY reads: each kind of compression, empty objects, globs, several prefixes, and buckets in another
//! region.

use std::io::Write;

use serde_json::json;
use testkit::redshift_simulator::{SimulatorSettings, WarehouseKind};

use super::batches::{LIMIT, runs_in_output, tables_of_one_run, upload_batch};
use super::support::{RawInput, counts, event, run_engine, song};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

/// Returns the bytes of an object with a text.
type Encoder = fn(&str) -> Vec<u8>;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn bzip2(text: &str) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

fn plain(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

/// Returns an event that plays the song of this number.
fn play(number: usize) -> String {
    event(&json!({
        "ts": 1_541_000_000_000 + number, "userId": number.to_string(), "itemInSession": number,
        "song": format!("Title {number}"),
    }))
}

fn numbered_song(number: usize) -> String {
    song(&json!({
        "song_id": format!("S{number}"), "artist_id": format!("A{number}"), "title": format!("Title {number}"),
    }))
}

/// Returns the COPYs of records that were executed, by table and manifest.
fn record_copies(warehouse: &TestWarehouse) -> Vec<String> {
    let statements = warehouse.faults().statements();
    let copies = statements.into_iter().filter(|sql| {
        sql.starts_with("COPY staging_songs") || sql.starts_with("COPY staging_events")
    });
    copies.collect()
}

#[test]
fn each_compression_has_its_copy() {
    let upload = |warehouse: &TestWarehouse| {
        let encoders: [(&str, Encoder); 10] = [
            ("a.json", plain),
            ("b.json.gz", gzip),
            ("c.json.bz2", bzip2),
            ("d.json.zst", zstd),
            ("E.JSON", plain),
            ("F.JSON.GZ", gzip),
            ("g.jsonl.GZip", gzip),
            ("h.NDJSON.Bz2", bzip2),
            ("i.ldjson.ZST", zstd),
            ("Ünïcode name+&=.json.gz", gzip),
        ];
        for (number, (name, encode)) in encoders.into_iter().enumerate() {
            let events = format!("{}\n{}\n", play(number), play(number + 20));
            warehouse.put_object(&format!("input/log_data/{name}"), encode(&events));
            warehouse.put_object(
                &format!("input/song_data/{name}"),
                encode(&numbered_song(number)),
            );
        }
        // COPY cannot read these as compressed objects, and they hold nothing.
        for name in [
            "empty.json",
            "empty.json.gz",
            "empty.json.bz2",
            "empty.json.zst",
        ] {
            warehouse.put_object(&format!("input/log_data/{name}"), "");
        }
        // An empty member, and white space only.
        warehouse.put_object("input/log_data/member.json.gz", gzip(""));
        warehouse.put_object("input/log_data/space.json", " \r\n\n");
        for name in [".DS_Store", "_SUCCESS", "readme.txt"] {
            warehouse.put_object(&format!("input/log_data/{name}"), "x");
        }
        RawInput::below(warehouse, "input")
    };
    let mut reports = Vec::new();
    let mut tables = Vec::new();
    for engine in ["in-process", "redshift"] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        let input = upload(&warehouse);
        let output = run_engine(&warehouse, engine, &input, &[]).assert_success();
        reports.push(output.json());
        tables.push(warehouse.warehouse_tables());
        if engine == "redshift" {
            let copies = record_copies(&warehouse);
            for table in ["staging_songs", "staging_events"] {
                let of_table = copies
                    .iter()
                    .filter(|sql| sql.starts_with(&format!("COPY {table} ")));
                assert_eq!(of_table.count(), 4, "{copies:?}");
            }
            for word in [" GZIP", " BZIP2", " ZSTD"] {
                assert_eq!(copies.iter().filter(|sql| sql.contains(word)).count(), 2);
            }
            // Empty objects are in the load history, so that they are not looked at again.
            let again = run_engine(&warehouse, engine, &input, &[]).assert_success();
            assert_eq!(again.json()["status"], "nothing_new");
        }
    }
    assert_eq!(counts(&reports[1]), counts(&reports[0]));
    assert_eq!(reports[1]["logs"]["kept"], 20);
    assert_eq!(reports[1]["matched_songplays"], 10);
    for name in ["bytes", "objects", "ignored_objects", "ignored_extensions"] {
        assert_eq!(reports[1]["logs"][name], reports[0]["logs"][name], "{name}");
    }
    assert_tables_eq(&tables[1], &tables[0]);
}

/// Only empty objects: there is nothing to copy.
#[test]
fn empty_objects_are_not_copied() {
    for name in ["a.json", "a.json.gz"] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        warehouse.put_object("input/song_data/a.json", numbered_song(1));
        warehouse.put_object(&format!("input/log_data/{name}"), "");
        let input = RawInput::below(&warehouse, "input");
        run_engine(&warehouse, "redshift", &input, &[])
            .assert_failure_with_warnings(1, "--allow-empty");
        let output = run_engine(&warehouse, "redshift", &input, &["--allow-empty"]);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(record_copies(&warehouse).len(), 2);
        assert_eq!(warehouse.warehouse_tables()["songs"].len(), 1);
    }
}

#[test]
fn globs_select_the_same_objects() {
    let mut reports = Vec::new();
    let mut tables = Vec::new();
    for engine in ["in-process", "redshift"] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        for (number, key) in [
            "logs/2018/2018-11-01-events.json",
            "logs/2018/2018-11-02-events.json",
            "logs/2018/2018-12-01-events.json",
            "other/logs/firehose-2018-11-04",
            "other/logs/firehose-2018-11-05.gz",
            "other/logs/readme.md",
            "single.json",
            "not-named.json",
        ]
        .into_iter()
        .enumerate()
        {
            let text = play(number);
            let is_gzip = key.ends_with(".gz");
            let bytes = if is_gzip { gzip(&text) } else { plain(&text) };
            warehouse.put_object(key, bytes);
        }
        warehouse.put_object("songs/a/1.json", numbered_song(1));
        warehouse.put_object("songs/b/2.json", numbered_song(2));
        let urls = |keys: &[&str]| {
            keys.iter()
                .map(|key| format!("s3://datasets/{key}"))
                .collect()
        };
        let input = RawInput {
            songs: urls(&["songs/a", "songs/b", "songs/a"]),
            // Two of them name the same object.
            logs: urls(&[
                "logs/2018/2018-11-*",
                "logs/2018/2018-11-01-events.json",
                "other/logs",
                "single.json",
            ]),
        };
        let report = run_engine(&warehouse, engine, &input, &["--include", "firehose-*"])
            .assert_success()
            .json();
        assert_eq!(report["logs"]["objects"], 5, "{report}");
        assert_eq!(report["songs"]["objects"], 2);
        reports.push(report);
        tables.push(warehouse.warehouse_tables());
    }
    assert_eq!(counts(&reports[1]), counts(&reports[0]));
    assert_tables_eq(&tables[1], &tables[0]);
}

#[test]
fn bucket_in_another_region_needs_its_name() {
    let warehouse = TestWarehouse::with_settings(SimulatorSettings {
        other_region_buckets: vec![("datasets".to_owned(), "eu-west-1".to_owned())],
        ..SimulatorSettings::default()
    });
    let input = upload_batch(&warehouse, 1);
    let run = |more: &[&str]| run_engine(&warehouse, "redshift", &input, &[&LIMIT, more].concat());
    for wrong in [&[][..], &["--copy-region", "us-east-2"]] {
        run(wrong).assert_failure(1, &["--copy-region", "another region"]);
        assert_eq!(runs_in_output(&warehouse).len(), 0);
    }
    for no_name in ["", "eu-west-1'", "EU", "eu west"] {
        run(&["--copy-region", no_name]).assert_failure(
            2,
            &["cannot use --copy-region", "expected the name of a region"],
        );
    }
    warehouse.faults().clear();
    run(&["--copy-region", "eu-west-1"]).assert_success();
    let copies = record_copies(&warehouse);
    assert!(copies.iter().all(|sql| sql.contains("REGION 'eu-west-1'")));
    assert_tables_eq(&warehouse.warehouse_tables(), &tables_of_one_run([1]));
}
