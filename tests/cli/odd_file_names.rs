//! File names that are not UTF-8, or that contain terminal control characters.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;
use testkit::dataset::directory::read_report;
use testkit::sample_data::event;

const NOT_UTF8: &[u8] = b"caf\xe9";

/// Returns a path whose file name ends in a lone Latin-1 byte and `extension`.
fn latin1_path(sandbox: &Sandbox, folder: &str, extension: &str) -> PathBuf {
    let name = [NOT_UTF8, extension.as_bytes()].concat();
    sandbox.path(folder).join(OsStr::from_bytes(&name))
}

#[test]
fn non_utf8_object_name_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let path = latin1_path(&sandbox, "logs", ".json");
    fs::write(&path, event(9)).unwrap();
    sandbox.run_with(&[]).assert_failure(
        1,
        &["cannot read logs/caf\u{fffd}.json: its name is not valid UTF-8; rename it"],
    );
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn non_utf8_directory_name_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let folder = latin1_path(&sandbox, "logs", "");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("b.json"), event(9)).unwrap();
    sandbox.run_with(&[]).assert_failure(
        1,
        &["cannot read logs/caf\u{fffd}: its name is not valid UTF-8; rename it"],
    );
    // A link with such a name fails the run too.
    fs::rename(&folder, sandbox.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", &folder).unwrap();
    sandbox
        .run_with(&[])
        .assert_failure(1, &["its name is not valid UTF-8"]);
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

#[test]
fn ignored_paths_may_have_non_utf8_names() {
    let sandbox = Sandbox::with_input();
    fs::write(latin1_path(&sandbox, "logs", ".txt"), "").unwrap();
    fs::create_dir(sandbox.path("logs").join(OsStr::from_bytes(b"_\xff"))).unwrap();
    sandbox.run_with(&[]).assert_success();
    assert_eq!(
        read_report(&sandbox.path("dataset"))["logs"]["ignored_objects"],
        2
    );
}

#[test]
fn output_may_have_a_non_utf8_name() {
    let sandbox = Sandbox::with_input();
    let out = latin1_path(&sandbox, "", "");
    for _ in 0..2 {
        let mut command = sandbox.command(&["run", "-q", "--songs=songs", "--logs=logs", "--out"]);
        CommandOutput::run(command.arg(&out)).assert_success();
    }
    assert!(out.join("_report.json").exists());
    sandbox.assert_no_staging_left();
}

#[test]
fn input_directory_may_have_a_non_utf8_name() {
    let sandbox = Sandbox::with_input();
    let songs = latin1_path(&sandbox, "", "");
    fs::rename(sandbox.path("songs"), &songs).unwrap();
    let mut command = sandbox.command(&["run", "-q", "--logs=logs", "--out=dataset", "--songs"]);
    CommandOutput::run(command.arg(&songs)).assert_success();
    assert_eq!(read_report(&sandbox.path("dataset"))["songs"]["records"], 1);
}

#[test]
fn control_characters_in_names_are_sanitized_in_errors() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.symlink("logs/a\nb\r\x1b[31m\u{9b}2J.json", "nowhere");
    sandbox
        .run_with(&[])
        .assert_failure(1, &["cannot read logs/a b  [31m 2J.json: "]);
    snapshot.assert_unchanged();
}

#[test]
fn object_names_may_contain_control_characters() {
    let sandbox = Sandbox::with_input();
    sandbox.write("logs/a\nb\t\x1b[31m.json", event(9));
    sandbox.run_with(&[]).assert_success();
    assert_eq!(read_report(&sandbox.path("dataset"))["logs"]["objects"], 2);
}
