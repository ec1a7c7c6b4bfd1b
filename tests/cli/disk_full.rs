//! A disk that fills up while the dataset is written.

use std::fs;
use std::process::Command;

use testkit::cli::command::{sparkify_path, with_clean_env};
use testkit::cli::generated_data::{GeneratedPaths, generate_data};
use testkit::cli::mounts::{can_mount, mount_namespace_shell};
use testkit::cli::output::{CommandOutput, assert_error_line};
use testkit::cli::sandbox::{Sandbox, run_args};
use testkit::dataset::directory::{DatasetSnapshot, deterministic_files};
use testkit::dir_contents::read_files;

/// Returns a sandbox with a dataset of few events, and the many events that are to replace it.
fn small_dataset_and_large_input() -> (Sandbox, GeneratedPaths, DatasetSnapshot) {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let large = generate_data(&sandbox, "much", 20_000, 1);
    (sandbox, large, snapshot)
}

#[test]
fn file_size_limit_fails_the_run() {
    let (sandbox, large, snapshot) = small_dataset_and_large_input();
    // Blocks of 512 or 1024 bytes, depending on the shell: no table fits, or some tables fit.
    for blocks in ["0", "1", "8", "64"] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = with_clean_env(Command::new("sh"));
        command.args(["-c", &script, &sparkify_path()]);
        command.args(run_args(&large.songs, &large.logs, "dataset"));
        CommandOutput::run(command.current_dir(sandbox.root()))
            .assert_failure(1, &["File too large"]);
        snapshot.assert_unchanged();
        sandbox.assert_no_staging_left();
    }
    sandbox
        .run(&large.songs, &large.logs, "dataset")
        .assert_success();
    snapshot.assert_replaced();
    sandbox.assert_no_staging_left();
}

#[test]
fn file_size_limit_fails_generate() {
    let sandbox = Sandbox::new();
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = with_clean_env(Command::new("sh"));
    command.args([
        "-c",
        script,
        &sparkify_path(),
        "generate",
        "-q",
        "--out=made",
    ]);
    CommandOutput::run(command.current_dir(sandbox.root())).assert_failure(1, &["File too large"]);
}

/// Runs twice on a small disk that holds a dataset. Everything that a test inspects is copied out, because
/// the disk disappears with the shell.
const SMALL_DISK_SCRIPT: &str = r#"
set -e
size=$1 songs=$2 logs=$3
mount -t tmpfs -o "size=$size" tmpfs disk
cp -a dataset disk/dataset
set +e
"$0" run --quiet --songs "$songs" --logs "$logs" --out disk/dataset 2>"first $size"
echo $? >>"first $size"
set -e
cp -a disk/dataset "kept $size"
ls -A disk >"names $size"
"$0" run --quiet --songs songs --logs logs --out disk/dataset
cp -a disk/dataset "next $size"
ls -A disk >>"names $size"
"#;

#[test]
fn full_disk_fails_the_run_and_keeps_the_old_dataset() {
    let (sandbox, large, _) = small_dataset_and_large_input();
    if !can_mount(sandbox.root()) {
        return;
    }
    sandbox.run("songs", "logs", "expected").assert_success();
    for size in ["100k", "150k", "200k", "300k"] {
        let arguments = [size, &large.songs, &large.logs];
        CommandOutput::run(&mut mount_namespace_shell(
            sandbox.root(),
            SMALL_DISK_SCRIPT,
            &arguments,
        ))
        .assert_success();
        let first = fs::read_to_string(sandbox.path(&format!("first {size}"))).unwrap();
        let stderr = first.strip_suffix("1\n").expect("exit code 1");
        assert_error_line(stderr);
        assert!(stderr.contains("No space left on device"), "{stderr}");
        assert!(
            stderr.contains("; free some space and run again"),
            "{stderr}"
        );
        let remaining = read_files(&sandbox.path(&format!("kept {size}")));
        assert!(
            remaining == read_files(&sandbox.path("dataset")),
            "dataset changed"
        );
        let next = deterministic_files(&sandbox.path(&format!("next {size}")));
        assert!(next == deterministic_files(&sandbox.path("expected")));
        let names = fs::read_to_string(sandbox.path(&format!("names {size}"))).unwrap();
        assert_eq!(names, "dataset\ndataset\n", "unexpected files on the disk");
    }
}

#[test]
fn mount_point_output_is_rejected_up_front() {
    let sandbox = Sandbox::with_input();
    if !can_mount(sandbox.root()) {
        return;
    }
    // The staging directory would be on another file system, and a mount point cannot be exchanged.
    let script = r#"mount -t tmpfs tmpfs disk && exec "$0" "$@""#;
    let arguments = run_args("songs", "logs", "disk");
    CommandOutput::run(&mut mount_namespace_shell(
        sandbox.root(),
        script,
        &arguments,
    ))
    .assert_failure(1, &["cannot write to disk: it is a mount point"])
    .assert_failure(1, &["; choose a folder below it"]);
    // A bind mount of the same file system is a mount point too.
    let script = r#"mkdir other && mount --bind other disk && exec "$0" "$@""#;
    CommandOutput::run(&mut mount_namespace_shell(
        sandbox.root(),
        script,
        &arguments,
    ))
    .assert_failure(1, &["cannot write to disk: it is a mount point"]);
    let script = r#"mount -t tmpfs tmpfs disk && exec "$0" "$@""#;
    let arguments = run_args("songs", "logs", "disk/dataset");
    CommandOutput::run(&mut mount_namespace_shell(
        sandbox.root(),
        script,
        &arguments,
    ))
    .assert_success();
    sandbox.assert_no_staging_left();
}
