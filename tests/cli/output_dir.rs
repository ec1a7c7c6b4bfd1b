//! The output directory: what may be replaced, and the accepted forms of its path.

use std::fs;

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, staging_leftovers};
use testkit::dataset::directory::deterministic_files;
use testkit::dir_contents::read_files;
use testkit::sample_data::events;

#[test]
fn dataset_is_replaced_without_leftover_parts() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.run("songs", "logs", "fresh").assert_success();
    sandbox.write("dataset/songplays/part-00099.parquet", "an old part");
    sandbox.write("dataset/_rejects/logs-00042.jsonl", "{}\n");
    // As in a copy of a run in S3.
    sandbox.write("dataset/staging/logs.gzip.manifest", "{}\n");
    sandbox.run_with(&[]).assert_success();
    snapshot.assert_replaced();
    assert_eq!(
        deterministic_files(&sandbox.path("dataset")),
        deterministic_files(&sandbox.path("fresh"))
    );
    sandbox.assert_no_staging_left();
}

#[test]
fn directory_with_unknown_files_is_not_replaced() {
    for (foreign, words) in [
        (
            "notes.txt",
            "it contains notes.txt, which sparkify did not write",
        ),
        (
            ".hidden",
            "it contains .hidden, which sparkify did not write",
        ),
        (
            "other/file",
            "it contains other, which sparkify did not write",
        ),
        (
            "songs/mine.csv",
            "it contains songs/mine.csv, which sparkify did not write",
        ),
        (
            "time/x.parquet/y",
            "it contains time/x.parquet, which sparkify did not write",
        ),
        (
            "_rejects/a.txt",
            "it contains _rejects/a.txt, which sparkify did not write",
        ),
        (
            "staging/logs.json",
            "it contains staging/logs.json, which sparkify did not write",
        ),
    ] {
        let (sandbox, _) = Sandbox::with_dataset();
        sandbox.write(&format!("dataset/{foreign}"), "precious");
        let before = read_files(&sandbox.path("dataset"));
        sandbox
            .run_with(&[])
            .assert_failure(1, &["will not replace dataset: "])
            .assert_failure(1, &[words]);
        assert_eq!(read_files(&sandbox.path("dataset")), before);
        sandbox.assert_no_staging_left();
    }
}

#[test]
fn directory_with_a_symlink_is_not_replaced() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("elsewhere/part-00000.parquet", "precious");
    fs::remove_dir_all(sandbox.path("dataset/songs")).unwrap();
    sandbox.symlink("dataset/songs", "../elsewhere");
    sandbox
        .run_with(&[])
        .assert_failure(1, &["it contains songs, which sparkify did not write"]);
    fs::remove_file(sandbox.path("dataset/songs")).unwrap();
    sandbox.create_dir("dataset/songs");
    sandbox.symlink(
        "dataset/songs/part-00000.parquet",
        "../../elsewhere/part-00000.parquet",
    );
    sandbox
        .run_with(&[])
        .assert_failure(1, &["it contains songs/part-00000.parquet"]);
    snapshot.assert_replaced();
    assert!(sandbox.path("elsewhere/part-00000.parquet").exists());
    sandbox.assert_no_staging_left();
}

#[test]
fn directory_without_a_report_is_not_replaced() {
    let (sandbox, _) = Sandbox::with_dataset();
    fs::remove_file(sandbox.path("dataset/_report.json")).unwrap();
    let before = read_files(&sandbox.path("dataset"));
    sandbox
        .run_with(&[])
        .assert_failure(1, &["it is not empty and has no valid _report.json"]);
    assert_eq!(read_files(&sandbox.path("dataset")), before);
    sandbox.assert_no_staging_left();
}

#[test]
fn empty_and_missing_directories_are_accepted() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("empty");
    for out in ["empty", "new", "several/new/ones"] {
        sandbox.run("songs", "logs", out).assert_success();
        assert!(deterministic_files(&sandbox.path(out)).len() >= 5);
    }
    sandbox.assert_no_staging_left();
    assert!(staging_leftovers(&sandbox.path("several/new")).is_empty());
}

#[test]
fn file_is_not_replaced() {
    let sandbox = Sandbox::with_input();
    sandbox.write("file", "precious");
    sandbox
        .run("songs", "logs", "file")
        .assert_failure(1, &["cannot write to file: "]);
    sandbox
        .run("songs", "logs", "file/below")
        .assert_failure(1, &["cannot write to file/below: "]);
    assert_eq!(fs::read(sandbox.path("file")).unwrap(), b"precious");
    sandbox.assert_no_staging_left();
}

