//! Runs with a warehouse whose output is a local folder: they are kept side by side, as in S3.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::cli::output::CommandOutput;
use testkit::dataset::directory::{DatasetSnapshot, deterministic_files, read_report};
use testkit::dir_contents::{list_files, read_files};
use testkit::redshift_simulator::WarehouseKind;
use testkit::sample_data::{MALFORMED_RECORD, events, song};

use crate::support::test_warehouse::TestWarehouse;

/// Returns a warehouse with one song and three events to load.
pub fn warehouse_with_input() -> TestWarehouse {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    warehouse.write_file("songs/a.json", &song(1));
    warehouse.write_file("logs/a.json", &events(0..3));
    warehouse
}

/// Returns the arguments of a run that is loaded.
pub fn run_args<'a>(logs: &'a str, out: &'a str) -> [&'a str; 8] {
    [
        "run", "--quiet", "--songs", "songs", "--logs", logs, "--out", out,
    ]
}

pub fn run_and_load(
    warehouse: &TestWarehouse,
    logs: &str,
    out: &str,
    more: &[&str],
) -> CommandOutput {
    warehouse.run_command(&[&run_args(logs, out), more].concat())
}

/// Returns the ids of the runs in a folder, in the order of their beginning.
pub fn run_ids(out: &Path) -> Vec<String> {
    let entries = fs::read_dir(out).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut ids: Vec<_> = folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    ids.sort();
    ids
}

fn read_latest(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("latest.json")).unwrap()).unwrap()
}

/// Returns the folder of the run that `latest.json` names.
pub fn latest_dir(out: &Path) -> PathBuf {
    out.join(read_latest(out)["run"].as_str().unwrap())
}

#[test]
fn a_run_keeps_the_dataset_of_the_run_before_it() {
    let warehouse = warehouse_with_input();
    let out = warehouse.path("star");
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    let [first] = &run_ids(&out)[..] else {
        panic!("{:?}", run_ids(&out));
    };
    let first_dataset = DatasetSnapshot::take(&out.join(first));
    assert_eq!(
        read_report(&out.join(first))["tables"]["songplays"]["rows"],
        3
    );
    warehouse.write_file("logs/b.json", &events(3..5));
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    let ids = run_ids(&out);
    let [_, second] = &ids[..] else {
        panic!("{ids:?}");
    };
    first_dataset.assert_unchanged();
    let latest = read_latest(&out);
    let report = fs::canonicalize(out.join(second).join("_report.json")).unwrap();
    assert_eq!(latest["run"], *second);
    assert_eq!(latest["report"], report.to_str().unwrap());
    assert_eq!(latest["published"], serde_json::json!(ids));
    assert_eq!(
        read_report(&out.join(second))["tables"]["songplays"]["rows"],
        2
    );
    // Nothing but the runs and what names the newest, beside the output neither.
    let names: Vec<_> = list_files(&out)
        .into_iter()
        .filter(|name| !name.contains('/'))
        .collect();
    assert_eq!(names, ["latest.json"]);
    assert!(!warehouse.path("star.failed").exists());
    assert!(!warehouse.path(".star.sparkify-staging").exists());
}

#[test]
fn summary_and_json_name_the_run() {
    let warehouse = warehouse_with_input();
    let arguments = [
        &run_args("logs", "star")[..1],
        &run_args("logs", "star")[2..],
    ]
    .concat();
    let output = warehouse.run_command(&[&arguments[..], &["--json"]].concat());
    assert_eq!(output.code, Some(0), "{output:?}");
    let run = output.json()["run"].as_str().unwrap().to_owned();
    assert!(
        output.stderr.contains(&format!("\nstar/{run} in ")),
        "{output:?}"
    );
    assert!(warehouse.path("star").join(run).is_dir());
}

#[test]
fn newest_run_and_any_run_can_be_loaded() {
    let warehouse = warehouse_with_input();
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    warehouse.write_file("logs/b.json", &events(3..5));
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    for from in [
        "star".to_owned(),
        format!("star/{}", run_ids(&warehouse.path("star"))[0]),
    ] {
        let load = warehouse.run_command(&["load", "--quiet", "--json", "--from", &from]);
        let load = load.assert_success().json();
        assert_eq!(load["tables"]["songplays"]["added"], 0);
    }
    let newest = warehouse.run_command(&["load", "--quiet", "--json", "--from", "star"]);
    assert_eq!(
        newest.json()["run"],
        read_latest(&warehouse.path("star"))["run"]
    );
}

