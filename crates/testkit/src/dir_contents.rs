//! The files of a directory and its subdirectories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::path::Path;

/// The bytes of files, by their paths in a directory, with `/` between components.
pub type FilesByPath = BTreeMap<String, Vec<u8>>;

/// Returns the paths of all files in a directory, which must exist. None of them may be removed meanwhile.
pub fn list_files(dir: &Path) -> BTreeSet<String> {
    walk(dir, |dir| {
        let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        entries.map(Result::unwrap).collect()
    })
}

/// Returns the paths of all files in a directory, none if it does not exist. Files that are removed meanwhile may be left
/// out.
pub fn list_remaining_files(dir: &Path) -> BTreeSet<String> {
    walk(dir, |dir| {
        let entries = fs::read_dir(dir).into_iter().flatten();
        entries.flatten().collect()
    })
}

fn walk(dir: &Path, read_dir: impl Fn(&Path) -> Vec<DirEntry>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in read_dir(&next) {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

/// Reads all files in a directory, which must exist. None of them may be removed meanwhile.
pub fn read_files(dir: &Path) -> FilesByPath {
    let paths = list_files(dir).into_iter();
    paths
        .map(|path| {
            let bytes = fs::read(dir.join(&path)).unwrap();
            (path, bytes)
        })
        .collect()
}
