//! What an ordinary user may not read or write.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::harness::{Ended, Place, SPARKIFY, plain, run_arguments};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The binary as an ordinary user runs it in `place`, for root is held back by nothing.
fn as_ordinary_user(place: &Place) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        return Some(place.sparkify(&[]));
    }
    // Where the binary was built, an ordinary user need not come. It is copied by another process:
    // a file that this one has open for writing could not be run.
    let binary = place.path("sparkify");
    let copied = Command::new("cp").arg(SPARKIFY).arg(&binary).status();
    assert!(copied.unwrap().success());
    set_mode(&binary, 0o755);
    set_mode(place.root(), 0o755);
    let nobody = || {
        let mut command = plain(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(&binary).current_dir(place.root());
        command
    };
    let can = nobody().arg("--version").output();
    if !can.is_ok_and(|version| version.status.success()) {
        println!("skipped: this root cannot become an ordinary user");
        return None;
    }
    Some(nobody())
}

#[test]
fn an_object_that_may_not_be_read_ends_the_run() {
    let (place, earlier) = Place::with_star();
    let Some(mut command) = as_ordinary_user(&place) else {
        return;
    };
    // Its own folder, so that the user can write there.
    place.folder("free");
    set_mode(&place.path("free"), 0o777);
    set_mode(&place.path("logs/a.json"), 0o000);
    command.args(run_arguments("songs", "logs", "free/star"));
    Ended::of(&mut command)
        .fails(1, "cannot read logs/a.json: Permission denied")
        .fails(1, "; check the permissions");
    assert_eq!(fs::read_dir(place.path("free")).unwrap().count(), 0);
    earlier.is_untouched();
}

#[test]
fn a_folder_that_may_not_be_listed_ends_the_run() {
    let place = Place::with_input();
    let Some(mut command) = as_ordinary_user(&place) else {
        return;
    };
    place.folder("logs/closed");
    set_mode(&place.path("logs/closed"), 0o000);
    command.args(run_arguments("songs", "logs", "star"));
    Ended::of(&mut command).fails(1, "cannot list logs/closed/: Permission denied");
    set_mode(&place.path("logs/closed"), 0o755);
}

#[test]
fn a_folder_that_may_not_be_written_ends_the_run() {
    let (place, earlier) = Place::with_star();
    place.folder("closed");
    let Some(mut command) = as_ordinary_user(&place) else {
        return;
    };
    set_mode(&place.path("closed"), 0o555);
    command.args(run_arguments("songs", "logs", "closed/star"));
    Ended::of(&mut command).fails(1, "closed/.star.sparkify-staging: Permission denied");
    let mut command = as_ordinary_user(&place).unwrap();
    command.args(run_arguments("songs", "logs", "closed/deeper/star"));
    Ended::of(&mut command).fails(1, "closed/deeper: Permission denied");

    // A star whose folder may not be exchanged, for that is written in the folder above.
    set_mode(place.root(), 0o555);
    let mut command = as_ordinary_user_again(&place);
    command.args(run_arguments("songs", "logs", "star"));
    Ended::of(&mut command).fails(1, ".star.sparkify-staging: Permission denied");
    set_mode(place.root(), 0o755);
    set_mode(&place.path("closed"), 0o755);
    earlier.is_untouched();
    place.has_no_leavings();
}

/// The same user once more, where nothing can be prepared any more.
fn as_ordinary_user_again(place: &Place) -> Command {
    if !rustix::process::geteuid().is_root() {
        return place.sparkify(&[]);
    }
    let mut command = plain(Command::new("setpriv"));
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command
        .arg(place.path("sparkify"))
        .current_dir(place.root());
    command
}

#[test]
fn a_star_that_cannot_be_removed_is_replaced_all_the_same() {
    let place = Place::with_input();
    let Some(mut command) = as_ordinary_user(&place) else {
        return;
    };
    place.folder("free");
    set_mode(&place.path("free"), 0o777);
    command.args(run_arguments("songs", "logs", "free/star"));
    Ended::of(&mut command).succeeds();
    let table = place.path("free/star/users");
    set_mode(&table, 0o555);

    let mut command = as_ordinary_user_again(&place);
    command.args(run_arguments("songs", "logs", "free/star"));
    let ended = Ended::of(&mut command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let warning = "sparkify: warning: cannot remove the replaced star in ";
    assert!(ended.stderr.starts_with(warning), "{ended:?}");
    set_mode(&table, 0o755);
    let left = place.path("free/.star.sparkify-staging");
    assert!(left.join("users/part-00000.parquet").is_file() && table.is_dir());
    set_mode(&left.join("users"), 0o755);
}

#[test]
fn not_even_root_can_write_everywhere() {
    let place = Place::with_input();
    for out in ["/proc/star", "/proc/deeper/star", "/dev/null/star"] {
        place.run("songs", "logs", out).fails(1, "cannot ");
    }
}