#[test]
fn failed_run_keeps_rejects_in_its_own_folder() {
    let warehouse = warehouse_with_input();
    let out = warehouse.path("star");
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    let latest = read_latest(&out);
    warehouse.write_file("logs/b.json", &(events(3..5) + MALFORMED_RECORD));
    let output = run_and_load(&warehouse, "logs", "star", &["--json"]);
    let run = output.json()["run"].as_str().unwrap().to_owned();
    let kept = format!("rejects and report are in star/{run}");
    output.assert_failure(3, &[&kept]);
    assert_eq!(
        Vec::from_iter(list_files(&out.join(&run))),
        ["_rejects/logs-00000.jsonl", "_report.failed.json"]
    );
    assert_eq!(read_latest(&out), latest);
    assert!(!warehouse.path("star.failed").exists());
    warehouse
        .run_command(&["load", "--from", &format!("star/{run}")])
        .assert_failure(1, &["the run failed and published nothing"]);
    // The run that failed last is kept.
    let clean = ["clean", "star", "--yes", "--json", "--keep", "1"];
    let first = CommandOutput::run(&mut warehouse.sparkify(&clean)).assert_success();
    assert_eq!(first.json()["remove"], serde_json::json!([]));
    assert_eq!(run_and_load(&warehouse, "logs", "star", &[]).code, Some(3));
    let clean = CommandOutput::run(&mut warehouse.sparkify(&clean));
    let clean = clean.assert_success().json();
    assert_eq!(clean["remove"][0]["name"], format!("star/{run}"));
    assert_eq!(clean["remove"][0]["state"], "failed");
    assert!(!out.join(&run).exists());
    assert_eq!(read_latest(&out), latest);
}

#[test]
fn dataset_of_a_run_without_a_warehouse_is_refused_and_unchanged() {
    let warehouse = warehouse_with_input();
    warehouse.build_dataset("songs", "logs", "star");
    let dataset = DatasetSnapshot::take(&warehouse.path("star"));
    let words = [
        "will not keep runs in star: it is the output of a single run (_report.json)",
        "; choose another --out, or move it away",
    ];
    for more in [&[][..], &["--full-refresh"], &["--dry-run"]] {
        run_and_load(&warehouse, "logs", "star", more).assert_failure(1, &words);
        dataset.assert_unchanged();
    }
    // Neither the folder of a failed run nor the folder of a run may keep other runs.
    warehouse.write_file("kept/_report.failed.json", "{}");
    run_and_load(&warehouse, "logs", "kept", &[])
        .assert_failure(1, &["the output of a single run (_report.failed.json)"]);
    run_and_load(&warehouse, "logs", "runs", &[]).assert_success();
    let run = format!("runs/{}", run_ids(&warehouse.path("runs"))[0]);
    run_and_load(&warehouse, "logs", &run, &["--full-refresh"]).assert_failure(1, &words[1..]);
}

#[test]
fn run_without_a_warehouse_does_not_replace_runs() {
    let warehouse = warehouse_with_input();
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    let before = read_files(&warehouse.path("star"));
    let replace = |more: &[&str]| {
        CommandOutput::run(&mut warehouse.sparkify(&[&run_args("logs", "star"), more].concat()))
    };
    let words = [
        "will not replace star: it contains ",
        ": runs with a warehouse keep their datasets there side by side",
        "; choose another --out, or name the warehouse",
    ];
    replace(&[]).assert_failure(1, &words);
    replace(&["--dry-run"]).assert_failure(1, &words);
    assert!(read_files(&warehouse.path("star")) == before);
    // The runs alone, and latest.json alone.
    fs::rename(
        warehouse.path("star/latest.json"),
        warehouse.path("latest.json"),
    )
    .unwrap();
    replace(&[]).assert_failure(1, &words);
    fs::create_dir(warehouse.path("other")).unwrap();
    fs::rename(
        warehouse.path("latest.json"),
        warehouse.path("other/latest.json"),
    )
    .unwrap();
    CommandOutput::run(&mut warehouse.sparkify(&run_args("logs", "other")))
        .assert_failure(1, &words[1..]);
}

