//! Measures `sparkify run` with both engines: it loads the same generated input into the Redshift simulator, once by each
//! engine, and prints the seconds of each step. Then it compares the tables.
//!
//! The simulator, its PostgreSQL server and the S3 server share the cores with the run. The time of the engine inside
//! Redshift is therefore mostly that of PostgreSQL on this machine, and says nothing about a cluster.
//!
//! `cargo bench --bench redshift_engine -- [--events N] [--songs N] [--edge-cases] [--plans]`
//!
//! With `--plans` PostgreSQL logs how it has executed each statement, which makes it slower. The bench lists the slowest
//! statements, and fails if one of them has a nested loop over facts: one that has visited its inner side more than a
//! thousand times, and more than ten rows each time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sparkify::generate::{GenerateOptions, generate};
use sparkify::internals::model::sparkify::SPARKIFY;
use testkit::cli::command::sparkify;
use testkit::postgres_server::{PostgresServer, PostgresServerOptions};
use testkit::redshift_simulator::{
    IAM_ROLE_ARN, PASSWORD, RedshiftSimulator, SimulatorSettings, WarehouseKind,
};
use testkit::s3_server::server::S3Server;

const BUCKET: &str = "bench";

/// The settings of PostgreSQL, which has very little memory otherwise.
const MEMORY_SETTINGS: [(&str, &str); 4] = [
    ("shared_buffers", "1GB"),
    ("work_mem", "256MB"),
    ("temp_buffers", "256MB"),
    ("max_wal_size", "8GB"),
];

/// The settings with which PostgreSQL logs plans.
const PLAN_SETTINGS: [(&str, &str); 5] = [
    ("session_preload_libraries", "auto_explain"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.log_format", "json"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_timing", "off"),
];

/// The largest number of visits of the inner side of a nested loop that may visit any number of rows there.
const MAX_INNER_LOOPS: f64 = 1000.0;
/// The largest number of rows in each visit of any nested loop. With as few its time is linear.
const MAX_INNER_ROWS: f64 = 10.0;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let has_flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let number = |name: &str, default| {
        let flag = arguments.iter().position(|argument| argument == name);
        flag.map_or(default, |at| arguments[at + 1].parse().unwrap())
    };
    let has_plans = has_flag("--plans");

    let s3 = S3Server::start();
    let bucket = s3.bucket(BUCKET);
    let options = GenerateOptions {
        events: number("--events", 2_000_000),
        songs: number("--songs", 5000),
        users: 50_000,
        files: 64,
        seed: 1,
        edge_cases: has_flag("--edge-cases"),
    };
    generate(&bucket.join("data"), &options, &mut |_, _| {}).unwrap();

    let plan_settings = PLAN_SETTINGS.iter().filter(|_| has_plans);
    let settings = MEMORY_SETTINGS.iter().chain(plan_settings);
    let postgres = PostgresServer::start(PostgresServerOptions {
        settings: settings
            .map(|(name, value)| ((*name).to_owned(), format!("'{value}'")))
            .collect(),
        ..PostgresServerOptions::default()
    });
    let sums = ["in-process", "redshift"].map(|engine| {
        let simulator = RedshiftSimulator::start_on(
            postgres.create_database(),
            SimulatorSettings {
                kind: WarehouseKind::Redshift,
                buckets: bucket.parent().unwrap().to_owned(),
                ..SimulatorSettings::default()
            },
        );
        measure_engine(&s3, &simulator, engine);
        sum_tables(&simulator)
    });
    let [expected, found] = &sums;
    println!("\ntable                  rows  both engines");
    for ((name, rows, sum), found) in expected.iter().zip(found) {
        let comparison = match (rows, sum) == (&found.1, &found.2) {
            true => "equal".to_owned(),
            false => format!("differ: {} rows", found.1),
        };
        println!("{name:<15} {rows:>11}  {comparison}");
    }
    if has_plans {
        check_plans(&postgres.dir().join("log"));
    }
}

