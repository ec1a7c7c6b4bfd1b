//! The local store: a folder, or one file.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::{Entry, Level, Store};
use crate::error::{Error, Result};

/// Links below links that are followed before a folder counts as a loop.
const MAX_DEPTH: usize = 64;

/// A folder, or one file.
#[derive(Debug)]
pub struct Local {
    root: PathBuf,
    /// The name of the only object, where the place is a file.
    file: Option<String>,
}

impl Local {
    /// The store for a path, which must exist.
    ///
    /// # Errors
    /// The path does not exist or may not be looked at.
    pub fn new(path: &Path) -> Result<Self> {
        let found = fs::metadata(path).map_err(|e| Error::io("cannot read", path, &e))?;
        if found.is_dir() {
            return Ok(Self {
                root: path.to_owned(),
                file: None,
            });
        }
        if !found.is_file() {
            return Err(not_a_file(path));
        }
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| not_utf8(path))?;
        let root = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self {
            root,
            file: Some(name.to_owned()),
        })
    }
}

fn not_a_file(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .because("it is neither a file nor a folder")
}

fn not_utf8(path: &Path) -> Error {
    Error::failed(format!("cannot read {}", path.display()))
        .because("its name is not UTF-8")
        .hint("rename it")
}

impl Store for Local {
    fn list(&self, prefix: &str) -> Result<Level> {
        let mut level = Level::default();
        if let Some(name) = &self.file {
            let path = self.root.join(name);
            let found = fs::metadata(&path).map_err(|e| Error::io("cannot read", &path, &e))?;
            level.objects.push(Entry {
                key: name.clone(),
                size: found.len(),
            });
            return Ok(level);
        }
        let folder = self.root.join(prefix);
        if prefix.matches('/').count() > MAX_DEPTH {
            return Err(Error::failed(format!("cannot list {}", folder.display()))
                .because("folders are nested more than 64 deep: a link probably leads back up"));
        }
        let cannot = |e: std::io::Error| Error::io("cannot list", &folder, &e);
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                let name = entry.file_name().to_string_lossy().into_owned();
                let end = if entry.path().is_dir() { "/" } else { "" };
                let key = format!("{prefix}{name}{end}");
                level.unreadable.push((key, not_utf8(&entry.path())));
                continue;
            };
            let key = format!("{prefix}{name}");
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
                level.prefixes.push(key + "/");
                continue;
            }
            let found = match kind {
                // By the open folder: the path need not be walked again for each of a million files.
                Ok(kind) if kind.is_file() => entry.metadata(),
                // Follows links, as a reader of the folder would.
                _ => fs::metadata(entry.path()),
            };
            match found {
                Ok(found) if found.is_dir() => level.prefixes.push(key + "/"),
                Ok(found) if found.is_file() => {
                    level.objects.push(Entry {
                        key,
                        size: found.len(),
                    });
                }
                Ok(_) => level.unreadable.push((key, not_a_file(&entry.path()))),
                Err(e) => {
                    // A link to nothing is no folder. One that leads round in a circle, or to where
                    // we may not look, can be one.
                    let nothing = e.kind() == std::io::ErrorKind::NotFound;
                    let key = key + if nothing { "" } else { "/" };
                    let why = Error::io("cannot read", &entry.path(), &e);
                    level.unreadable.push((key, why));
                }
            }
        }
        Ok(level)
    }

    fn open(&self, key: &str, from: u64) -> Result<Box<dyn Read>> {
        let path = self.root.join(key);
        let cannot = |e| Error::io("cannot read", &path, &e);
        let mut file = File::open(&path).map_err(cannot)?;
        if from > 0 {
            file.seek(SeekFrom::Start(from)).map_err(cannot)?;
        }
        Ok(Box::new(file))
    }

    fn display(&self, key: &str) -> String {
        self.root.join(key).display().to_string()
    }
}
