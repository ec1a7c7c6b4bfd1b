//! Lists the keys that the model does not know.

use std::collections::HashSet;

use super::framing::ScanItem;
use super::value::RecordMembers;

/// Returns the keys of an object that are neither in `known` nor in `seen`, each with the line of its first
/// occurrence, from 1, and adds them to `seen`. Only records that are well-formed and UTF-8 count.
pub fn list_unknown_keys(
    bytes: &[u8],
    items: &[ScanItem],
    known: &[&str],
    seen: &mut HashSet<String>,
) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for item in items {
        let ScanItem::Record(range) = item else {
            continue;
        };
        let Ok(record) = std::str::from_utf8(&bytes[range.clone()]) else {
            continue;
        };
        for (key, offset) in RecordMembers::parse(record).unknown_keys(record, known) {
            if seen.insert(key.clone()) {
                let before = &bytes[..range.start + offset];
                let newlines = before.iter().filter(|&&b| b == b'\n').count();
                found.push((key, newlines as u64 + 1));
            }
        }
    }
    found
}
