//! Renders the bars at the ends of table rows, as plain text.

/// The last character of a bar, by its length in eighths.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Returns a bar that has `width` characters if `share` is 1.
pub(crate) fn bar(share: f64, width: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let last = EIGHTHS[eighths % 8];
    "█".repeat(eighths / 8) + last
}
