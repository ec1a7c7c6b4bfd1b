//! Tells the files of sparkify from others, which no run replaces or removes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::output::latest::LatestPointer;
use crate::output::layout::{LATEST_FILE, RunObject};
use crate::output::run_id::RunId;
use crate::storage::is_temporary_file;

/// Checks that a staging folder contains only files that sparkify writes.
pub(super) fn ensure_only_own_files(path: &Path) -> Result<()> {
    let unknown = first_unknown_file(path).map_err(|e| Error::io("cannot list", path, e))?;
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let unknown = unknown.display();
    Err(Error::failed(format!("will not empty {}", path.display()))
        .with_reason(format!(
            "it contains {unknown}, which sparkify did not write"
        ))
        .with_hint("move it away, or choose another --out"))
}

/// Returns the relative path of the first entry in an output or staging folder that sparkify does not write.
pub(super) fn first_unknown_file(folder: &Path) -> io::Result<Option<PathBuf>> {
    first_unknown_file_in(folder, Path::new(""))
}

/// Returns the first such entry in the subfolder `relative` of `folder`.
fn first_unknown_file_in(folder: &Path, relative: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder.join(relative))? {
        let entry = entry?;
        let path = relative.join(entry.file_name());
        let kind = entry.file_type()?;
        let unknown = if kind.is_dir() && RunObject::is_folder(&path) {
            first_unknown_file_in(folder, &path)?
        } else if kind.is_file() && is_own_file(&path) {
            None
        } else {
            Some(path)
        };
        if unknown.is_some() {
            return Ok(unknown);
        }
    }
    Ok(None)
}

/// Returns true if a run writes a file with this relative path, or leaves it when it is killed.
fn is_own_file(path: &Path) -> bool {
    let is_run_object = |key: &str| key.parse::<RunObject>().is_ok();
    path.to_str().is_some_and(is_run_object) || is_temporary_file(path)
}

/// Returns true if a file is the report of a run, in any version.
pub(super) fn is_report_file(path: &Path) -> bool {
    let Ok(json) = fs::read(path) else {
        return false;
    };
    let report: Option<serde_json::Value> = serde_json::from_slice(&json).ok();
    report.is_some_and(|r| r["report_version"].is_u64() && r["sparkify_version"].is_string())
}

/// Returns the name of something in a folder that shows that it keeps runs side by side.
pub(super) fn sign_of_runs(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_run = entry.file_type()?.is_dir()
            && name
                .to_str()
                .is_some_and(|name| name.parse::<RunId>().is_ok());
        let is_latest = name == LATEST_FILE
            && fs::read(entry.path()).is_ok_and(|json| LatestPointer::parse(&json).is_ok());
        if is_run || is_latest {
            return Ok(Some(name.into()));
        }
    }
    Ok(None)
}