#[test]
fn current_directory_and_its_parents_are_not_replaced() {
    let sandbox = Sandbox::with_input();
    sandbox.create_dir("here/below");
    for (from, out) in [("here", "."), ("here/below", ".."), ("here", "../here/")] {
        let root = sandbox.root().display();
        let (songs, logs) = (format!("{root}/songs"), format!("{root}/logs"));
        // All files belong to the dataset, but the shell would be left in a removed directory.
        fs::remove_dir_all(sandbox.path("here")).unwrap();
        sandbox.create_dir(from);
        let mut command = sandbox.command(&["run", "--quiet"]);
        command.args(["--songs", &songs, "--logs", &logs, "--out", out]);
        let output = CommandOutput::run(command.current_dir(sandbox.path(from)));
        if from == "here/below" {
            output.assert_failure(1, &["it contains below, which sparkify did not write"]);
        } else {
            output.assert_failure(2, &["the current directory"]);
        }
        assert!(read_files(&sandbox.path("here")).is_empty());
    }
    sandbox.assert_no_staging_left();
}

#[test]
fn symlink_is_kept_and_its_target_replaced() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.create_dir("links");
    sandbox.symlink("links/link", "../dataset");
    sandbox.run("songs", "logs", "links/link").assert_success();
    assert_eq!(
        fs::read_link(sandbox.path("links/link")).unwrap().to_str(),
        Some("../dataset")
    );
    snapshot.assert_replaced();
    sandbox.assert_no_staging_left();
    assert!(staging_leftovers(&sandbox.path("links")).is_empty());
}

#[test]
fn dangling_symlink_is_rejected_up_front() {
    let sandbox = Sandbox::with_input();
    sandbox.symlink("link", "nowhere");
    sandbox
        .run("songs", "logs", "link")
        .assert_failure(1, &["cannot write to link: it is a dangling symbolic link"]);
    assert!(
        fs::symlink_metadata(sandbox.path("link"))
            .unwrap()
            .is_symlink()
    );
    sandbox.assert_no_staging_left();
}

#[test]
fn symlink_at_the_staging_path_is_not_followed() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write("elsewhere/file", "precious");
    sandbox.symlink(".dataset.sparkify-staging", "elsewhere");
    sandbox
        .run_with(&[])
        .assert_failure(1, &[".dataset.sparkify-staging: "]);
    assert_eq!(
        fs::read(sandbox.path("elsewhere/file")).unwrap(),
        b"precious"
    );
    snapshot.assert_unchanged();
}

#[test]
fn abandoned_staging_is_removed() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.write(
        ".dataset.sparkify-staging/songplays/part-00007.parquet",
        "half",
    );
    sandbox.write(".dataset.sparkify-staging/_report.json", "{}");
    sandbox.run_with(&[]).assert_success();
    snapshot.assert_replaced();
    assert!(
        !sandbox
            .path("dataset/songplays/part-00007.parquet")
            .exists()
    );
    sandbox.assert_no_staging_left();
}

#[test]
fn equivalent_paths_name_the_same_directory() {
    let (sandbox, _) = Sandbox::with_dataset();
    sandbox.run("songs", "logs", "plain").assert_success();
    let absolute = sandbox.path("dataset").display().to_string();
    for out in [
        "dataset/",
        "./dataset",
        "songs/../dataset",
        "dataset/.",
        "dataset//",
        &absolute,
    ] {
        sandbox.run("songs", "older", "dataset").assert_success();
        sandbox.run("songs/", "./logs/", out).assert_success();
        assert_eq!(
            deterministic_files(&sandbox.path("dataset")),
            deterministic_files(&sandbox.path("plain"))
        );
        sandbox.assert_no_staging_left();
    }
    sandbox.run("songs", "logs", "new/").assert_success();
    assert_eq!(
        deterministic_files(&sandbox.path("new")),
        deterministic_files(&sandbox.path("plain"))
    );
}

