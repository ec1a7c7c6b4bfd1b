//! What the commands print and write on the fixtures, compared with the files of `tests/snapshots`.

use std::fs;
use std::path::Path;

use testkit::cli::sandbox::Sandbox;
use testkit::cli::snapshot::assert_snapshot;

/// A warehouse that nobody can connect to, for dry runs.
const POSTGRES_ARG: &str = "--warehouse=postgres://etl@127.0.0.1:1/music";
const REDSHIFT_ARG: &str = "--warehouse=redshift://etl@127.0.0.1:1/music";

/// Creates a sandbox with the fixtures, and with the edge case in which each reject reason occurs.
fn sandbox_with_fixtures() -> Sandbox {
    let sandbox = Sandbox::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    sandbox.symlink("song_data", fixtures.join("song_data"));
    sandbox.symlink("log_data", fixtures.join("log_data"));
    sandbox.symlink("rejects", fixtures.join("edge-cases/reject-reasons"));
    sandbox
}

/// Returns the arguments of a run on the fixtures.
fn run_args(more: &[&'static str]) -> Vec<&'static str> {
    let run = [
        "run",
        "--songs=song_data",
        "--logs=log_data",
        "--out=dataset",
    ];
    [&run, more].concat()
}

/// Returns the arguments of a run on the edge case.
fn run_with_rejects(more: &[&'static str]) -> Vec<&'static str> {
    let run = [
        "run",
        "--songs=rejects/songs",
        "--logs=rejects/logs",
        "--out=dataset",
    ];
    [&run, more].concat()
}

#[test]
fn run_and_its_report() {
    let sandbox = sandbox_with_fixtures();
    let threads = ["--threads=2"];
    sandbox
        .exec(&run_args(&threads))
        .assert_snapshot("run/summary.txt");
    let report = fs::read_to_string(sandbox.path("dataset/_report.json")).unwrap();
    assert_snapshot("run/report.json", &report);
}

#[test]
fn run_with_rejects_and_its_reject_file() {
    let sandbox = sandbox_with_fixtures();
    let accepted = ["--max-rejects=100%"];
    sandbox
        .exec(&run_with_rejects(&accepted))
        .assert_snapshot("run/summary-with-rejects.txt");
    for kind in ["songs", "logs"] {
        let file = sandbox.path(&format!("dataset/_rejects/{kind}-00000.jsonl"));
        let rejects = fs::read_to_string(file).unwrap();
        assert_snapshot(&format!("run/rejects-{kind}.jsonl"), &rejects);
    }
}

#[test]
fn rejects_and_their_replay() {
    let sandbox = sandbox_with_fixtures();
    let accepted = ["--max-rejects=100%", "--quiet"];
    sandbox.exec(&run_with_rejects(&accepted)).assert_success();
    for (arguments, file) in [
        (&["rejects", "dataset"][..], "rejects/table.txt"),
        (
            &["rejects", "dataset", "--by", "kind", "--json"],
            "rejects/json.txt",
        ),
        (
            &["replay", "--from=dataset", "--out=replayed", "--dry-run"],
            "replay/dry-run.txt",
        ),
        (
            &["replay", "--from=dataset", "--out=replayed"],
            "replay/all-rejected-again.txt",
        ),
    ] {
        sandbox.exec(arguments).assert_snapshot(file);
    }
}

#[test]
fn run_over_the_limit_and_its_clean() {
    let sandbox = sandbox_with_fixtures();
    sandbox
        .exec(&run_with_rejects(&[]))
        .assert_snapshot("run/too-many-rejects.txt");
    for (arguments, file) in [
        (&["clean", "dataset"][..], "clean/dry-run.txt"),
        (&["clean", "dataset", "--json"], "clean/json.txt"),
        (&["clean", "dataset", "--yes"], "clean/removed.txt"),
    ] {
        sandbox.exec(arguments).assert_snapshot(file);
    }
    sandbox.exec(&run_args(&["--quiet"])).assert_success();
    sandbox
        .exec(&["clean", "dataset"])
        .assert_snapshot("clean/nothing-to-remove.txt");
}

#[test]
fn dry_run_of_a_run() {
    let sandbox = sandbox_with_fixtures();
    for (more, file) in [
        (&["--dry-run"][..], "run/dry-run.txt"),
        (&["--dry-run", "--json"], "run/dry-run-json.txt"),
        (
            &["--dry-run", POSTGRES_ARG],
            "run/dry-run-with-warehouse.txt",
        ),
    ] {
        sandbox.exec(&run_args(more)).assert_snapshot(file);
    }
    assert!(!sandbox.path("dataset").exists());
}

#[test]
fn dry_run_of_a_load() {
    let sandbox = sandbox_with_fixtures();
    sandbox.exec(&run_args(&["--quiet"])).assert_success();
    let load = ["load", "--from=dataset", "--dry-run", POSTGRES_ARG];
    sandbox
        .exec(&load)
        .assert_snapshot("load/dry-run-postgres.txt");
    sandbox
        .exec(&[&load[..], &["--full-refresh"]].concat())
        .assert_snapshot("load/dry-run-postgres-full-refresh.txt");
}

#[test]
fn dry_run_of_create_tables() {
    let sandbox = Sandbox::new();
    for (kind, warehouse) in [("postgres", POSTGRES_ARG), ("redshift", REDSHIFT_ARG)] {
        sandbox
            .exec(&["create-tables", "--drop", "--dry-run", warehouse])
            .assert_snapshot(&format!("create-tables/dry-run-{kind}.txt"));
    }
}

#[test]
fn queries_and_their_sql() {
    let sandbox = Sandbox::new();
    sandbox
        .exec(&["query", "--list"])
        .assert_snapshot("query/list.txt");
    let range = ["--since=2018-11-15T10:00:00.5+01:00", "--until=2018-11-16"];
    sandbox
        .exec(
            &[
                &["query", "top-songs", "--dry-run", "--limit=3"],
                &range[..],
            ]
            .concat(),
        )
        .assert_snapshot("query/dry-run.txt");
}

#[test]
fn generate_summary() {
    let sandbox = Sandbox::new();
    let sizes = ["--events=500", "--songs=20", "--users=9", "--files=2"];
    sandbox
        .exec(&[&["generate", "--out=made", "--edge-cases"], &sizes[..]].concat())
        .assert_snapshot("generate/summary.txt");
}

/// Only the layout of the tables is stable.
#[test]
fn bench_tables() {
    let sandbox = sandbox_with_fixtures();
    let options = ["--runs=1", "--threads=1,2"];
    sandbox
        .exec(&[&["bench", "parse", "log_data"], &options[..]].concat())
        .assert_snapshot("bench/parse.txt");
    let run = ["bench", "run", "--songs=song_data", "--logs=log_data"];
    sandbox
        .exec(&[&run, &options[..]].concat())
        .assert_snapshot("bench/run.txt");
}