/// Whatever is in the folder stays, because nothing is replaced.
#[test]
fn any_other_folder_may_keep_runs() {
    let warehouse = warehouse_with_input();
    warehouse.write_file("mixed/notes.txt", "precious");
    warehouse.write_file("mixed/songs/part-00000.parquet", "precious");
    fs::create_dir(warehouse.path("empty")).unwrap();
    std::os::unix::fs::symlink("empty", warehouse.path("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", warehouse.path("dangling")).unwrap();
    warehouse.write_file("file", "precious");
    for out in ["mixed", "empty", "several/new/ones", "link"] {
        run_and_load(&warehouse, "logs", out, &["--full-refresh"]).assert_success();
        assert!(
            latest_dir(&warehouse.path(out))
                .join("_report.json")
                .is_file()
        );
    }
    assert_eq!(run_ids(&warehouse.path("empty")).len(), 2);
    assert!(
        fs::symlink_metadata(warehouse.path("link"))
            .unwrap()
            .is_symlink()
    );
    for name in ["notes.txt", "songs/part-00000.parquet"] {
        let path = warehouse.path("mixed").join(name);
        assert_eq!(fs::read(path).unwrap(), b"precious");
    }
    for (out, words) in [
        (
            "dangling",
            "cannot write to dangling: it is a dangling symbolic link",
        ),
        ("file", "cannot write to file: "),
        ("file/below", "cannot write to file/below: "),
    ] {
        for more in ["--full-refresh", "--dry-run"] {
            run_and_load(&warehouse, "logs", out, &[more]).assert_failure(1, &[words]);
        }
    }
    // The current folder, which contains the input.
    let dry_run = run_and_load(&warehouse, "logs", ".", &["--dry-run"]).assert_success();
    assert!(dry_run.stdout.contains("would write to ./2"), "{dry_run:?}");
    assert!(
        dry_run.stdout.contains(", the first run there"),
        "{dry_run:?}"
    );
    run_and_load(&warehouse, "logs", ".", &["--full-refresh"]).assert_success();
    assert!(
        latest_dir(&warehouse.path(""))
            .join("_report.json")
            .is_file()
    );
    let dry_run = run_and_load(&warehouse, "logs", ".", &["--dry-run"]).assert_success();
    assert!(
        dry_run.stdout.contains(", next to the latest run ./2"),
        "{dry_run:?}"
    );
    assert_eq!(
        fs::read_to_string(warehouse.path("logs/a.json")).unwrap(),
        events(0..3)
    );
}

#[test]
fn output_below_its_input_is_refused() {
    let warehouse = warehouse_with_input();
    std::os::unix::fs::symlink("logs", warehouse.path("link")).unwrap();
    fs::create_dir(warehouse.path("logs/sub")).unwrap();
    let reason = "and would be read by the next run; choose another --out";
    for (logs, out) in [
        ("logs", "logs"),
        ("logs", "logs/star"),
        ("logs/", "./songs/../logs/new/star"),
        ("link", "logs/star"),
        ("logs", "link/star"),
        ("log*", "logs/star"),
        ("**", "star"),
        ("logs/*.json", "logs"),
        (".", "star"),
    ] {
        run_and_load(&warehouse, logs, out, &[])
            .assert_failure(2, &[&format!("cannot write to {out}: "), reason]);
    }
    // A link in the input.
    warehouse.write_file("star/latest.json", "{}");
    std::os::unix::fs::symlink("../star", warehouse.path("logs/linked")).unwrap();
    run_and_load(&warehouse, "logs", "star", &[]).assert_failure(
        2,
        &["cannot write to star: the run would read logs/linked/latest.json, which runs write"],
    );
    for (logs, out) in [("logs/a.json", "logs/star"), ("logs/*.json", "logs/sub")] {
        run_and_load(&warehouse, logs, out, &["--full-refresh"]).assert_success();
    }
    assert_eq!(
        read_report(&latest_dir(&warehouse.path("logs/sub")))["logs"]["objects"],
        1
    );
}

#[test]
fn concurrent_runs_are_all_published() {
    const RUNS: u64 = 6;
    let warehouse = warehouse_with_input();
    let out = warehouse.path("star");
    let children: Vec<_> = (0..RUNS)
        .map(|number| {
            let logs = format!("logs-{number}");
            warehouse.write_file(&format!("{logs}/a.json"), &events(number..number + 1));
            let mut command = warehouse.warehouse_command(&run_args(&logs, "star"));
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = CommandOutput::from(child.wait_with_output().unwrap());
        assert_eq!(output.code, Some(0), "{output:?}");
        // A run that began earlier than the newest says that it is not the latest.
        for warning in output.warnings() {
            assert!(warning.contains("/latest.json names run"), "{output:?}");
        }
    }
    let mut published: Vec<String> =
        serde_json::from_value(read_latest(&out)["published"].clone()).unwrap();
    published.sort();
    assert_eq!(published.len() as u64, RUNS);
    assert_eq!(published, run_ids(&out));
    let plays: u64 = published
        .iter()
        .map(|run| {
            read_report(&out.join(run))["tables"]["songplays"]["rows"]
                .as_u64()
                .unwrap()
        })
        .sum();
    assert_eq!(plays, RUNS);
}

/// Returns reproducible pseudo-random numbers in 0.0..1.0.
fn pseudo_random_fractions(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as f64 / 2_f64.powi(32)
    })
}

