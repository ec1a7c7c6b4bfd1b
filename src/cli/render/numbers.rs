//! Formats counts and sizes.

use indicatif::{DecimalBytes, HumanCount};

/// Formats a count with commas.
pub(crate) fn format_count(n: u64) -> String {
    HumanCount(n).to_string()
}

/// Formats a size in decimal units: kB, MB, GB.
pub(crate) fn format_bytes(n: u64) -> String {
    DecimalBytes(n).to_string()
}

/// Returns a count with its noun, in the plural unless the count is 1.
pub(crate) fn pluralize(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", format_count(n as u64))
}