/// Loads the input by an engine, and prints the seconds of its steps.
fn measure_engine(s3: &S3Server, simulator: &RedshiftSimulator, engine: &str) {
    let command = |name: &str| {
        let mut command = sparkify();
        command.args([name, "--quiet", "--json", "--warehouse", &simulator.url()]);
        command.envs(s3.env_vars());
        command.envs([("PGPASSWORD", PASSWORD), ("PGSSLMODE", "disable")]);
        command
    };
    output_json(&mut command("create-tables"));
    let url = |name: &str| format!("s3://{BUCKET}/{name}");
    let mut run = command("run");
    run.args(["--engine", engine, "--iam-role", IAM_ROLE_ARN]);
    run.args(["--max-rejects", "100%", "--songs", &url("data/song_data")]);
    run.args(["--logs", &url("data/log_data"), "--out", &url(engine)]);
    let report = output_json(&mut run);
    let seconds = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
    let load = seconds("/load/seconds").unwrap();
    let logs = &report["logs"];
    println!(
        "\n--engine {engine}: {} songs, {} events ({} kept, {} filtered, {} rejected, {} duplicates), {:.0} MB in {} + {} objects",
        report["songs"]["records"],
        logs["records"],
        logs["kept"],
        logs["filtered"],
        logs["rejected"],
        logs["duplicates"],
        (logs["bytes"].as_f64().unwrap() + report["songs"]["bytes"].as_f64().unwrap()) / 1e6,
        report["songs"]["objects"],
        logs["objects"],
    );
    let steps = match engine {
        "redshift" => {
            let stages = ["copy", "check", "transform"];
            let stages =
                stages.map(|name| (name, seconds(&format!("/stages/{name}/seconds")).unwrap()));
            let rest = load - stages.iter().map(|(_, seconds)| seconds).sum::<f64>();
            let list = seconds("/stages/list/seconds").unwrap();
            [("list", list)]
                .into_iter()
                .chain(stages)
                .chain([("merge, verify, commit", rest)])
                .collect()
        }
        _ => vec![("run", seconds("/total/seconds").unwrap()), ("load", load)],
    };
    for (step, seconds) in steps {
        println!("{step:<24} {seconds:>9.2} s");
    }
    let peak = seconds("/peak_memory_bytes").unwrap();
    println!("{:<24} {:>9.0} MB", "peak memory of sparkify", peak / 1e6);
}

/// Runs a command, and returns what it prints.
fn output_json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Returns the name of each table with its number of rows and a checksum of them.
fn sum_tables(simulator: &RedshiftSimulator) -> Vec<(&'static str, i64, String)> {
    let mut client = simulator.backend_client();
    let tables = SPARKIFY.dataset_tables();
    let tables = tables.filter(|table| table.name != "source_objects");
    tables
        .map(|table| {
            let name = table.name;
            let query = format!(
                "SELECT COUNT(*), COALESCE(SUM(hashtextextended(t::TEXT, 0)), 0)::TEXT FROM {name} t"
            );
            let row = client.query_one(&query, &[]).unwrap();
            (name, row.get(0), row.get(1))
        })
        .collect()
}

/// A join in an executed plan.
struct ExecutedJoin {
    node: String,
    /// How often the inner side was visited.
    loops: f64,
    /// The rows of the inner side in each visit.
    rows: f64,
}

impl ExecutedJoin {
    fn is_over_facts(&self) -> bool {
        self.node == "Nested Loop" && self.loops > MAX_INNER_LOOPS && self.rows > MAX_INNER_ROWS
    }
}

/// Lists the executed statements that took longest, and asserts that none of them has a nested loop over facts.
fn check_plans(log: &Path) {
    let log = fs::read_to_string(log).unwrap();
    // The lines of a plan begin with a tab.
    let log = log.replace("\n\t", "\t");
    let (mut statements, mut over_facts) = (0, Vec::new());
    println!("\nseconds  statement (joins)");
    for line in log.lines() {
        let Some((entry, plan)) = line.split_once("plan:") else {
            continue;
        };
        let plan: Value = serde_json::from_str(plan).unwrap();
        let mut joins = Vec::new();
        collect_joins(&plan["Plan"], &mut joins);
        let words = plan["Query Text"].as_str().unwrap().split_whitespace();
        let text: String = words.collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(80).collect();
        let milliseconds = entry.split("duration: ").nth(1).unwrap();
        let milliseconds: f64 = milliseconds.split(' ').next().unwrap().parse().unwrap();
        if milliseconds > 200.0 {
            let names: Vec<&str> = joins.iter().map(|join| join.node.as_str()).collect();
            println!("{:>7.2}  {text} ({})", milliseconds / 1e3, names.join(", "));
        }
        statements += 1;
        if joins.iter().any(ExecutedJoin::is_over_facts) {
            over_facts.push(text);
        }
    }
    println!("{statements} statements, nested loops over facts: {over_facts:?}");
    assert!(statements > 0 && over_facts.is_empty());
}

/// Adds the joins of a plan.
fn collect_joins(plan: &Value, joins: &mut Vec<ExecutedJoin>) {
    let node = plan["Node Type"].as_str().unwrap();
    let children = plan["Plans"].as_array().map_or(&[][..], Vec::as_slice);
    if node == "Nested Loop" || node.ends_with("Join") {
        let number = |plan: &Value, name: &str| plan[name].as_f64().unwrap_or_default();
        let inner = &children[1];
        joins.push(ExecutedJoin {
            node: node.to_owned(),
            loops: number(inner, "Actual Loops"),
            rows: number(inner, "Actual Rows") + number(inner, "Rows Removed by Filter"),
        });
    }
    for child in children {
        collect_joins(child, joins);
    }
}
