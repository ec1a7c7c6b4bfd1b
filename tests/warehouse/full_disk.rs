//! Local runs with a warehouse that find no space: they fail, and the runs before them stay as they were.

use std::fs;
use std::process::Command;

use testkit::cli::command::{sparkify_path, with_clean_env};
use testkit::cli::mounts::{can_mount, mount_namespace_shell};
use testkit::cli::output::{CommandOutput, assert_error_line};
use testkit::dataset::directory::read_report;
use testkit::dir_contents::{list_files, read_files};
use testkit::redshift_simulator::{PASSWORD, WarehouseKind};
use testkit::sample_data::{events, song};

use crate::local_runs::{latest_dir, run_and_load, run_args, run_ids, warehouse_with_input};
use crate::support::test_warehouse::TestWarehouse;

#[test]
fn file_size_limit_fails_the_run_and_keeps_earlier_ones() {
    let warehouse = TestWarehouse::new(WarehouseKind::Postgres);
    warehouse.generate_input(
        "data",
        &["--events=20000", "--songs=300", "--files=4", "--seed=7"],
    );
    warehouse.write_file("songs/a.json", &song(1));
    warehouse.write_file("logs/a.json", &events(0..3));
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    let before = read_files(&warehouse.path("star"));
    for blocks in ["0", "1", "8", "64"] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = with_clean_env(Command::new("sh"));
        command.args(["-c", &script, &sparkify_path()]);
        command.args(run_args("data/log_data", "star"));
        command.args(["--warehouse", &warehouse.url()]);
        command.env("PGPASSWORD", PASSWORD);
        CommandOutput::run(command.current_dir(warehouse.path("")))
            .assert_failure(1, &["File too large"]);
        assert!(read_files(&warehouse.path("star")) == before);
        assert_eq!(run_ids(&warehouse.path("star")).len(), 1);
    }
}

/// Runs on a small disk that holds a run. Everything that the test inspects is copied out, because the disk disappears
/// with the shell.
const SMALL_DISK_SCRIPT: &str = r#"
set -e
size=$1 url=$2 more=$3
mount -t tmpfs -o "size=$size" tmpfs disk
cp -a star disk/star
set +e
"$0" run --quiet --songs data/song_data --logs data/log_data --out disk/star --warehouse "$url" 2>"first $size"
echo $? >>"first $size"
set -e
cp -a disk/star "kept $size"
"$0" run --quiet --songs songs --logs "$more" --out disk/star --warehouse "$url"
cp -a disk/star "next $size"
"#;

#[test]
fn full_disk_fails_the_run_and_keeps_earlier_ones() {
    let warehouse = warehouse_with_input();
    if !can_mount(&warehouse.path("")) {
        return;
    }
    warehouse.generate_input(
        "data",
        &["--events=20000", "--songs=300", "--files=4", "--seed=7"],
    );
    run_and_load(&warehouse, "logs", "star", &[]).assert_success();
    let before = read_files(&warehouse.path("star"));
    for (size, second) in [("100k", 5), ("150k", 6), ("200k", 7), ("300k", 8)] {
        let more = format!("more-{size}");
        warehouse.write_file(&format!("{more}/a.json"), &events(second..second + 1));
        let arguments = [size, &warehouse.url(), &more];
        let mut command = mount_namespace_shell(&warehouse.path(""), SMALL_DISK_SCRIPT, &arguments);
        CommandOutput::run(command.env("PGPASSWORD", PASSWORD)).assert_success();
        let first = fs::read_to_string(warehouse.path(&format!("first {size}"))).unwrap();
        let stderr = first.strip_suffix("1\n").expect("exit code 1");
        assert_error_line(stderr);
        assert!(stderr.contains("No space left on device"), "{stderr}");
        assert!(
            stderr.contains("; free some space and run again"),
            "{stderr}"
        );
        let kept = warehouse.path(&format!("kept {size}"));
        assert!(read_files(&kept) == before, "{:?}", list_files(&kept));
        assert_eq!(run_ids(&kept).len(), 1);
        let next = warehouse.path(&format!("next {size}"));
        assert_eq!(run_ids(&next).len(), 2);
        assert_eq!(read_report(&latest_dir(&next))["logs"]["kept"], 1);
    }
}
