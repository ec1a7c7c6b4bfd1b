//! Tells the versions of this program and of the machine.

use std::fs;

use super::check::Outcome;
use super::check_id::CheckId;
use super::checkup::Checkup;
use crate::config::available_cores;
use crate::decode::instruction_set;
use crate::error::Result;

/// Tells the versions, which a report of a problem should have.
///
/// # Errors
/// Returns an error if the checkup is to stop.
pub(crate) fn check_versions(checkup: &mut Checkup<'_>) -> Result<()> {
    checkup.check(CheckId::Versions, &[], || {
        let version = env!("CARGO_PKG_VERSION");
        let target = env!("SPARKIFY_BUILD_TARGET");
        let cloud = match cfg!(feature = "cloud") {
            true => "with the feature cloud",
            false => "without the feature cloud",
        };
        let release = fs::read_to_string("/proc/sys/kernel/osrelease");
        let release = release.map_or_else(
            |_| String::new(),
            |text| format!(", kernel {}", text.trim()),
        );
        let (cores, decoder) = (available_cores(), instruction_set());
        Ok(Outcome::ok(format!(
            "sparkify {version} for {target} {cloud}; cores: {cores}, decoder: {decoder}{release}"
        )))
    })?;
    Ok(())
}
