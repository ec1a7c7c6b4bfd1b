//! The files of a directory and its subdirectories.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The bytes of files, by their paths in a directory, with `/` between components.
pub type FilesByPath = BTreeMap<String, Vec<u8>>;

/// Returns the paths of all files. Files that are removed meanwhile may be left out.
pub fn list_files(dir: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
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

/// Reads all files, none of which may be removed meanwhile.
pub fn read_files(dir: &Path) -> FilesByPath {
    let paths = list_files(dir).into_iter();
    paths
        .map(|path| {
            let bytes = fs::read(dir.join(&path)).unwrap();
            (path, bytes)
        })
        .collect()
}
