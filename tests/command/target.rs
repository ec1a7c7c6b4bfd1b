//! Where the star goes: what may be replaced, and under which names.

use std::fs;

use crate::data::events;
use crate::harness::{CommandOutput, Sandbox, staging_leftovers};
use crate::star::{all_files, deterministic_files};

#[test]
fn dataset_is_replaced_without_leftover_parts() {
    let (place, earlier) = Sandbox::with_dataset();
    place.run("songs", "logs", "fresh").assert_success();
    place.write("star/songplays/part-00099.parquet", "an old part");
    place.write("star/_rejects/logs-00042.jsonl", "{}\n");
    place.run_with(&[]).assert_success();
    earlier.assert_replaced();
    assert_eq!(
        deterministic_files(&place.path("star")),
        deterministic_files(&place.path("fresh"))
    );
    place.assert_no_staging_left();
}

#[test]
fn directory_with_unknown_files_is_not_replaced() {
    for (foreign, words) in [
        ("notes.txt", "it holds notes.txt, which no run wrote"),
        (".hidden", "it holds .hidden, which no run wrote"),
        ("other/file", "it holds other, which no run wrote"),
        (
            "songs/mine.csv",
            "it holds songs/mine.csv, which no run wrote",
        ),
        (
            "time/x.parquet/y",
            "it holds time/x.parquet, which no run wrote",
        ),
        (
            "_rejects/a.txt",
            "it holds _rejects/a.txt, which no run wrote",
        ),
    ] {
        let (place, _) = Sandbox::with_dataset();
        place.write(&format!("star/{foreign}"), "precious");
        let before = all_files(&place.path("star"));
        place
            .run_with(&[])
            .assert_failure(1, "will not replace star: ")
            .assert_failure(1, words);
        assert_eq!(all_files(&place.path("star")), before);
        place.assert_no_staging_left();
    }
}

#[test]
fn directory_with_a_symlink_is_not_replaced() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("elsewhere/part-00000.parquet", "precious");
    fs::remove_dir_all(place.path("star/songs")).unwrap();
    place.symlink("star/songs", "../elsewhere");
    place
        .run_with(&[])
        .assert_failure(1, "it holds songs, which no run wrote");
    fs::remove_file(place.path("star/songs")).unwrap();
    place.create_dir("star/songs");
    place.symlink(
        "star/songs/part-00000.parquet",
        "../../elsewhere/part-00000.parquet",
    );
    place
        .run_with(&[])
        .assert_failure(1, "it holds songs/part-00000.parquet");
    earlier.assert_replaced();
    assert!(place.path("elsewhere/part-00000.parquet").exists());
    place.assert_no_staging_left();
}

#[test]
fn directory_without_a_report_is_not_replaced() {
    let (place, _) = Sandbox::with_dataset();
    fs::remove_file(place.path("star/_report.json")).unwrap();
    let before = all_files(&place.path("star"));
    place
        .run_with(&[])
        .assert_failure(1, "it is not empty and has no _report.json");
    assert_eq!(all_files(&place.path("star")), before);
    place.assert_no_staging_left();
}

#[test]
fn empty_and_missing_directories_are_accepted() {
    let place = Sandbox::with_input();
    place.create_dir("empty");
    for out in ["empty", "new", "several/new/ones"] {
        place.run("songs", "logs", out).assert_success();
        assert!(deterministic_files(&place.path(out)).len() >= 5);
    }
    place.assert_no_staging_left();
    assert!(staging_leftovers(&place.path("several/new")).is_empty());
}

#[test]
fn file_is_not_replaced() {
    let place = Sandbox::with_input();
    place.write("file", "precious");
    place
        .run("songs", "logs", "file")
        .assert_failure(1, "cannot write to file: ");
    place
        .run("songs", "logs", "file/below")
        .assert_failure(1, "cannot write to file/below: ");
    assert_eq!(fs::read(place.path("file")).unwrap(), b"precious");
    place.assert_no_staging_left();
}

