//! Reads the names in the keys of objects: hidden or not, and whether the extension is that of input.

use super::compression::InputCompression;

/// Returns the last component of a key. The key of a folder ends in `/`.
pub(super) fn file_name(key: &str) -> &str {
    let key = key.strip_suffix('/').unwrap_or(key);
    key.rsplit_once('/').map_or(key, |(_, name)| name)
}

/// Returns true if the last component of a key is hidden and begins at byte `from` or later.
pub(super) fn has_hidden_file_name(key: &str, from: usize) -> bool {
    let name = file_name(key);
    let end = key.strip_suffix('/').unwrap_or(key).len();
    end - name.len() >= from && is_hidden(name)
}

/// Returns the first hidden folder in the path of a key, from byte `from` on.
pub(super) fn first_hidden_folder(key: &str, from: usize) -> Option<&str> {
    let mut start = from;
    // A faulty server can list a key that is not below the prefix, and is shorter.
    while let Some(length) = key.get(start..)?.find('/') {
        let end = start + length;
        if is_hidden(&key[start..end]) {
            return Some(&key[..end]);
        }
        start = end + 1;
    }
    None
}

/// Returns true if a name begins with `.` or `_`. Such files and folders belong to tools.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// Returns true if an object is input by the extension of its name, in upper or lower case.
pub(super) fn has_input_extension(name: &str) -> bool {
    let has_suffix = |name: &str, suffix: &str| {
        let at = name.len().checked_sub(suffix.len());
        let end = at.and_then(|at| name.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    let compression_extension = InputCompression::EXTENSIONS
        .iter()
        .find(|(e, _)| has_suffix(name, e));
    let stem_len = name.len() - compression_extension.map_or(0, |(extension, _)| extension.len());
    let stem = &name[..stem_len];
    [".json", ".jsonl", ".ndjson", ".ldjson"]
        .iter()
        .any(|extension| has_suffix(stem, extension))
}
