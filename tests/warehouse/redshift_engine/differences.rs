//! What COPY takes differently from the engine in this process. Every other golden case has equal tables and counts.

use std::path::{Path, PathBuf};

use serde_json::Value;
use testkit::redshift_simulator::NumberSpelling;

use super::support::{
    RawInput, assert_engines_agree, reject_lines, run_engine, undocumented_behaviours,
};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Uploads the songs and the logs of a golden case below a prefix.
fn upload_case(warehouse: &TestWarehouse, name: &str, prefix: &str) -> RawInput {
    let case = fixtures().join("edge-cases").join(name);
    let upload = |kind: &str| {
        let (folder, file) = (case.join(kind), case.join(format!("{kind}.json")));
        let key = format!("{prefix}/{kind}");
        if folder.is_dir() {
            warehouse.upload_dir(&folder, &key);
        } else if file.is_file() {
            warehouse.put_object(&format!("{key}/{kind}.json"), std::fs::read(file).unwrap());
        } else {
            let song = std::fs::read(fixtures().join("song.json")).unwrap();
            warehouse.put_object(&format!("{key}/song.json"), song);
        }
        vec![warehouse.out_location(&key)]
    };
    RawInput {
        songs: upload("songs"),
        logs: upload("logs"),
    }
}

/// The golden cases of which COPY takes something differently, and what that is.
const DIFFERENT: &[(&str, Difference)] = &[
    ("array-extra-commas", Difference::Array),
    ("array-with-bad-records", Difference::Array),
    ("bom", Difference::ByteOrderMark),
    ("bom-between-records", Difference::ByteOrderMark),
    ("bom-compressed", Difference::ByteOrderMark),
    ("bom-mid-file", Difference::ByteOrderMark),
    ("bom-only", Difference::ByteOrderMark),
    ("bom-repeated", Difference::ByteOrderMark),
    ("bzip2-truncated", Difference::CompressedStream),
    ("bzip2-wrong-checksum", Difference::CompressedStream),
    ("comma-between-records", Difference::Syntax),
    ("cr-line-endings", Difference::Syntax),
    ("duplicate-key", Difference::RepeatedKeys),
    ("format-by-content", Difference::CompressedStream),
    ("garbage-between-lines", Difference::Syntax),
    ("gzip-corrupt", Difference::CompressedStream),
    ("gzip-truncated", Difference::CompressedStream),
    (
        "gzip-truncated-between-records",
        Difference::CompressedStream,
    ),
    ("gzip-zero-padding", Difference::CompressedStream),
    ("lone-surrogate-filtered", Difference::Syntax),
    ("lone-surrogate-ignored", Difference::Syntax),
    ("lone-surrogate-in-column", Difference::Syntax),
    ("multiple-errors", Difference::Nul),
    ("nested-129", Difference::Syntax),
    ("not-an-object", Difference::Syntax),
    ("not-gzip", Difference::CompressedStream),
    ("not-utf8", Difference::Syntax),
    ("nul", Difference::Nul),
    ("pretty-printed-array", Difference::Array),
    ("record-larger-than-chunk", Difference::LongText),
    ("reject-reasons", Difference::NestedText),
    ("resync-requires-known-key", Difference::Syntax),
    ("single-line-with-bad-records", Difference::Syntax),
    ("top-level-array", Difference::Array),
    ("trailing-garbage", Difference::Syntax),
    ("truncated-array", Difference::Array),
    ("unknown-keys", Difference::Syntax),
    ("unsupported-formats", Difference::Syntax),
    ("utf16", Difference::Syntax),
    ("wrong-types", Difference::NestedText),
    ("zstd-corrupt", Difference::CompressedStream),
    ("zstd-truncated", Difference::CompressedStream),
];

/// The cases with numbers where text is wanted, and with numbers that a double cannot hold. What becomes of them depends
/// on how COPY spells numbers.
const SPELLED_NUMBERS: &[&str] = &[
    "doubles",
    "huge-exponents",
    "integers-with-fraction-or-exponent",
    "numbers-as-strings",
];

