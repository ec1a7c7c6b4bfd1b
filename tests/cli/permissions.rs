//! Input that cannot be read and output that cannot be written by an unprivileged user.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use testkit::cli::command::{sparkify_path, with_clean_env};
use testkit::cli::output::CommandOutput;
use testkit::cli::sandbox::{Sandbox, run_args};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Returns the binary run by an unprivileged user in the sandbox, because permissions do not apply to root.
fn unprivileged_command(sandbox: &Sandbox) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(sandbox.command(&[]));
    }
    // The user may have no access to the build directory. The file is copied by another process, because a
    // file that this process has open for writing could not be executed.
    let binary = sandbox.path("sparkify");
    let copied = Command::new("cp")
        .arg(sparkify_path())
        .arg(&binary)
        .status();
    assert!(copied.unwrap().success());
    set_mode(&binary, 0o755);
    set_mode(sandbox.root(), 0o755);
    let unprivileged = || {
        let mut command = with_clean_env(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&binary).current_dir(sandbox.root());
        command
    };
    let can = unprivileged().arg("--version").output();
    if !can.is_ok_and(|version| version.status.success()) {
        println!("skipped: this root cannot become an ordinary user");
        return None;
    }
    Some(unprivileged())
}

#[test]
fn unreadable_object_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    let Some(mut command) = unprivileged_command(&sandbox) else {
        return;
    };
    // A directory of its own, in which the user may write.
    sandbox.create_dir("free");
    set_mode(&sandbox.path("free"), 0o777);
    set_mode(&sandbox.path("logs/a.json"), 0o000);
    command.args(run_args("songs", "logs", "free/dataset"));
    CommandOutput::run(&mut command)
        .assert_failure(1, &["cannot read logs/a.json: Permission denied"])
        .assert_failure(1, &["; check the permissions"]);
    assert_eq!(fs::read_dir(sandbox.path("free")).unwrap().count(), 0);
    snapshot.assert_unchanged();
}

#[test]
fn unreadable_part_fails_the_check() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    for (path, message) in [
        (
            "dataset/songs/part-00000.parquet",
            "cannot read dataset/songs/part-00000.parquet: Permission denied",
        ),
        (
            "dataset/users",
            "cannot list dataset/users/: Permission denied",
        ),
        (
            "dataset/_report.json",
            "cannot read dataset/_report.json: Permission denied",
        ),
        ("dataset", "cannot list dataset/: Permission denied"),
    ] {
        let Some(mut command) = unprivileged_command(&sandbox) else {
            return;
        };
        set_mode(&sandbox.path(path), 0o000);
        command.args(["check", "--from", "dataset"]);
        CommandOutput::run(&mut command).assert_failure(1, &[message, "; check the permissions"]);
        set_mode(&sandbox.path(path), 0o755);
    }
    snapshot.assert_unchanged();
}

#[test]
fn unlistable_directory_fails_the_run() {
    let sandbox = Sandbox::with_input();
    let Some(mut command) = unprivileged_command(&sandbox) else {
        return;
    };
    sandbox.create_dir("logs/closed");
    set_mode(&sandbox.path("logs/closed"), 0o000);
    command.args(run_args("songs", "logs", "dataset"));
    CommandOutput::run(&mut command)
        .assert_failure(1, &["cannot list logs/closed/: Permission denied"]);
    set_mode(&sandbox.path("logs/closed"), 0o755);
}

#[test]
fn unwritable_directory_fails_the_run() {
    let (sandbox, snapshot) = Sandbox::with_dataset();
    sandbox.create_dir("closed");
    let Some(mut command) = unprivileged_command(&sandbox) else {
        return;
    };
    set_mode(&sandbox.path("closed"), 0o555);
    command.args(run_args("songs", "logs", "closed/dataset"));
    CommandOutput::run(&mut command)
        .assert_failure(1, &["closed/.dataset.sparkify-staging: Permission denied"]);
    let mut command = unprivileged_command(&sandbox).unwrap();
    command.args(run_args("songs", "logs", "closed/deeper/dataset"));
    CommandOutput::run(&mut command).assert_failure(1, &["closed/deeper: Permission denied"]);

    // A dataset whose directory cannot be exchanged, because that needs write permission for the parent.
    set_mode(sandbox.root(), 0o555);
    let mut command = unprivileged_command_without_setup(&sandbox);
    command.args(run_args("songs", "logs", "dataset"));
    CommandOutput::run(&mut command)
        .assert_failure(1, &[".dataset.sparkify-staging: Permission denied"]);
    set_mode(sandbox.root(), 0o755);
    set_mode(&sandbox.path("closed"), 0o755);
    snapshot.assert_unchanged();
    sandbox.assert_no_staging_left();
}

/// Returns the same command in a sandbox in which no file can be created any more.
fn unprivileged_command_without_setup(sandbox: &Sandbox) -> Command {
    if !rustix::process::geteuid().is_root() {
        return sandbox.command(&[]);
    }
    let mut command = with_clean_env(Command::new("setpriv"));
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command
        .arg(sandbox.path("sparkify"))
        .current_dir(sandbox.root());
    command
}

#[test]
fn dataset_that_cannot_be_removed_is_still_replaced() {
    let sandbox = Sandbox::with_input();
    let Some(mut command) = unprivileged_command(&sandbox) else {
        return;
    };
    sandbox.create_dir("free");
    set_mode(&sandbox.path("free"), 0o777);
    command.args(run_args("songs", "logs", "free/dataset"));
    CommandOutput::run(&mut command).assert_success();
    let table = sandbox.path("free/dataset/users");
    set_mode(&table, 0o555);

    let mut command = unprivileged_command_without_setup(&sandbox);
    command.args(run_args("songs", "logs", "free/dataset"));
    let output = CommandOutput::run(&mut command);
    assert_eq!(output.code, Some(0), "{output:?}");
    let warning = "sparkify: warning: cannot remove the replaced dataset in ";
    assert!(output.stderr.starts_with(warning), "{output:?}");
    set_mode(&table, 0o755);
    let left = sandbox.path("free/.dataset.sparkify-staging");
    assert!(left.join("users/part-00000.parquet").is_file() && table.is_dir());
    set_mode(&left.join("users"), 0o755);
}

#[test]
fn unwritable_system_path_fails_the_run() {
    let sandbox = Sandbox::with_input();
    for out in ["/proc/dataset", "/proc/deeper/dataset", "/dev/null/dataset"] {
        sandbox
            .run("songs", "logs", out)
            .assert_failure(1, &["cannot "]);
    }
}
