//! Reads and resets the peak resident set size of the process.

use std::fs;

/// Returns the peak resident set size in bytes, since the start of the process or the last [`reset_peak_rss`].
/// Returns `None` if the system does not report it.
pub(super) fn peak_rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Resets the peak to the current resident set size. Returns true if the system supports this.
pub(super) fn reset_peak_rss() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}
