//! `sparkify query --from OUT --dry-run`: the script for DuckDB, which tests/duckdb runs.

use std::fs;
use std::path::Path;

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;

/// Returns the script for a dataset in a sandbox.
fn script(sandbox: &Sandbox, from: &str) -> CommandOutput {
    sandbox.exec(&["query", "top-songs", "--from", from, "--dry-run"])
}

/// Returns the files that a script reads.
fn files(script: &str) -> Vec<String> {
    let lines = script.lines().map(|line| line.trim().trim_end_matches(','));
    let files = lines.filter_map(|line| line.strip_prefix("'/")?.strip_suffix(".parquet'"));
    files.map(|file| format!("/{file}.parquet")).collect()
}

fn real_path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[test]
fn script_names_every_part_of_the_star() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let script = script(&sandbox, "dataset").assert_success().stdout;
    let part = |table| real_path(&sandbox.path(&format!("dataset/{table}/part-00000.parquet")));
    let expected = ["songplays", "users", "songs", "artists", "time"].map(part);
    assert_eq!(files(&script), expected);
    assert!(script.contains("\nSELECT\n    p.song_id,"), "{script}");
    assert!(script.contains("COUNT(CASE WHEN song_id IS NOT NULL THEN 1 END) AS considered"));
    assert!(!script.contains("httpfs"), "{script}");
    snapshot.assert_unchanged();
}

#[test]
fn newest_of_runs_that_are_kept_side_by_side_is_named() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "first").assert_success();
    sandbox.run("songs", "logs", "second").assert_success();
    let run_of = |out: &str| {
        let report = fs::read(sandbox.path(out).join("_report.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        report["run"].as_str().unwrap().to_owned()
    };
    let (first, second) = (run_of("first"), run_of("second"));
    for (from, run) in [("first", &first), ("second", &second)] {
        fs::create_dir_all(sandbox.path("out")).unwrap();
        fs::rename(sandbox.path(from), sandbox.path("out").join(run)).unwrap();
    }
    let latest = serde_json::json!({"run": second, "report": "", "published": [first, second]});
    sandbox.write("out/latest.json", latest.to_string());
    let newest = script(&sandbox, "out").assert_success().stdout;
    let folder = real_path(&sandbox.path("out").join(&second));
    assert!(files(&newest).iter().all(|file| file.starts_with(&folder)));
    let older = script(&sandbox, &format!("out/{first}"))
        .assert_success()
        .stdout;
    assert!(files(&older).iter().all(|file| file.contains(&first)));
}

#[test]
fn wildcards_and_quotes_in_paths_are_literal() {
    let sandbox = Sandbox::with_input();
    let out = "year=2018/it's [a] *?";
    sandbox.run("songs", "logs", out).assert_success();
    let script = script(&sandbox, out).assert_success().stdout;
    assert!(
        script.contains("/year=2018/it''s [[]a] [*][?]/songplays/part-00000.parquet'"),
        "{script}"
    );
    assert!(script.contains("hive_partitioning = FALSE"), "{script}");
}

#[test]
fn path_that_duckdb_cannot_read_is_an_error() {
    let sandbox = Sandbox::with_input();
    sandbox.run("songs", "logs", "a\\b").assert_success();
    let plain = script(&sandbox, "a\\b").assert_success().stdout;
    assert!(
        plain.contains("/a\\b/songplays/part-00000.parquet'"),
        "{plain}"
    );
    sandbox.run("songs", "logs", "a\\*").assert_success();
    script(&sandbox, "a\\*").assert_failure(
        1,
        &["for DuckDB: the name contains a backslash, and one of the wildcards"],
    );
}

/// Such a view has the columns of the table, so that a query about it has no rows, and does not fail.
#[test]
fn table_without_parts_is_a_view_without_rows() {
    let (sandbox, _snapshot) = Sandbox::with_dataset();
    fs::remove_file(sandbox.path("dataset/songs/part-00000.parquet")).unwrap();
    let report = fs::read(sandbox.path("dataset/_report.json")).unwrap();
    let mut report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    report["tables"]["songs"] = serde_json::json!({"rows": 0, "files": 0, "bytes": 0});
    sandbox.write("dataset/_report.json", report.to_string());
    let script = script(&sandbox, "dataset").assert_success().stdout;
    let view = "CREATE OR REPLACE TEMP VIEW \"songs\" AS SELECT
    CAST(NULL AS VARCHAR(32)) AS \"song_id\",
    CAST(NULL AS VARCHAR(1024)) AS \"title\",
    CAST(NULL AS VARCHAR(32)) AS \"artist_id\",
    CAST(NULL AS INTEGER) AS \"year\",
    CAST(NULL AS DOUBLE PRECISION) AS \"duration\"
WHERE FALSE;
";
    assert!(script.contains(view), "{script}");
}

#[test]
fn incomplete_dataset_is_an_error() {
    let (sandbox, _snapshot) = Sandbox::with_dataset();
    script(&sandbox, "nothing").assert_failure(1, &["nothing"]);
    fs::remove_file(sandbox.path("dataset/users/part-00000.parquet")).unwrap();
    script(&sandbox, "dataset").assert_failure(1, &["it contains 0 files", "expected 1 files"]);
}

#[test]
fn usage_errors_say_what_to_do() {
    let (sandbox, _snapshot) = Sandbox::with_dataset();
    let query = |arguments: &[&str]| sandbox.exec(&[&["query", "top-songs"], arguments].concat());
    query(&["--from", "dataset"]).assert_failure(
        2,
        &[
            "add --dry-run",
            "sparkify query top-songs --from OUT --dry-run | duckdb",
        ],
    );
    for time in ["2018-11-01", "2018-11-01T10:00", "2018-11-31"] {
        query(&["--from", time]).assert_failure(
            2,
            &["--from names a dataset, not a time", "--since", "--until"],
        );
    }
    query(&["--from", "2018-11-01", "--to", "2018-12-01"])
        .assert_failure(2, &["give the range of times by --since and --until"]);
    let warehouse = ["--warehouse", "postgres://etl@localhost/music"];
    query(&[&["--from", "dataset", "--dry-run"], &warehouse[..]].concat()).assert_failure(
        2,
        &["--warehouse has no effect: --from answers from a dataset"],
    );
    query(&["--from", "dataset", "--dry-run", "--region", "eu-west-1"])
        .assert_failure(2, &["--region has no effect: --from is not in S3"]);
    query(&["--dry-run", "--region", "eu-west-1"])
        .assert_failure(2, &["--region has no effect: no --from is given"]);
    // A dataset may have the name of a day.
    fs::rename(sandbox.path("dataset"), sandbox.path("2018-11-01")).unwrap();
    script(&sandbox, "2018-11-01").assert_success();
}
