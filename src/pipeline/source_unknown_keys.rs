//! Merges the unknown keys of all splits of a source, which are confirmed in any order.

use std::collections::HashMap;

use super::boundary_tracker::ConfirmedSplit;
use super::input_source::InputSource;
use super::split_stats::SegmentKey;
use crate::decode::unknown_keys::MAX_UNKNOWN_KEYS;
use crate::input::SplitNumber;
use crate::output::run_report::UnknownKeyReport;

/// The first unknown keys of a source, in input order.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceUnknownKeys {
    keys: HashMap<String, FirstOccurrence>,
    has_more: bool,
}

/// The first occurrence of a key in the splits that are confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FirstOccurrence {
    split: SplitNumber,
    /// The index of the key among those of the split, which are in input order.
    index: usize,
    /// The index of the object.
    object: usize,
    /// The line in the object, from 1.
    line: u64,
}

impl SourceUnknownKeys {
    /// Adds the keys of a confirmed split. At most [`MAX_UNKNOWN_KEYS`] remain. A split lists its first keys, so a
    /// key that it does not list is not among the first of the source either.
    pub(super) fn add_split(&mut self, confirmed: &ConfirmedSplit<'_>) {
        let ConfirmedSplit { split, stats, .. } = confirmed;
        self.has_more |= stats.has_more_unknown_keys;
        for (index, SegmentKey { segment, key }) in stats.unknown_keys.iter().enumerate() {
            let found = FirstOccurrence {
                split: split.number,
                index,
                object: split.segments[*segment].object,
                line: confirmed.newlines_before(*segment) + key.line + 1,
            };
            match self.keys.get_mut(&key.key) {
                Some(first) => *first = found.min(*first),
                None => {
                    self.keys.insert(key.key.clone(), found);
                }
            }
        }
        if self.keys.len() > MAX_UNKNOWN_KEYS {
            self.has_more = true;
            let mut all: Vec<_> = self.keys.drain().collect();
            all.sort_unstable_by_key(|&(_, first)| first);
            all.truncate(MAX_UNKNOWN_KEYS);
            self.keys.extend(all);
        }
    }

    /// Returns the keys in input order.
    pub(super) fn report(&self, source: &InputSource) -> Vec<UnknownKeyReport> {
        let mut all: Vec<_> = self.keys.iter().collect();
        all.sort_unstable_by_key(|&(_, first)| first);
        let report = |(key, first): (&String, &FirstOccurrence)| UnknownKeyReport {
            key: key.clone(),
            object: source.display(&source.objects[first.object]),
            line: first.line,
        };
        all.into_iter().map(report).collect()
    }

    /// Returns true if there are more keys than in the report.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }
}
