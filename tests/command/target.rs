//! Where the star goes: what may be replaced, and under which names.

use std::fs;

use crate::data::events;
use crate::harness::{Ended, Place, leavings};
use crate::star::{all_files, star};

#[test]
fn an_earlier_star_is_replaced_and_its_surplus_parts_vanish() {
    let (place, earlier) = Place::with_star();
    place.run("songs", "logs", "fresh").succeeds();
    place.write("star/songplays/part-00099.parquet", "an old part");
    place.write("star/_rejects/logs-00042.jsonl", "{}\n");
    place.run_with(&[]).succeeds();
    earlier.is_replaced();
    assert_eq!(star(&place.path("star")), star(&place.path("fresh")));
    place.has_no_leavings();
}

#[test]
fn a_folder_with_anything_foreign_is_not_replaced() {
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
        let (place, _) = Place::with_star();
        place.write(&format!("star/{foreign}"), "precious");
        let before = all_files(&place.path("star"));
        place
            .run_with(&[])
            .fails(1, "will not replace star: ")
            .fails(1, words);
        assert_eq!(all_files(&place.path("star")), before);
        place.has_no_leavings();
    }
}

#[test]
fn a_folder_with_a_link_in_it_is_not_replaced() {
    let (place, earlier) = Place::with_star();
    place.write("elsewhere/part-00000.parquet", "precious");
    fs::remove_dir_all(place.path("star/songs")).unwrap();
    place.link("star/songs", "../elsewhere");
    place
        .run_with(&[])
        .fails(1, "it holds songs, which no run wrote");
    fs::remove_file(place.path("star/songs")).unwrap();
    place.folder("star/songs");
    place.link(
        "star/songs/part-00000.parquet",
        "../../elsewhere/part-00000.parquet",
    );
    place
        .run_with(&[])
        .fails(1, "it holds songs/part-00000.parquet");
    earlier.is_replaced();
    assert!(place.path("elsewhere/part-00000.parquet").exists());
    place.has_no_leavings();
}

#[test]
fn a_folder_without_a_report_is_no_star() {
    let (place, _) = Place::with_star();
    fs::remove_file(place.path("star/_report.json")).unwrap();
    let before = all_files(&place.path("star"));
    place
        .run_with(&[])
        .fails(1, "it is not empty and has no _report.json");
    assert_eq!(all_files(&place.path("star")), before);
    place.has_no_leavings();
}

#[test]
fn an_empty_folder_and_folders_that_are_not_there_are_filled() {
    let place = Place::with_input();
    place.folder("empty");
    for out in ["empty", "new", "several/new/ones"] {
        place.run("songs", "logs", out).succeeds();
        assert!(star(&place.path(out)).len() >= 5);
    }
    place.has_no_leavings();
    assert!(leavings(&place.path("several/new")).is_empty());
}

#[test]
fn a_file_is_not_replaced() {
    let place = Place::with_input();
    place.write("file", "precious");
    place
        .run("songs", "logs", "file")
        .fails(1, "cannot write to file: ");
    place
        .run("songs", "logs", "file/below")
        .fails(1, "cannot write to file/below: ");
    assert_eq!(fs::read(place.path("file")).unwrap(), b"precious");
    place.has_no_leavings();
}

#[test]
fn the_current_directory_and_those_above_are_not_replaced() {
    let place = Place::with_input();
    place.folder("here/below");
    for (from, out) in [("here", "."), ("here/below", ".."), ("here", "../here/")] {
        let root = place.root().display();
        let (songs, logs) = (format!("{root}/songs"), format!("{root}/logs"));
        // Nothing in it is foreign, but a shell would be left in a folder that is gone.
        fs::remove_dir_all(place.path("here")).unwrap();
        place.folder(from);
        let mut command = place.sparkify(&["run", "--quiet"]);
        command.args(["--songs", &songs, "--logs", &logs, "--out", out]);
        let ended = Ended::of(command.current_dir(place.path(from)));
        if from == "here/below" {
            ended.fails(1, "it holds below, which no run wrote");
        } else {
            ended.fails(2, "the current directory");
        }
        assert!(all_files(&place.path("here")).is_empty());
    }
    place.has_no_leavings();
}

#[test]
fn a_link_stays_a_link_and_its_target_is_replaced() {
    let (place, earlier) = Place::with_star();
    place.folder("links");
    place.link("links/link", "../star");
    place.run("songs", "logs", "links/link").succeeds();
    assert_eq!(
        fs::read_link(place.path("links/link")).unwrap().to_str(),
        Some("../star")
    );
    earlier.is_replaced();
    place.has_no_leavings();
    assert!(leavings(&place.path("links")).is_empty());
}

#[test]
fn a_link_to_nothing_is_refused_before_any_work() {
    let place = Place::with_input();
    place.link("link", "nowhere");
    place
        .run("songs", "logs", "link")
        .fails(1, "cannot write to link: it is a link to nothing");
    assert!(
        fs::symlink_metadata(place.path("link"))
            .unwrap()
            .is_symlink()
    );
    place.has_no_leavings();
}

#[test]
fn a_link_in_the_staging_place_is_not_followed() {
    let (place, earlier) = Place::with_star();
    place.write("elsewhere/file", "precious");
    place.link(".star.sparkify-staging", "elsewhere");
    place.run_with(&[]).fails(1, ".star.sparkify-staging: ");
    assert_eq!(fs::read(place.path("elsewhere/file")).unwrap(), b"precious");
    earlier.is_untouched();
}

