//! Flags of runs with `--engine redshift`: dry runs, usage errors, a full refresh, and what is logged.

use testkit::cli::output::CommandOutput;
use testkit::redshift_simulator::{PASSWORD, WarehouseKind};
use testkit::s3_server::server::{ACCESS_KEY, SECRET_KEY};

use super::batches::{LIMIT, runs_in_output, tables_of_one_run, upload_batch};
use super::support::{engine_command, run_engine};
use crate::support::table_rows::assert_tables_eq;
use crate::support::test_warehouse::TestWarehouse;

/// Returns the statements of a script, without comments.
fn statements_of(script: &str) -> Vec<String> {
    let lines = script.lines().filter(|line| !line.starts_with("--"));
    let text: Vec<_> = lines.collect();
    let statements = text.join("\n");
    let statements = statements.split(";\n");
    let statements = statements.map(|sql| sql.trim().trim_end_matches(';').to_owned());
    statements.filter(|sql| !sql.is_empty()).collect()
}

/// Returns a statement without white space and comments. Scripts have shorter lines than the statements that are sent.
fn without_white_space(sql: &str) -> String {
    let lines = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    lines.flat_map(str::split_whitespace).collect()
}

/// Queries of the program that are not part of the transaction's plan, because they depend on its results.
const UNPLANNED: [&str; 3] = [
    "SELECT pg_last_copy_id()",
    "SELECT pg_last_query_id()",
    "INSERT INTO copy_rejects",
];

#[test]
fn dry_run_prints_what_a_run_executes() {
    for more in [&[][..], &["--keep-staging"], &["--full-refresh"]] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        let input = upload_batch(&warehouse, 1);
        warehouse.faults().clear();
        let arguments = [&LIMIT[..], &["--dry-run"], more].concat();
        let plan = run_engine(&warehouse, "redshift", &input, &arguments).assert_success();
        assert_eq!(warehouse.faults().recorded().len(), 0);
        let plan = plan.json();
        let script = plan["load"].as_str().unwrap();
        let planned = statements_of(script);
        assert!(planned.len() > 40, "{script}");
        assert!(script.contains("s3://datasets/out-redshift/RUN/staging/logs.manifest"));
        // The same without --json.
        let mut text = warehouse.warehouse_command(&["run", "--engine=redshift", "--dry-run"]);
        text.args(["--out", "s3://datasets/out-redshift"]);
        text.args(["--songs", &input.songs[0], "--logs", &input.logs[0]]);
        let text = CommandOutput::run(text.args(LIMIT).args(more)).assert_success();
        assert!(text.stdout.contains(script), "{}", text.stdout);
        assert_eq!(warehouse.faults().recorded().len(), 0);

        let report = run_engine(&warehouse, "redshift", &input, &[&LIMIT, more].concat());
        let report = report.assert_success().json();
        let id = report["run"].as_str().unwrap();
        let executed = warehouse.faults().statements();
        let begin = executed.iter().position(|sql| sql.starts_with("BEGIN"));
        let commit = executed.iter().rposition(|sql| sql.starts_with("COMMIT"));
        let executed: Vec<_> = executed[begin.unwrap()..=commit.unwrap()]
            .iter()
            .filter(|sql| !UNPLANNED.iter().any(|query| sql.starts_with(query)))
            .map(|sql| sql.replace(id, "RUN").trim().to_owned())
            .collect();
        let pairs = planned.iter().zip(&executed);
        let first_difference = pairs
            .into_iter()
            .find(|(a, b)| without_white_space(a) != without_white_space(b));
        assert_eq!(first_difference, None, "{more:?}");
        assert_eq!(planned.len(), executed.len(), "{more:?}");
    }
}

#[test]
fn full_refresh_gives_the_same_tables() {
    let expected = tables_of_one_run([1, 2]);
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    upload_batch(&warehouse, 2);
    warehouse
        .admin_client()
        .batch_execute(
            "DELETE FROM songplays; UPDATE users SET level = 'wrong'; DROP TABLE artists CASCADE",
        )
        .unwrap();
    let refresh = [&LIMIT[..], &["--full-refresh"]].concat();
    let report = run_engine(&warehouse, "redshift", &input, &refresh);
    let report = report.assert_success().json();
    assert_eq!(report["logs"]["already_loaded_objects"], 0);
    assert_tables_eq(&warehouse.warehouse_tables(), &expected);
    let again = run_engine(&warehouse, "redshift", &input, &LIMIT).assert_success();
    assert_eq!(again.json()["status"], "nothing_new");
}

const OUT: &str = "s3://datasets/out-redshift";
const SONGS: &str = "s3://datasets/input/song_data";
const LOGS: &str = "s3://datasets/input/log_data";

