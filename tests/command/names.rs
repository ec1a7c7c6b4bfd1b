//! File names that are not UTF-8, or that would draw on a terminal.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::data::event;
use crate::harness::{Ended, Place};
use crate::star::report;

const NOT_UTF8: &[u8] = b"caf\xe9";

/// A path whose last part ends in a lone Latin-1 letter and `ending`.
fn latin1(place: &Place, folder: &str, ending: &str) -> PathBuf {
    let name = [NOT_UTF8, ending.as_bytes()].concat();
    place.path(folder).join(OsStr::from_bytes(&name))
}

#[test]
fn an_object_whose_name_is_not_utf8_ends_the_run() {
    let (place, earlier) = Place::with_star();
    let path = latin1(&place, "logs", ".json");
    fs::write(&path, event(9)).unwrap();
    place.run_with(&[]).fails(
        1,
        "cannot read logs/caf\u{fffd}.json: its name is not UTF-8; rename it",
    );
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn a_folder_whose_name_is_not_utf8_is_not_passed_over() {
    let (place, earlier) = Place::with_star();
    let folder = latin1(&place, "logs", "");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b.json"), event(9)).unwrap();
    place.run_with(&[]).fails(
        1,
        "cannot read logs/caf\u{fffd}: its name is not UTF-8; rename it",
    );
    // Nor is a link to one.
    fs::rename(&folder, place.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", &folder).unwrap();
    place.run_with(&[]).fails(1, "its name is not UTF-8");
    earlier.is_untouched();
    place.has_no_leavings();
}

#[test]
fn other_files_and_hidden_folders_may_have_any_name() {
    let place = Place::with_input();
    fs::write(latin1(&place, "logs", ".txt"), "").unwrap();
    fs::create_dir(place.path("logs").join(OsStr::from_bytes(b"_\xff"))).unwrap();
    place.run_with(&[]).succeeds();
    assert_eq!(report(&place.path("star"))["logs"]["ignored_objects"], 2);
}

#[test]
fn an_output_may_have_any_name() {
    let place = Place::with_input();
    let out = latin1(&place, "", "");
    for _ in 0..2 {
        let mut command = place.sparkify(&["run", "-q", "--songs=songs", "--logs=logs", "--out"]);
        Ended::of(command.arg(&out)).succeeds();
    }
    assert!(out.join("_report.json").exists());
    place.has_no_leavings();
}

#[test]
fn an_input_folder_may_have_any_name() {
    let place = Place::with_input();
    let songs = latin1(&place, "", "");
    fs::rename(place.path("songs"), &songs).unwrap();
    let mut command = place.sparkify(&["run", "-q", "--logs=logs", "--out=star", "--songs"]);
    Ended::of(command.arg(&songs)).succeeds();
    assert_eq!(report(&place.path("star"))["songs"]["records"], 1);
}

#[test]
fn names_cannot_break_the_line_or_draw_on_the_terminal() {
    let (place, earlier) = Place::with_star();
    place.link("logs/a\nb\r\x1b[31m\u{9b}2J.json", "nowhere");
    place
        .run_with(&[])
        .fails(1, "cannot read logs/a b  [31m 2J.json: ");
    earlier.is_untouched();
}

#[test]
fn names_with_anything_in_them_are_read() {
    let place = Place::with_input();
    place.write("logs/a\nb\t\x1b[31m.json", event(9));
    place.run_with(&[]).succeeds();
    assert_eq!(report(&place.path("star"))["logs"]["objects"], 2);
}
