//! `sparkify man`: a page for every command, in the format that man reads.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::Sandbox;

use crate::help;

/// Returns the output of mandoc, which reads a page more strictly than man does.
fn mandoc(sandbox: &Sandbox, arguments: &[&str]) -> CommandOutput {
    let mut mandoc = Command::new("mandoc");
    mandoc.args(arguments).current_dir(sandbox.root());
    assert!(
        mandoc.output().is_ok(),
        "this test needs mandoc: apt-get install mandoc"
    );
    CommandOutput::run(&mut mandoc)
}

#[test]
fn every_command_has_a_page_without_warnings() {
    let sandbox = Sandbox::new();
    let written = sandbox.exec(&["man", "new/man1"]).assert_success().stdout;
    let mut expected = BTreeSet::new();
    for command in help::all_commands(&sandbox) {
        let name = [&["sparkify".to_owned()], &command[..]].concat().join("-");
        let page = format!("new/man1/{name}.1");
        let lint = mandoc(&sandbox, &["-T", "lint", "-W", "warning", &page]).stdout;
        // A date would differ from build to build.
        let mut warnings = lint.lines().filter(|line| !line.contains("missing date"));
        assert_eq!(warnings.next(), None);

        let text = mandoc(&sandbox, &["-T", "utf8", "-O", "width=200", &page]).stdout;
        let help = help::long_help(&sandbox, &command);
        let summary = help.lines().next().unwrap();
        assert!(text.contains(&format!("{name} - {summary}")), "{text}");
        expected.insert(format!("{name}.1"));
    }
    let count = format!("{} manual pages written to new/man1\n", expected.len());
    assert_eq!(written, count);
    let files = fs::read_dir(sandbox.path("new/man1")).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
}

/// The examples of a page can be copied: they have the lines of the help.
#[test]
fn examples_keep_their_lines() {
    let sandbox = Sandbox::new();
    sandbox.exec(&["man", "man1"]).assert_success();
    for command in help::all_commands(&sandbox) {
        let name = [&["sparkify".to_owned()], &command[..]].concat().join("-");
        let page = format!("man1/{name}.1");
        // Bold letters are struck twice.
        let text = mandoc(&sandbox, &["-T", "ascii", "-O", "width=200", &page]).stdout;
        let text = text.replace(|c: char| c == '\u{8}', "");
        let help = help::long_help(&sandbox, &command);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        let (examples, _) = examples.split_once("\n\nExit codes:").unwrap();
        let examples: String = examples
            .lines()
            .map(|line| format!("\n       {}", line.strip_prefix("  ").unwrap()))
            .collect();
        assert!(text.contains(&examples), "{name}: {examples}\n{text}");
    }
}

#[test]
fn without_a_folder_the_page_of_sparkify_is_printed() {
    let sandbox = Sandbox::new();
    let printed = sandbox.exec(&["man"]).assert_success().stdout;
    sandbox.exec(&["man", "."]).assert_success();
    assert_eq!(
        fs::read_to_string(sandbox.path("sparkify.1")).unwrap(),
        printed
    );
}

#[test]
fn folder_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    sandbox
        .exec(&["man", "file"])
        .assert_failure(1, &["cannot create file: File exists"]);
    sandbox.create_dir("man1/sparkify.1");
    sandbox
        .exec(&["man", "man1"])
        .assert_failure(1, &["cannot write man1/sparkify.1: Is a directory"]);
    sandbox
        .exec(&["man", "s3://bucket/man1"])
        .assert_usage_error("expected a local folder");
}