#[test]
fn paths_may_contain_spaces_quotes_and_unicode() {
    let sandbox = Sandbox::with_input();
    let odd = "Motörhead & söner/ 夜 'n' \"day\" 100% $HOME";
    sandbox.write(&format!("{odd}/log data/åäö 1.json"), events(0..3));
    sandbox.run("songs", "logs", "plain").assert_success();
    let out = format!("{odd}/ware house");
    sandbox
        .run("songs", &format!("{odd}/log data"), &out)
        .assert_success();
    assert_eq!(
        deterministic_files(&sandbox.path(&out)),
        deterministic_files(&sandbox.path("plain"))
    );
    assert!(staging_leftovers(&sandbox.path(odd)).is_empty());
    // A value that starts with a dash must be attached to its option.
    sandbox
        .exec(&[
            "run",
            "--songs=songs",
            "--logs=logs",
            "--out=-dataset",
            "-q",
        ])
        .assert_success();
    assert_eq!(
        deterministic_files(&sandbox.path("-dataset")),
        deterministic_files(&sandbox.path("plain"))
    );
}

#[test]
fn output_below_its_input_is_not_read_as_input() {
    let sandbox = Sandbox::with_input();
    for _ in 0..2 {
        sandbox
            .run("songs", "logs", "logs/dataset")
            .assert_success();
        let report = testkit::dataset::directory::read_report(&sandbox.path("logs/dataset"));
        assert_eq!(report["logs"]["objects"], 1);
    }
}

#[test]
fn output_containing_its_input_is_rejected() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.symlink("around", "dataset/_rejects");
    sandbox.write(
        "dataset/_rejects/logs-00000.jsonl",
        testkit::sample_data::events(0..2),
    );
    for logs in [
        "dataset/_rejects",
        "dataset/_rejects/logs-00000.jsonl",
        "around",
    ] {
        sandbox.run("songs", logs, "dataset").assert_failure(
            2,
            &[&format!(
                "the run would replace or remove its own input {logs}"
            )],
        );
    }
    std::fs::remove_file(sandbox.path("dataset/_rejects/logs-00000.jsonl")).unwrap();
    // The rejects of a failed run do not block a run either; a successful run removes them.
    sandbox.write(
        "dataset.failed/logs.jsonl",
        testkit::sample_data::events(0..2),
    );
    sandbox
        .run("songs", "dataset.failed/logs.jsonl", "dataset")
        .assert_failure(
            2,
            &["the run would replace or remove its own input dataset.failed/logs.jsonl"],
        );
    std::fs::remove_dir_all(sandbox.path("dataset.failed")).unwrap();
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn directory_with_an_unknown_report_is_not_replaced() {
    for report in [
        "",
        "x",
        "[1]",
        "{\"my\":\"report\"}",
        "{\"report_version\":1}",
    ] {
        let sandbox = Sandbox::with_input();
        sandbox.write("other/_report.json", report);
        sandbox
            .run("songs", "logs", "other")
            .assert_failure(1, &["it is not empty and has no valid _report.json"]);
        assert_eq!(
            std::fs::read_to_string(sandbox.path("other/_report.json")).unwrap(),
            report
        );
    }
}

#[test]
fn unknown_files_at_the_staging_path_are_kept() {
    let sandbox = Sandbox::with_input();
    sandbox.write(".dataset.sparkify-staging/mine/thesis.txt", "precious");
    sandbox.run_with(&[]).assert_failure(
        1,
        &["dataset.sparkify-staging: it contains mine, which sparkify did not write"],
    );
    let thesis = sandbox.path(".dataset.sparkify-staging/mine/thesis.txt");
    assert_eq!(std::fs::read_to_string(thesis).unwrap(), "precious");
    std::fs::remove_dir_all(sandbox.path(".dataset.sparkify-staging/mine")).unwrap();
    sandbox
        .run("songs", "logs", ".dataset.sparkify-staging")
        .assert_failure(
            2,
            &["names that end in .sparkify-staging are reserved for staging folders"],
        );
}

#[test]
fn dataset_without_merge_state_is_replaced() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    fs::remove_dir_all(sandbox.path("dataset/merge_state")).unwrap();
    sandbox.run_with(&[]).assert_success();
    snapshot.assert_replaced();
    assert!(
        sandbox
            .path("dataset/merge_state/users/part-00000.parquet")
            .exists()
    );
}

#[test]
fn merge_state_with_unknown_files_is_not_replaced() {
    for foreign in [
        "merge_state/notes.txt",
        "merge_state/users/mine.csv",
        "merge_state/_report.json",
        "merge_state/time/x",
    ] {
        let (sandbox, _) = Sandbox::with_dataset();
        sandbox.write(&format!("dataset/{foreign}"), "precious");
        let before = read_files(&sandbox.path("dataset"));
        sandbox
            .run_with(&[])
            .assert_failure(1, &["it contains merge_state/"]);
        assert_eq!(read_files(&sandbox.path("dataset")), before);
        sandbox.assert_no_staging_left();
    }
}