#[test]
fn what_a_killed_run_left_is_cleared() {
    let (place, earlier) = Place::with_star();
    place.write(
        ".star.sparkify-staging/songplays/part-00007.parquet",
        "half",
    );
    place.write(".star.sparkify-staging/_report.json", "{}");
    place.run_with(&[]).succeeds();
    earlier.is_replaced();
    assert!(!place.path("star/songplays/part-00007.parquet").exists());
    place.has_no_leavings();
}

#[test]
fn names_of_many_kinds_name_the_same_folder() {
    let (place, _) = Place::with_star();
    place.run("songs", "logs", "plain").succeeds();
    let absolute = place.path("star").display().to_string();
    for out in [
        "star/",
        "./star",
        "songs/../star",
        "star/.",
        "star//",
        &absolute,
    ] {
        place.run("songs", "older", "star").succeeds();
        place.run("songs/", "./logs/", out).succeeds();
        assert_eq!(star(&place.path("star")), star(&place.path("plain")));
        place.has_no_leavings();
    }
    place.run("songs", "logs", "new/").succeeds();
    assert_eq!(star(&place.path("new")), star(&place.path("plain")));
}

#[test]
fn spaces_and_letters_of_all_kinds_may_be_in_paths() {
    let place = Place::with_input();
    let odd = "Motörhead & söner/ 夜 'n' \"day\" 100% $HOME";
    place.write(&format!("{odd}/log data/åäö 1.json"), events(0..3));
    place.run("songs", "logs", "plain").succeeds();
    let out = format!("{odd}/ware house");
    place
        .run("songs", &format!("{odd}/log data"), &out)
        .succeeds();
    assert_eq!(star(&place.path(&out)), star(&place.path("plain")));
    assert!(leavings(&place.path(odd)).is_empty());
    // Only an argument of its own can begin with a dash.
    place
        .end(&["run", "--songs=songs", "--logs=logs", "--out=-star", "-q"])
        .succeeds();
    assert_eq!(star(&place.path("-star")), star(&place.path("plain")));
}

#[test]
fn an_output_below_its_own_input_is_not_read_as_input() {
    let place = Place::with_input();
    for _ in 0..2 {
        place.run("songs", "logs", "logs/star").succeeds();
        let report = crate::star::report(&place.path("logs/star"));
        assert_eq!(report["logs"]["objects"], 1);
    }
}

#[test]
fn a_star_is_not_replaced_by_what_is_read_from_it() {
    let (place, earlier) = Place::with_star();
    place.link("around", "star/_rejects");
    place.write("star/_rejects/logs-00000.jsonl", crate::data::events(0..2));
    for logs in ["star/_rejects", "star/_rejects/logs-00000.jsonl", "around"] {
        place.run("songs", logs, "star").fails(
            2,
            &format!("it would replace or remove its own input {logs}"),
        );
    }
    std::fs::remove_file(place.path("star/_rejects/logs-00000.jsonl")).unwrap();
    // Nor is what a failed run has kept, which a run that succeeds removes.
    place.write("star.failed/logs.jsonl", crate::data::events(0..2));
    place.run("songs", "star.failed/logs.jsonl", "star").fails(
        2,
        "it would replace or remove its own input star.failed/logs.jsonl",
    );
    std::fs::remove_dir_all(place.path("star.failed")).unwrap();
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn a_report_of_something_else_makes_no_star() {
    for report in [
        "",
        "x",
        "[1]",
        "{\"my\":\"report\"}",
        "{\"report_version\":1}",
    ] {
        let place = Place::with_input();
        place.write("other/_report.json", report);
        place
            .run("songs", "logs", "other")
            .fails(1, "it is not empty and has no _report.json of a run");
        assert_eq!(
            std::fs::read_to_string(place.path("other/_report.json")).unwrap(),
            report
        );
    }
}

#[test]
fn a_folder_in_the_staging_place_that_no_run_made_is_not_emptied() {
    let place = Place::with_input();
    place.write(".star.sparkify-staging/mine/thesis.txt", "precious");
    place.run_with(&[]).fails(
        1,
        "star.sparkify-staging: it holds mine, which no run wrote",
    );
    let thesis = place.path(".star.sparkify-staging/mine/thesis.txt");
    assert_eq!(std::fs::read_to_string(thesis).unwrap(), "precious");
    std::fs::remove_dir_all(place.path(".star.sparkify-staging/mine")).unwrap();
    place
        .run("songs", "logs", ".star.sparkify-staging")
        .fails(2, "names that end in .sparkify-staging are for runs");
}

#[test]
fn a_star_of_a_version_without_a_ledger_is_replaced() {
    let (place, earlier) = Place::with_star();
    fs::remove_dir_all(place.path("star/ledger")).unwrap();
    place.run_with(&[]).succeeds();
    earlier.is_replaced();
    assert!(place.path("star/ledger/users/part-00000.parquet").exists());
}

#[test]
fn a_ledger_with_anything_foreign_is_not_replaced() {
    for foreign in [
        "ledger/notes.txt",
        "ledger/users/mine.csv",
        "ledger/_report.json",
        "ledger/time/x",
    ] {
        let (place, _) = Place::with_star();
        place.write(&format!("star/{foreign}"), "precious");
        let before = all_files(&place.path("star"));
        place.run_with(&[]).fails(1, "it holds ledger/");
        assert_eq!(all_files(&place.path("star")), before);
        place.has_no_leavings();
    }
}
