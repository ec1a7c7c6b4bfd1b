//! A disk that fills up while the star is being written.

use std::fs;
use std::process::Command;

use crate::data::{Generated, generated};
use crate::harness::{Ended, Place, SPARKIFY, assert_one_line, plain, run_arguments};
use crate::star::{Earlier, all_files, star};

/// A place with a star of few events, and the many events that are to replace it.
fn little_replaced_by_much() -> (Place, Generated, Earlier) {
    let (place, earlier) = Place::with_star();
    let much = generated(&place, "much", 20_000, 1);
    (place, much, earlier)
}

#[test]
fn a_file_that_may_not_grow_ends_the_run() {
    let (place, much, earlier) = little_replaced_by_much();
    // Blocks of 512 or 1024 bytes, as the shell has it: nothing fits, some tables fit.
    for blocks in ["0", "1", "8", "64"] {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = plain(Command::new("sh"));
        command.args(["-c", &script, SPARKIFY]);
        command.args(run_arguments(&much.songs, &much.logs, "star"));
        Ended::of(command.current_dir(place.root())).fails(1, "File too large");
        earlier.is_untouched();
        place.has_no_leavings();
    }
    place.run(&much.songs, &much.logs, "star").succeeds();
    earlier.is_replaced();
    place.has_no_leavings();
}

#[test]
fn generated_data_that_does_not_fit_is_a_failure() {
    let place = Place::new();
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = plain(Command::new("sh"));
    command.args(["-c", script, SPARKIFY, "generate", "-q", "--out=made"]);
    Ended::of(command.current_dir(place.root())).fails(1, "File too large");
}

/// A shell in a namespace of its own, in which it can mount; gone with the shell.
fn mounting_shell(place: &Place, script: &str, arguments: &[&str]) -> Command {
    let mut command = plain(Command::new("unshare"));
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["sh", "-c", script, SPARKIFY]).args(arguments);
    command.current_dir(place.root());
    command
}

fn may_mount(place: &Place) -> bool {
    place.folder("disk");
    let script = "mount -t tmpfs -o size=64k tmpfs disk";
    let mounted = mounting_shell(place, script, &[]).output();
    let may = mounted.is_ok_and(|mounted| mounted.status.success());
    if !may {
        println!("skipped: mounting in a namespace of one's own is not permitted here");
    }
    may
}

/// A run on a small disk that holds a star, and another one after that. All that a test wants to
/// know is copied out, for the disk is gone with the shell.
const ON_A_SMALL_DISK: &str = r#"
set -e
size=$1 songs=$2 logs=$3
mount -t tmpfs -o "size=$size" tmpfs disk
cp -a star disk/star
set +e
"$0" run --quiet --songs "$songs" --logs "$logs" --out disk/star 2>"first $size"
echo $? >>"first $size"
set -e
cp -a disk/star "kept $size"
ls -A disk >"names $size"
"$0" run --quiet --songs songs --logs logs --out disk/star
cp -a disk/star "next $size"
ls -A disk >>"names $size"
"#;

#[test]
fn a_full_disk_ends_the_run() {
    let (place, much, _) = little_replaced_by_much();
    if !may_mount(&place) {
        return;
    }
    place.run("songs", "logs", "expected").succeeds();
    for size in ["100k", "150k", "200k", "300k"] {
        let arguments = [size, &much.songs, &much.logs];
        Ended::of(&mut mounting_shell(&place, ON_A_SMALL_DISK, &arguments)).succeeds();
        let first = fs::read_to_string(place.path(&format!("first {size}"))).unwrap();
        let stderr = first.strip_suffix("1\n").expect("exit code 1");
        assert_one_line(stderr);
        assert!(stderr.contains("No space left on device"), "{stderr}");
        assert!(
            stderr.contains("; free some space and run again"),
            "{stderr}"
        );
        let kept = all_files(&place.path(&format!("kept {size}")));
        assert!(kept == all_files(&place.path("star")), "the star changed");
        let next = star(&place.path(&format!("next {size}")));
        assert!(next == star(&place.path("expected")));
        let names = fs::read_to_string(place.path(&format!("names {size}"))).unwrap();
        assert_eq!(names, "star\nstar\n", "leavings");
    }
}

#[test]
fn a_disk_of_its_own_is_refused_before_any_work() {
    let place = Place::with_input();
    if !may_mount(&place) {
        return;
    }
    // The staging folder would be on another file system, and a mount point cannot be exchanged.
    let script = r#"mount -t tmpfs tmpfs disk && exec "$0" "$@""#;
    let arguments = run_arguments("songs", "logs", "disk");
    Ended::of(&mut mounting_shell(&place, script, &arguments))
        .fails(1, "cannot write to disk: it is a mount point")
        .fails(1, "; name a folder below it");
    // Another folder of the same file system is one as well.
    let script = r#"mkdir other && mount --bind other disk && exec "$0" "$@""#;
    Ended::of(&mut mounting_shell(&place, script, &arguments))
        .fails(1, "cannot write to disk: it is a mount point");
    let script = r#"mount -t tmpfs tmpfs disk && exec "$0" "$@""#;
    let arguments = run_arguments("songs", "logs", "disk/star");
    Ended::of(&mut mounting_shell(&place, script, &arguments)).succeeds();
    place.has_no_leavings();
}
