//! Cases from field reports in `../shared/cases`, which are skipped if that directory is missing: small
//! inputs of the reported form, with the results that its README states.

use std::path::{Path, PathBuf};

use serde_json::json;
use sparkify::config::IoSizes;

use crate::harness::{RunOptions, VerifiedRun, run_and_compare};

/// Returns the directory of a case, or `None` if the cases are missing.
fn case_dir(name: &str) -> Option<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases");
    if !cases.is_dir() {
        eprintln!("skipped: ../shared is not here");
        return None;
    }
    let case = cases.join(name);
    assert!(case.is_dir(), "{} does not exist", case.display());
    Some(case)
}

/// Runs the engine over a case at default and at small sizes, and compares both outputs with the reference.
fn check_case(name: &str, check_all: impl Fn(&VerifiedRun)) {
    let Some(case) = case_dir(name) else {
        return;
    };
    let small = IoSizes {
        split_bytes: Some(10_000),
        chunk_bytes: 1000,
        row_group_rows: 100,
    };
    for sizes in [IoSizes::default(), small] {
        let setting = RunOptions { threads: 2, sizes };
        check_all(&run_and_compare(
            &case.join("songs"),
            &case.join("logs"),
            setting,
        ));
    }
}

/// Returns the number of objects, of kept events including duplicates, and of rejects.
fn log_counts(checked: &VerifiedRun) -> (u64, u64, u64) {
    let logs = &checked.report.logs;
    assert_eq!(logs.filtered, 0);
    (
        logs.input.objects,
        logs.kept + logs.duplicates,
        logs.input.rejected,
    )
}

#[test]
fn array_elements_are_read_as_records() {
    for (name, expected) in [
        ("01a-array-compact", (2, 1500, 0)),
        ("01c-array-line-each", (2, 1500, 0)),
        ("01d-only-log-is-array", (1, 5000, 0)),
    ] {
        check_case(name, |checked| {
            assert_eq!(log_counts(checked), expected, "{name}")
        });
    }
}

#[test]
fn bad_record_in_single_line_object_rejects_only_itself() {
    check_case("02b-firehose-one-bad", |checked| {
        assert_eq!(log_counts(checked), (1, 1000, 1));
    });
}

#[test]
fn boms_between_records_are_skipped() {
    check_case("06-bom-middle", |checked| {
        assert_eq!(log_counts(checked), (1, 500, 0));
    });
}

#[test]
fn gzip_zero_padding_is_ignored() {
    check_case("10a-gz-zero-padding", |checked| {
        assert_eq!(log_counts(checked), (1, 1000, 0));
    });
}

#[test]
fn gzip_content_with_json_extension_is_decompressed() {
    check_case("12-json-name-gz-content", |checked| {
        assert_eq!(log_counts(checked), (2, 6000, 0));
    });
}

#[test]
fn extensions_are_case_insensitive_and_unknown_ones_are_counted() {
    check_case("15-names", |checked| {
        assert_eq!(log_counts(checked), (6, 60, 0));
        let logs = &checked.report.logs.input;
        assert_eq!(logs.ignored_objects, 10);
        assert_eq!(
            json!(logs.ignored_extensions),
            json!({
                ".1": 1, ".geojson": 1, ".jsonlines": 1, ".log": 1, ".lz4": 1, ".snappy": 1,
                ".txt": 1, ".xz": 1, ".zstd": 1, "no extension": 1,
            })
        );
    });
}

#[test]
fn zstd_window_above_128_mib_is_read() {
    check_case("50b-zstd-long-beside-others", |checked| {
        assert_eq!(log_counts(checked), (2, 2000, 0));
    });
}