/// What COPY takes differently. The list is that of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// COPY resumes after a syntax error in its own way, and rejects other records.
    Syntax,
    /// COPY reads no arrays of records.
    Array,
    ByteOrderMark,
    /// COPY goes by the name of an object, and fails if it cannot decompress it.
    CompressedStream,
    RepeatedKeys,
    /// A text ends at U+0000.
    Nul,
    /// An object or array becomes a text.
    NestedText,
    /// A text of more than 65,535 bytes is rejected.
    LongText,
}

/// All other cases, in one run: the engines agree on tables and counts.
#[test]
fn other_golden_cases_agree() {
    for settings in undocumented_behaviours() {
        let is_spelled_anew = settings.number_spelling == NumberSpelling::ThroughDouble;
        let is_left_out = |name: &str| {
            DIFFERENT.iter().any(|(different, _)| *different == name)
                || (is_spelled_anew && SPELLED_NUMBERS.contains(&name))
        };
        let upload = |warehouse: &TestWarehouse| {
            let cases = std::fs::read_dir(fixtures().join("edge-cases")).unwrap();
            let names = cases.map(|case| case.unwrap().file_name().into_string().unwrap());
            for name in names.filter(|name| !is_left_out(name)) {
                upload_case(warehouse, &name, &format!("cases/{name}"));
            }
            let url = |kind: &str| vec![warehouse.out_location(&format!("cases/*/{kind}"))];
            RawInput {
                songs: url("songs"),
                logs: url("logs"),
            }
        };
        let report = assert_engines_agree(&settings, upload, &["--max-rejects", "100%"]);
        assert!(report["logs"]["objects"].as_u64().unwrap() > 60, "{report}");
    }
}

/// What COPY takes differently is counted: the records of a run add up, and its rejects are listed. Or the run fails,
/// and the warehouse is unchanged.
#[test]
fn differences_are_reported() {
    let settings = undocumented_behaviours();
    let warehouse = TestWarehouse::with_settings(settings[0].clone());
    let more = ["--max-rejects", "100%", "--full-refresh", "--allow-empty"];
    for (name, difference) in DIFFERENT {
        let before = warehouse.warehouse_tables();
        let input = upload_case(&warehouse, name, &format!("cases/{name}"));
        let output = run_engine(&warehouse, "redshift", &input, &more);
        if *difference == Difference::CompressedStream {
            assert_eq!(output.code, Some(1), "{name}: {output:?}");
            assert!(output.stderr.contains("--engine in-process"), "{output:?}");
            assert_tables_eq(&warehouse.warehouse_tables(), &before);
            continue;
        }
        let report = output.json();
        let logs = &report["logs"];
        let count = |name: &str| logs[name].as_u64().unwrap();
        assert_eq!(
            count("records"),
            count("kept") + count("filtered") + count("rejected") + count("duplicates"),
            "{name}: {logs}"
        );
        let rejects = reject_lines(&warehouse, report["run"].as_str().unwrap(), "logs");
        assert_eq!(rejects.len() as u64, count("rejected"), "{name}");
        let expected = std::fs::read(
            fixtures()
                .join("edge-cases")
                .join(name)
                .join("expected.json"),
        );
        let expected: Value = serde_json::from_slice(&expected.unwrap()).unwrap();
        let differs = ["records", "kept", "filtered", "rejected_by_reason"]
            .iter()
            .any(|count| {
                !expected["logs"][count].is_null() && expected["logs"][count] != logs[count]
            });
        let is_in_songs =
            expected["songs"]["rejected_by_reason"] != report["songs"]["rejected_by_reason"];
        assert!(differs || is_in_songs, "{name} does not differ: {logs}");
        match output.code {
            Some(0) => {}
            Some(3) => {
                assert_tables_eq(&warehouse.warehouse_tables(), &before);
                assert_eq!(report["status"], "failed");
            }
            code => panic!("{name}: {code:?} {output:?}"),
        }
    }
}