#[test]
fn usage_errors_say_what_to_do() {
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    upload_batch(&warehouse, 1);
    warehouse.faults().clear();
    let url = warehouse.url();
    let postgres = url.replace("redshift://", "postgres://");
    assert_ne!(url, postgres);
    let redshift = ["--engine", "redshift"];
    let with = |more: &[&'static str]| [&redshift, more].concat();
    let local = "batch-1/song_data";
    for (url, songs, logs, out, more, words) in [
        (
            "",
            SONGS,
            LOGS,
            OUT,
            with(&[]),
            ["no warehouse is named", "--warehouse"],
        ),
        (
            &postgres,
            SONGS,
            LOGS,
            OUT,
            with(&[]),
            ["the warehouse is PostgreSQL", "leave out --engine redshift"],
        ),
        (
            &url,
            SONGS,
            LOGS,
            "out",
            with(&[]),
            ["--out out is not in S3", "--out s3://bucket/prefix"],
        ),
        (
            &url,
            local,
            LOGS,
            OUT,
            with(&[]),
            [
                "upload batch-1/song_data to S3",
                "leave out --engine redshift",
            ],
        ),
        (
            &url,
            SONGS,
            "batch-1/log_data",
            OUT,
            with(&[]),
            [
                "upload batch-1/log_data to S3",
                "leave out --engine redshift",
            ],
        ),
        (
            &url,
            SONGS,
            LOGS,
            OUT,
            with(&["--threads", "2"]),
            ["--threads has no effect", "no Parquet is written"],
        ),
        (
            &url,
            SONGS,
            LOGS,
            OUT,
            with(&["--compression", "zstd"]),
            ["--compression has no effect", "no Parquet is written"],
        ),
        (
            &url,
            SONGS,
            LOGS,
            OUT,
            vec!["--keep-staging"],
            ["--keep-staging has no effect", "add --engine redshift"],
        ),
        (
            &url,
            SONGS,
            LOGS,
            OUT,
            vec!["--log-jsonpath", "x"],
            ["--log-jsonpath has no effect", "add --engine redshift"],
        ),
        (
            &url,
            SONGS,
            LOGS,
            OUT,
            vec!["--copy-region", "us-west-2"],
            ["--copy-region has no effect", "add --engine redshift"],
        ),
    ] {
        for dry in [&[][..], &["--dry-run"]] {
            let mut command = warehouse.sparkify(&["run", "--songs", songs, "--logs", logs]);
            command.args(["--out", out]).args(&more).args(dry);
            if !url.is_empty() {
                command.args(["--warehouse", url]);
            }
            CommandOutput::run(&mut command).assert_failure(2, &words);
        }
    }
    let unknown = [
        "run", "--songs", SONGS, "--logs", LOGS, "--out", OUT, "--engine", "spark",
    ];
    CommandOutput::run(&mut warehouse.sparkify(&unknown))
        .assert_usage_error("in-process, redshift");
    let replay = [
        "replay", "--from", OUT, "--out", OUT, "--engine", "redshift",
    ];
    CommandOutput::run(&mut warehouse.sparkify(&replay)).assert_usage_error("--engine");
    assert_eq!(warehouse.faults().recorded().len(), 0);
    assert_eq!(runs_in_output(&warehouse).len(), 0);
}

/// Each statement and each query id is logged at debug level. No secret is logged, printed or written at any level.
#[test]
fn statements_are_logged_without_secrets() {
    for (flag, has_statements) in [("-q", false), ("-v", false), ("-vv", true)] {
        let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
        let input = upload_batch(&warehouse, 1);
        let mut command = warehouse.warehouse_command(&["run", "--engine=redshift", "--json"]);
        command.args([
            "--out",
            OUT,
            "--songs",
            &input.songs[0],
            "--logs",
            &input.logs[0],
        ]);
        command.args(LIMIT).arg(flag);
        // The output is searched for secrets of the test servers by `CommandOutput`.
        let output = CommandOutput::run(&mut command);
        assert_eq!(output.code, Some(0), "{output:?}");
        let log = &output.stderr;
        for word in [
            "COPY staging_events",
            "INSERT INTO staged_songplays",
            "query_id=",
        ] {
            assert_eq!(log.contains(word), has_statements, "{flag} {word}: {log}");
        }
        let mut texts = warehouse.faults().statements();
        texts.push(output.stdout);
        texts.push(output.stderr);
        let run = warehouse.run_dir("out-redshift", "");
        for file in testkit::dir_contents::list_files(&run) {
            texts.push(
                String::from_utf8_lossy(&std::fs::read(run.join(file)).unwrap()).into_owned(),
            );
        }
        assert!(texts.len() > 60);
        for text in texts {
            for secret in [PASSWORD, SECRET_KEY, ACCESS_KEY] {
                assert!(!text.contains(secret), "{text}");
            }
        }
    }
    // A COPY that fails shows no credentials either.
    let warehouse = TestWarehouse::new(WarehouseKind::Redshift);
    let input = upload_batch(&warehouse, 1);
    let mut command = engine_command(&warehouse, "redshift", &input, &["-vv"]);
    command.args(["--iam-role", "arn:aws:iam::123456789012:role/not-attached"]);
    let output = CommandOutput::run(&mut command);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("not-attached"), "{output:?}");
}
