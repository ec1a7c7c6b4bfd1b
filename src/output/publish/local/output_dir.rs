//! Checks whether a run can replace an output folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::own_files::{first_unknown_file, is_report_file, sign_of_runs};
use crate::error::{Error, Result};
use crate::output::layout::{REPORT_FILE, SiblingDir};
use crate::storage::resolve_existing_prefix;

/// An output location that passed all checks.
#[derive(Debug)]
pub(in crate::output) struct CheckedOutputDir {
    /// The output folder.
    pub target: PathBuf,
    /// The staging folder.
    pub staging: PathBuf,
}

impl CheckedOutputDir {
    /// Checks that `out` can be replaced: it is absent, empty or an earlier dataset, and contains none of
    /// `inputs`.
    ///
    /// # Errors
    /// Returns an error if `out` contains anything else, or if a folder cannot be exchanged with it later.
    pub(in crate::output) fn check(out: &Path, inputs: &[&Path]) -> Result<Self> {
        let target = resolve_target(out)?;
        ensure_replaceable(out, &target)?;
        for input in inputs {
            let failed = SiblingDir::Failed.path_beside(&target);
            // A successful run removes what failed runs kept.
            let would_be_removed =
                |input: PathBuf| input.starts_with(&target) || input.starts_with(&failed);
            if fs::canonicalize(input).is_ok_and(would_be_removed) {
                let input = input.display();
                return Err(Error::usage(format!("cannot write to {}", out.display()))
                    .with_reason(format!(
                        "the run would replace or remove its own input {input}"
                    ))
                    .with_hint("choose another --out, or copy the input elsewhere"));
            }
        }
        let staging = staging_path(&target)?;
        ensure_not_mount_point(out, &target)?;
        Ok(Self { target, staging })
    }
}

/// Resolves symbolic links in `out`, so that a link to a folder remains a link.
pub(super) fn resolve_target(out: &Path) -> Result<PathBuf> {
    let resolve_error = |e: io::Error| Error::io("cannot write to", out, e);
    match fs::canonicalize(out) {
        Ok(path) => Ok(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let original = out;
            let out = std::path::absolute(out).map_err(resolve_error)?;
            if fs::symlink_metadata(&out).is_ok() {
                return Err(
                    Error::failed(format!("cannot write to {}", original.display()))
                        .with_reason("it is a dangling symbolic link"),
                );
            }
            let (Some(parent), Some(name)) = (out.parent(), out.file_name()) else {
                return Err(resolve_error(e));
            };
            Ok(resolve_existing_prefix(parent)
                .map_err(resolve_error)?
                .join(name))
        }
        Err(e) => Err(resolve_error(e)),
    }
}

/// Returns the staging folder for an output folder.
pub(super) fn staging_path(target: &Path) -> Result<PathBuf> {
    let write_error = || Error::usage(format!("cannot write to {}", target.display()));
    let name = target.file_name();
    if name.is_some_and(|name| SiblingDir::Staging.has_suffix(name)) {
        return Err(write_error().with_reason(format!(
            "names that end in {} are reserved for staging folders",
            SiblingDir::Staging.suffix()
        )));
    }
    let current_dir = std::env::current_dir().and_then(fs::canonicalize);
    if name.is_none() || current_dir.is_ok_and(|current| current.starts_with(target)) {
        return Err(write_error()
            .with_reason("a run replaces the whole folder, and this one is or contains the current directory")
            .with_hint("choose a folder below it"));
    }
    Ok(SiblingDir::Staging.path_beside(target))
}

/// Checks that `target` is on the same file system as its parent. Otherwise it cannot be exchanged with the
/// staging folder, which should not come out only at the end of a long run.
fn ensure_not_mount_point(out: &Path, target: &Path) -> Result<()> {
    let device = |path: &Path| rustix::fs::stat(path).ok().map(|stat| stat.st_dev);
    let (Some(target_device), Some(parent_device)) =
        (device(target), target.parent().and_then(device))
    else {
        return Ok(());
    };
    if target_device == parent_device && !is_mount_root(target) {
        return Ok(());
    }
    Err(Error::failed(format!("cannot write to {}", out.display()))
        .with_reason("it is a mount point, and a run replaces the whole folder")
        .with_hint("choose a folder below it"))
}

/// Returns true if a file system is mounted at a path, including a bind mount of a folder on the same one.
#[cfg(target_os = "linux")]
fn is_mount_root(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let status = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS);
    status.is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Returns false, because this system does not report mount points. The exchange fails on one.
#[cfg(not(target_os = "linux"))]
fn is_mount_root(_: &Path) -> bool {
    false
}

/// Checks that `target` is absent, empty or an earlier dataset.
pub(super) fn ensure_replaceable(out: &Path, target: &Path) -> Result<()> {
    let read_error = |e: io::Error| Error::io("cannot write to", out, e);
    let mut entries = match fs::read_dir(target) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(read_error)?,
    };
    if entries.next().is_none() {
        return Ok(());
    }
    if let Some(name) = sign_of_runs(target).map_err(read_error)? {
        let name = name.display();
        return Err(Error::failed(format!("will not replace {}", out.display()))
            .with_reason(format!(
                "it contains {name}: runs with a warehouse keep their datasets there side by side"
            ))
            .with_hint("choose another --out, or name the warehouse"));
    }
    if let Some(unknown) = first_unknown_file(target).map_err(read_error)? {
        let unknown = unknown.display();
        return Err(not_replaceable_error(out).with_reason(format!(
            "it contains {unknown}, which sparkify did not write"
        )));
    }
    if !is_report_file(&target.join(REPORT_FILE)) {
        return Err(not_replaceable_error(out)
            .with_reason(format!("it is not empty and has no valid {REPORT_FILE}")));
    }
    Ok(())
}

fn not_replaceable_error(out: &Path) -> Error {
    Error::failed(format!("will not replace {}", out.display()))
        .with_hint("choose a new or empty folder, or the output of an earlier run")
}