#[test]
fn current_directory_and_its_parents_are_not_replaced() {
    let place = Sandbox::with_input();
    place.create_dir("here/below");
    for (from, out) in [("here", "."), ("here/below", ".."), ("here", "../here/")] {
        let root = place.root().display();
        let (songs, logs) = (format!("{root}/songs"), format!("{root}/logs"));
        // Nothing in it is foreign, but a shell would be left in a folder that is gone.
        fs::remove_dir_all(place.path("here")).unwrap();
        place.create_dir(from);
        let mut command = place.command(&["run", "--quiet"]);
        command.args(["--songs", &songs, "--logs", &logs, "--out", out]);
        let ended = CommandOutput::capture(command.current_dir(place.path(from)));
        if from == "here/below" {
            ended.assert_failure(1, "it holds below, which no run wrote");
        } else {
            ended.assert_failure(2, "the current directory");
        }
        assert!(all_files(&place.path("here")).is_empty());
    }
    place.assert_no_staging_left();
}

#[test]
fn symlink_is_kept_and_its_target_replaced() {
    let (place, earlier) = Sandbox::with_dataset();
    place.create_dir("links");
    place.symlink("links/link", "../star");
    place.run("songs", "logs", "links/link").assert_success();
    assert_eq!(
        fs::read_link(place.path("links/link")).unwrap().to_str(),
        Some("../star")
    );
    earlier.assert_replaced();
    place.assert_no_staging_left();
    assert!(staging_leftovers(&place.path("links")).is_empty());
}

#[test]
fn dangling_symlink_is_rejected_up_front() {
    let place = Sandbox::with_input();
    place.symlink("link", "nowhere");
    place
        .run("songs", "logs", "link")
        .assert_failure(1, "cannot write to link: it is a link to nothing");
    assert!(
        fs::symlink_metadata(place.path("link"))
            .unwrap()
            .is_symlink()
    );
    place.assert_no_staging_left();
}

#[test]
fn symlink_at_the_staging_path_is_not_followed() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write("elsewhere/file", "precious");
    place.symlink(".star.sparkify-staging", "elsewhere");
    place
        .run_with(&[])
        .assert_failure(1, ".star.sparkify-staging: ");
    assert_eq!(fs::read(place.path("elsewhere/file")).unwrap(), b"precious");
    earlier.assert_unchanged();
}

#[test]
fn abandoned_staging_is_removed() {
    let (place, earlier) = Sandbox::with_dataset();
    place.write(
        ".star.sparkify-staging/songplays/part-00007.parquet",
        "half",
    );
    place.write(".star.sparkify-staging/_report.json", "{}");
    place.run_with(&[]).assert_success();
    earlier.assert_replaced();
    assert!(!place.path("star/songplays/part-00007.parquet").exists());
    place.assert_no_staging_left();
}

#[test]
fn equivalent_paths_name_the_same_directory() {
    let (place, _) = Sandbox::with_dataset();
    place.run("songs", "logs", "plain").assert_success();
    let absolute = place.path("star").display().to_string();
    for out in [
        "star/",
        "./star",
        "songs/../star",
        "star/.",
        "star//",
        &absolute,
    ] {
        place.run("songs", "older", "star").assert_success();
        place.run("songs/", "./logs/", out).assert_success();
        assert_eq!(
            deterministic_files(&place.path("star")),
            deterministic_files(&place.path("plain"))
        );
        place.assert_no_staging_left();
    }
    place.run("songs", "logs", "new/").assert_success();
    assert_eq!(
        deterministic_files(&place.path("new")),
        deterministic_files(&place.path("plain"))
    );
}

