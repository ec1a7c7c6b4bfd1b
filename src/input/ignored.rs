//! What is ignored, counted by the endings of names.

use std::collections::BTreeMap;

use indicatif::HumanCount;

use super::{is_hidden, last_part};

/// The most endings that are told apart. Beyond that the first in byte order are, so that the order of a
/// listing does not matter.
const MAX_ENDINGS: usize = 1000;

/// The longest ending, in bytes with its dot.
const MAX_ENDING: usize = 16;

/// The most endings in a report.
const MAX_REPORTED: usize = 50;

/// What a report calls names without an ending.
pub const NO_ENDING: &str = "no ending";
/// What a report calls names that begin with `.` or `_`.
pub const HIDDEN: &str = "hidden";
/// What a report calls the endings that are not told apart.
pub const OTHER: &str = "other endings";

/// Counts of ignored objects.
#[derive(Debug, Default)]
pub struct IgnoredCounts {
    objects: u64,
    hidden: u64,
    without: u64,
    endings: BTreeMap<String, u64>,
    /// Those whose endings are not told apart.
    others: u64,
}

impl IgnoredCounts {
    /// Counts an object, or a hidden folder, by its key.
    pub fn count(&mut self, key: &str) {
        self.objects += 1;
        let name = last_part(key);
        if is_hidden(name) {
            self.hidden += 1;
            return;
        }
        let Some(ending) = ending(name) else {
            self.without += 1;
            return;
        };
        // Upper and lower case are one ending, as they are for input.
        *self.endings.entry(ending.to_lowercase()).or_default() += 1;
        if self.endings.len() > MAX_ENDINGS
            && let Some((_, count)) = self.endings.pop_last()
        {
            self.others += count;
        }
    }

    /// How many objects were counted.
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// The counts by ending, the most frequent endings up to a bound.
    pub fn by_ending(&self) -> BTreeMap<String, u64> {
        let mut endings: Vec<_> = self.endings.iter().collect();
        endings.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        let (shown, rest) = endings.split_at(endings.len().min(MAX_REPORTED));
        let others = self.others + rest.iter().map(|&(_, count)| count).sum::<u64>();
        let mut all: BTreeMap<_, _> = shown.iter().map(|&(e, &n)| (e.clone(), n)).collect();
        for (name, count) in [
            (NO_ENDING, self.without),
            (HIDDEN, self.hidden),
            (OTHER, others),
        ] {
            if count > 0 {
                all.insert(name.to_owned(), count);
            }
        }
        all
    }
}

/// Counts by ending in words: the most frequent first, at most `most` of them, and then those that have
/// none.
pub fn describe(endings: &BTreeMap<String, u64>, most: usize) -> String {
    let words = |name: &str, count: u64| format!("{name} {}", HumanCount(count));
    let mut named: Vec<_> = endings
        .iter()
        .filter(|(ending, _)| ending.starts_with('.'))
        .collect();
    named.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
    let (shown, rest) = named.split_at(named.len().min(most));
    let others = endings.get(OTHER).copied().unwrap_or_default();
    let others = others + rest.iter().map(|&(_, count)| count).sum::<u64>();
    let special = [NO_ENDING, HIDDEN].map(|name| (name, endings.get(name).copied()));
    let special = special.into_iter().chain([(OTHER, Some(others))]);
    shown
        .iter()
        .map(|&(ending, &count)| words(ending, count))
        .chain(special.filter_map(|(name, count)| {
            let count = count.filter(|&count| count > 0)?;
            Some(words(name, count))
        }))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The ending of a name with its dot, if it has one: `10.0.0.1 at noon` has none.
fn ending(name: &str) -> Option<&str> {
    let (_, after) = name.rsplit_once('.')?;
    let is_word = |c: char| c.is_alphanumeric() || "-_~".contains(c);
    let is_ending = !after.is_empty() && after.len() < MAX_ENDING && after.chars().all(is_word);
    is_ending.then(|| name.get(name.len() - after.len() - 1..))?
}
