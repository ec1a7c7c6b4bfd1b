//! Peak memory: the most that the process held, as the system counts it.

use std::fs;

/// The most memory that the process held since it started or since [`forget_peak`], in bytes, where
/// the system tells.
pub(super) fn peak_rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Lets the peak begin anew at what the process holds now. Gives whether the system can do that.
pub(super) fn reset_peak_rss() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}