#[test]
fn paths_may_contain_spaces_quotes_and_unicode() {
    let place = Sandbox::with_input();
    let odd = "Motörhead & söner/ 夜 'n' \"day\" 100% $HOME";
    place.write(&format!("{odd}/log data/åäö 1.json"), events(0..3));
    place.run("songs", "logs", "plain").assert_success();
    let out = format!("{odd}/ware house");
    place
        .run("songs", &format!("{odd}/log data"), &out)
        .assert_success();
    assert_eq!(
        deterministic_files(&place.path(&out)),
        deterministic_files(&place.path("plain"))
    );
    assert!(staging_leftovers(&place.path(odd)).is_empty());
    // Only an argument of its own can begin with a dash.
    place
        .exec(&["run", "--songs=songs", "--logs=logs", "--out=-star", "-q"])
        .assert_success();
    assert_eq!(
        deterministic_files(&place.path("-star")),
        deterministic_files(&place.path("plain"))
    );
}

#[test]
fn output_below_its_input_is_not_read_as_input() {
    let place = Sandbox::with_input();
    for _ in 0..2 {
        place.run("songs", "logs", "logs/star").assert_success();
        let report = crate::star::read_report(&place.path("logs/star"));
        assert_eq!(report["logs"]["objects"], 1);
    }
}

#[test]
fn output_containing_its_input_is_rejected() {
    let (place, earlier) = Sandbox::with_dataset();
    place.symlink("around", "star/_rejects");
    place.write("star/_rejects/logs-00000.jsonl", crate::data::events(0..2));
    for logs in ["star/_rejects", "star/_rejects/logs-00000.jsonl", "around"] {
        place.run("songs", logs, "star").assert_failure(
            2,
            &format!("it would replace or remove its own input {logs}"),
        );
    }
    std::fs::remove_file(place.path("star/_rejects/logs-00000.jsonl")).unwrap();
    // Nor is what a failed run has kept, which a run that succeeds removes.
    place.write("star.failed/logs.jsonl", crate::data::events(0..2));
    place
        .run("songs", "star.failed/logs.jsonl", "star")
        .assert_failure(
            2,
            "it would replace or remove its own input star.failed/logs.jsonl",
        );
    std::fs::remove_dir_all(place.path("star.failed")).unwrap();
    earlier.assert_unchanged();
    place.assert_no_staging_left();
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
        let place = Sandbox::with_input();
        place.write("other/_report.json", report);
        place
            .run("songs", "logs", "other")
            .assert_failure(1, "it is not empty and has no _report.json of a run");
        assert_eq!(
            std::fs::read_to_string(place.path("other/_report.json")).unwrap(),
            report
        );
    }
}

#[test]
fn unknown_files_at_the_staging_path_are_kept() {
    let place = Sandbox::with_input();
    place.write(".star.sparkify-staging/mine/thesis.txt", "precious");
    place.run_with(&[]).assert_failure(
        1,
        "star.sparkify-staging: it holds mine, which no run wrote",
    );
    let thesis = place.path(".star.sparkify-staging/mine/thesis.txt");
    assert_eq!(std::fs::read_to_string(thesis).unwrap(), "precious");
    std::fs::remove_dir_all(place.path(".star.sparkify-staging/mine")).unwrap();
    place
        .run("songs", "logs", ".star.sparkify-staging")
        .assert_failure(2, "names that end in .sparkify-staging are for runs");
}

#[test]
fn dataset_without_merge_state_is_replaced() {
    let (place, earlier) = Sandbox::with_dataset();
    fs::remove_dir_all(place.path("star/ledger")).unwrap();
    place.run_with(&[]).assert_success();
    earlier.assert_replaced();
    assert!(place.path("star/ledger/users/part-00000.parquet").exists());
}

#[test]
fn merge_state_with_unknown_files_is_not_replaced() {
    for foreign in [
        "ledger/notes.txt",
        "ledger/users/mine.csv",
        "ledger/_report.json",
        "ledger/time/x",
    ] {
        let (place, _) = Sandbox::with_dataset();
        place.write(&format!("star/{foreign}"), "precious");
        let before = all_files(&place.path("star"));
        place.run_with(&[]).assert_failure(1, "it holds ledger/");
        assert_eq!(all_files(&place.path("star")), before);
        place.assert_no_staging_left();
    }
}
