//! Checks the room on the disks.

use std::env;
use std::path::{Path, PathBuf};

use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use crate::error::{Error, Result};

/// The least room for reports, rejects and the spooled files of a small run.
const MIN_FREE_BYTES: u64 = 100_000_000;

/// The output of generated input takes 11 % of its uncompressed JSON.
const LEAST_OUTPUT_SHARE: u64 = 10;

/// The folders whose disks must have room.
#[derive(Debug)]
pub(crate) struct DiskNeeds<'a> {
    /// The output, if it is a folder: the parts are kept there.
    pub out: Option<&'a Path>,
    /// The size of the input in bytes, as far as it is known.
    pub input_bytes: Option<u64>,
}

/// Checks the room for the output and for temporary files.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_disk(checkup: &mut Checkup<'_>, needs: &DiskNeeds<'_>) -> Result<()> {
    checkup.check(CheckId::Disk, &[], || {
        let temporary = env::temp_dir();
        // A folder that does not exist, or cannot be written, fails what spools into it.
        tempfile::tempfile_in(&temporary).map_err(|e| {
            Error::io("cannot write to", &temporary, e)
                .or_hint("set TMPDIR to a folder that can be written")
        })?;
        let mut folders = vec![(temporary, MIN_FREE_BYTES, None)];
        if let Some(out) = needs.out {
            let out = std::path::absolute(out).map_err(|e| Error::io("cannot find", out, e))?;
            let least = needs.input_bytes.unwrap_or_default() / LEAST_OUTPUT_SHARE;
            let least = least.max(MIN_FREE_BYTES);
            folders.push((existing_ancestor(&out), least, needs.input_bytes));
        }
        let mut room = Vec::new();
        for (folder, least, usual) in folders {
            let free = free_bytes(&folder)?;
            let found = format!("{} free in {}", describe_bytes(free), folder.display());
            if free < least {
                return Ok(Outcome::failed(
                    format!("{found}, at least {} are needed", describe_bytes(least)),
                    "free some space, or choose a folder on another disk",
                ));
            }
            if let Some(usual) = usual.filter(|&usual| free < usual) {
                return Ok(Outcome::warning(
                    format!("{found}, less than the input of {}", describe_bytes(usual)),
                    "if the input is compressed, the output can be larger: free some space",
                ));
            }
            room.push(found);
        }
        Ok(Outcome::ok(room.join(", ")))
    })?;
    Ok(())
}

fn free_bytes(folder: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(folder)
        .map_err(|e| Error::io("cannot examine the disk of", folder, e.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Returns the folder itself, or the closest one above it that exists.
pub(super) fn existing_ancestor(folder: &Path) -> PathBuf {
    let mut ancestors = folder.ancestors();
    let existing = ancestors.find(|ancestor| ancestor.exists());
    existing.unwrap_or(folder).to_owned()
}

/// Describes a number of bytes in decimal units.
pub(super) fn describe_bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|&(size, _)| bytes >= size) {
        Some((size, unit)) => {
            let tenths = bytes / (size / 10);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_units() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_950_000, "1.9 MB"),
            (12_340_000_000, "12.3 GB"),
        ] {
            assert_eq!(describe_bytes(bytes), expected);
        }
    }
}