#[test]
fn killed_run_leaves_latest_json_with_a_complete_run() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    warehouse.generate_input(
        "data",
        &["--events=20000", "--songs=300", "--files=4", "--seed=7"],
    );
    let run = [
        "run",
        "--quiet",
        "--full-refresh",
        "--max-rejects=100%",
        "--songs=data/song_data",
        "--logs=data/log_data",
        "--out=star",
    ];
    let out = warehouse.path("star");
    let began = Instant::now();
    warehouse.run_command(&run).assert_success();
    let duration = began.elapsed();
    let expected = deterministic_files(&latest_dir(&out));
    let report_count = || {
        let runs = run_ids(&out).into_iter();
        runs.filter(|run| out.join(run).join("_report.json").exists())
            .count()
    };
    let kill = |wait: &dyn Fn(&mut std::process::Child)| {
        let mut command = warehouse.warehouse_command(&run);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait(&mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        let latest = read_latest(&out);
        let published: Vec<String> = serde_json::from_value(latest["published"].clone()).unwrap();
        assert_eq!(
            Some(latest["run"].as_str().unwrap()),
            published.last().map(String::as_str)
        );
        for run in published {
            assert!(
                deterministic_files(&out.join(&run)) == expected,
                "{run} is not complete"
            );
        }
    };
    for fraction in pseudo_random_fractions(42).take(8) {
        kill(&|_| sleep(duration.mul_f64(fraction)));
    }
    // `latest.json` is written after the report.
    for microseconds in [0, 0, 100, 300, 1000, 3000] {
        let before = report_count();
        kill(&|child| {
            while report_count() == before && child.try_wait().unwrap().is_none() {
                yield_now();
            }
            sleep(Duration::from_micros(microseconds));
        });
    }
    warehouse.wait_until_idle();
    warehouse.run_command(&run).assert_success();
    assert!(deterministic_files(&latest_dir(&out)) == expected);
    // What the killed runs left is removed when it is old enough.
    let clean = ["clean", "star", "--yes", "--keep=1", "--unfinished-after=1"];
    backdate(&out, Duration::from_secs(2 * 3600));
    warehouse.write_file("star/.sparkify-tmp-A1b2C3", "{");
    backdate(&warehouse.path("star"), Duration::from_secs(2 * 3600));
    CommandOutput::run(&mut warehouse.sparkify(&clean)).assert_success();
    let latest = read_latest(&out)["run"].as_str().unwrap().to_owned();
    let remaining: Vec<_> = run_ids(&out)
        .into_iter()
        .filter(|run| !list_files(&out.join(run)).is_empty())
        .collect();
    assert_eq!(remaining, [latest]);
    assert!(!warehouse.path("star/.sparkify-tmp-A1b2C3").exists());
    assert!(deterministic_files(&latest_dir(&out)) == expected);
}

/// Sets the modification times of all files in a folder back.
fn backdate(folder: &Path, by: Duration) {
    for name in list_files(folder) {
        let file = fs::File::options()
            .write(true)
            .open(folder.join(name))
            .unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - by).unwrap();
    }
}
