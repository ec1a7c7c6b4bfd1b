//! Machines on which no command can work: the error is one line, and no panic of a library.

use std::process::Command;

use testkit::cli::command::{sparkify_path, with_clean_env};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};

/// Runs a command under a program that changes its environment.
fn run_under(program: &str, program_args: &[&str], sandbox: &Sandbox) -> CommandOutput {
    let mut command = with_clean_env(Command::new(program));
    command
        .args(program_args)
        .arg(sparkify_path())
        .args(run_args("songs", "logs", "out"))
        .current_dir(sandbox.root());
    CommandOutput::run(&mut command)
}

#[test]
fn too_few_open_files_are_named() {
    let sandbox = Sandbox::with_input();
    for (limit, open) in [(5, ""), (12, ""), (34, ""), (64, &*open_files(40))] {
        let script = format!("{open} ulimit -n {limit}; exec \"$0\" \"$@\"");
        run_under("bash", &["-c", &script], &sandbox).assert_failure(
            1,
            &[
                &format!("cannot start: this process may open only {limit} files at once"),
                "ulimit -n",
            ],
        );
    }
    for script in ["ulimit -n 64", &format!("{} ulimit -n 104", open_files(40))] {
        let script = format!("{script}; exec \"$0\" \"$@\"");
        run_under("bash", &["-c", &script], &sandbox).assert_success();
    }
}

/// Returns the commands of a shell that open files, which the commands after them inherit.
fn open_files(count: usize) -> String {
    (0..count)
        .map(|i| format!("exec {}</dev/null;", 20 + i))
        .collect()
}

#[test]
fn limit_of_open_files_is_raised_if_that_is_allowed() {
    let sandbox = Sandbox::with_input();
    for limit in [8, 31] {
        let script = format!("ulimit -Sn {limit}; exec \"$0\" \"$@\"");
        run_under("bash", &["-c", &script], &sandbox).assert_success();
    }
}

#[test]
fn clock_before_1970_is_named() {
    let sandbox = Sandbox::with_input();
    assert!(
        Command::new("faketime").arg("--version").output().is_ok(),
        "this test needs faketime: apt-get install faketime"
    );
    let before_1970 = ["-f", "@1969-12-31 12:00:00"];
    run_under("faketime", &before_1970, &sandbox).assert_failure(
        1,
        &["the clock of this machine is before 1970", "set the clock"],
    );
    let after_1970 = ["-f", "@1970-01-02 12:00:00"];
    run_under("faketime", &after_1970, &sandbox).assert_success();
}
