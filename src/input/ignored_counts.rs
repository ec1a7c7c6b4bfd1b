//! Counts the ignored objects by file extension.

use std::collections::BTreeMap;

use indicatif::HumanCount;

use super::object_key::{file_name, is_hidden};

/// The maximum number of extensions with a count of their own. If there are more, the first in byte order
/// are kept, so that the counts do not depend on the order of a listing.
const MAX_EXTENSIONS: usize = 1000;

/// The maximum length of an extension, in bytes including the dot.
const MAX_EXTENSION_BYTES: usize = 16;

/// The maximum number of extensions in a report.
const MAX_REPORTED_EXTENSIONS: usize = 50;

/// The label of names without an extension.
pub(super) const NO_EXTENSION: &str = "no extension";
/// The label of names that begin with `.` or `_`.
pub(super) const HIDDEN: &str = "hidden";
/// The label of all extensions without a count of their own.
pub(super) const OTHER_EXTENSIONS: &str = "other extensions";

/// Counts of ignored objects.
#[derive(Debug, Default)]
pub(crate) struct IgnoredCounts {
    objects: u64,
    hidden: u64,
    no_extension: u64,
    extensions: BTreeMap<String, u64>,
    /// The number of objects whose extension has no count of its own.
    other_extensions: u64,
}

impl IgnoredCounts {
    /// Counts an object, or a hidden folder, by its key.
    pub(crate) fn count(&mut self, key: &str) {
        self.objects += 1;
        let name = file_name(key);
        if is_hidden(name) {
            self.hidden += 1;
            return;
        }
        let Some(extension) = extension(name) else {
            self.no_extension += 1;
            return;
        };
        // Upper and lower case are the same extension, as they are for input.
        *self.extensions.entry(extension.to_lowercase()).or_default() += 1;
        if self.extensions.len() > MAX_EXTENSIONS
            && let Some((_, count)) = self.extensions.pop_last()
        {
            self.other_extensions += count;
        }
    }

    /// Returns the number of counted objects.
    pub(crate) fn objects(&self) -> u64 {
        self.objects
    }

    /// Returns the counts by extension, for a limited number of the most frequent extensions.
    pub(crate) fn by_extension(&self) -> BTreeMap<String, u64> {
        let mut extensions: Vec<_> = self.extensions.iter().collect();
        extensions.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        let (shown, rest) = extensions.split_at(extensions.len().min(MAX_REPORTED_EXTENSIONS));
        let others = self.other_extensions + rest.iter().map(|&(_, count)| count).sum::<u64>();
        let mut all: BTreeMap<_, _> = shown.iter().map(|&(e, &n)| (e.clone(), n)).collect();
        for (name, count) in [
            (NO_EXTENSION, self.no_extension),
            (HIDDEN, self.hidden),
            (OTHER_EXTENSIONS, others),
        ] {
            if count > 0 {
                all.insert(name.to_owned(), count);
            }
        }
        all
    }
}

/// Formats counts by extension: at most `max_shown` extensions, the most frequent first, and then the
/// names without an extension, the hidden names and all others.
pub(crate) fn describe_ignored(extensions: &BTreeMap<String, u64>, max_shown: usize) -> String {
    let format_count = |name: &str, count: u64| format!("{name} {}", HumanCount(count));
    let mut with_extension: Vec<_> = extensions
        .iter()
        .filter(|(extension, _)| extension.starts_with('.'))
        .collect();
    with_extension.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
    let (shown, rest) = with_extension.split_at(with_extension.len().min(max_shown));
    // Only a report with many extensions has this label.
    let unnamed = extensions.get(OTHER_EXTENSIONS).copied().unwrap_or(0);
    let others = unnamed + rest.iter().map(|&(_, count)| count).sum::<u64>();
    let special = [NO_EXTENSION, HIDDEN]
        .map(|name| (name, extensions.get(name).copied()))
        .into_iter()
        .chain([(OTHER_EXTENSIONS, Some(others))]);
    shown
        .iter()
        .map(|&(extension, &count)| format_count(extension, count))
        .chain(special.filter_map(|(name, count)| {
            let count = count.filter(|&count| count > 0)?;
            Some(format_count(name, count))
        }))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns the extension of a name, including the dot, if it has one: `10.0.0.1 at noon` has none.
fn extension(name: &str) -> Option<&str> {
    let (_, after) = name.rsplit_once('.')?;
    let is_extension_char = |c: char| c.is_alphanumeric() || "-_~".contains(c);
    let is_extension = !after.is_empty()
        && after.len() < MAX_EXTENSION_BYTES
        && after.chars().all(is_extension_char);
    is_extension.then(|| &name[name.len() - after.len() - 1..])
}
