//! Finds the programs of PostgreSQL on this machine.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the directory with the programs of the newest PostgreSQL on this machine.
pub(super) fn find_postgres_bin_dir() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let version = |folder: &Path| {
        let name = folder.parent()?.file_name()?.to_str()?;
        name.parse::<u32>().ok()
    };
    // Debian has a directory for each version, and does not put the server's programs on the path.
    let mut debian: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("bin"))
        .collect();
    debian.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    std::env::split_paths(&path)
        .chain(debian)
        .find(|bin| {
            ["initdb", "pg_ctl", "postgres"]
                .iter()
                .all(|name| bin.join(name).is_file())
        })
        .expect(
            "these tests need PostgreSQL: apt-get install postgresql (or put initdb on the path)",
        )
}
