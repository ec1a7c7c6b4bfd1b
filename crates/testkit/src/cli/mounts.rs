//! Small disks that disappear with the command that mounts them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cli::command::{sparkify_path, with_clean_env};

/// Returns a shell in a mount namespace of its own: its mounts disappear with the shell. `$0` is the binary.
pub fn mount_namespace_shell(dir: &Path, script: &str, arguments: &[&str]) -> Command {
    let mut command = with_clean_env(Command::new("unshare"));
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
        .args(["sh", "-c", script, &sparkify_path()])
        .args(arguments);
    command.current_dir(dir);
    command
}

/// Returns true if a disk can be mounted on the directory `disk` in `dir`, which is created.
pub fn can_mount(dir: &Path) -> bool {
    fs::create_dir_all(dir.join("disk")).unwrap();
    let script = "mount -t tmpfs -o size=64k tmpfs disk";
    let mounted = mount_namespace_shell(dir, script, &[]).output();
    let may = mounted.is_ok_and(|mounted| mounted.status.success());
    if !may {
        println!("skipped: mounting in a namespace of one's own is not permitted here");
    }
    may
}
