//! Each exit code, which schedulers go by. Other tests have more failures of each kind.

use std::fs::File;

use testkit::cli::sandbox::Sandbox;

#[test]
fn done_is_0() {
    let sandbox = Sandbox::with_input();
    for _ in 0..2 {
        sandbox.run_with(&[]).assert_success();
    }
}

#[test]
fn failed_is_1() {
    let sandbox = Sandbox::with_input();
    let output = sandbox.run("songs", "no-logs", "dataset");
    output.assert_failure(1, &["cannot read no-logs"]);
}

#[test]
fn wrong_usage_is_2() {
    let sandbox = Sandbox::with_input();
    sandbox
        .exec(&["run", "--songs", "songs"])
        .assert_usage_error("--logs");
    sandbox
        .run_with(&["--full-refresh"])
        .assert_failure(2, &["--full-refresh has no effect"]);
}

#[test]
fn too_many_rejects_is_3() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/b.json", "{\"page\":");
    let output = sandbox.run_with(&["--max-rejects=0"]);
    assert_eq!(output.code, Some(3), "{output:?}");
}

#[test]
fn lock_of_another_run_is_4() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir(".dataset.sparkify-staging");
    let staging_dir = File::open(sandbox.path(".dataset.sparkify-staging")).unwrap();
    staging_dir.lock().unwrap();
    sandbox
        .run_with(&[])
        .assert_failure(4, &["another run is writing to dataset"]);
    staging_dir.unlock().unwrap();
}
