//! Groups the rejects of a run, with counts and an example of each group. Memory is bounded by the number of
//! groups.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::str::FromStr;

use serde::Serialize;

use super::reject_line::RejectLine;
use super::rejected_run::RejectedRun;
use crate::error::Result;
use crate::input::RecordKind;

/// The maximum number of characters of the text of an example.
const MAX_EXAMPLE_CHARS: usize = 200;

/// What rejects are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectGroupKey {
    /// The kind of the record.
    Kind,
    /// The reason.
    Reason,
    /// The key whose value is invalid.
    Key,
    /// The object.
    Object,
}

impl RejectGroupKey {
    /// Every key, in the order of the columns of a table.
    pub const ALL: [Self; 4] = [Self::Kind, Self::Reason, Self::Key, Self::Object];

    /// Returns the name on the command line and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::Reason => "reason",
            Self::Key => "key",
            Self::Object => "object",
        }
    }
}

impl FromStr for RejectGroupKey {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|key| key.name() == text);
        found.ok_or_else(|| "expected reason, key, object or kind".to_owned())
    }
}

/// The rejects of a run, grouped.
#[derive(Debug, Clone, Serialize)]
pub struct RejectsReport {
    /// The id of the run.
    pub run: String,
    /// The location of the run.
    pub location: String,
    /// Whether the run failed and published nothing.
    pub is_failed: bool,
    /// Where a later run to the same local output left its rejects, if that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later_failure: Option<String>,
    /// The counts of all rejects.
    pub total: RejectCounts,
    /// The groups: those with more rejects first, and those with as many by their values.
    pub groups: Vec<RejectGroup>,
}

/// Counts of rejects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RejectCounts {
    /// The number of rejects.
    pub rejects: u64,
    /// Bytes of the rejected records.
    pub bytes: u64,
    /// Rejects that cannot be replayed, because their text is cut or absent.
    pub not_replayable: u64,
}

impl RejectCounts {
    fn add(&mut self, line: &RejectLine<'_>) {
        self.rejects += 1;
        self.bytes = self.bytes.saturating_add(line.bytes);
        self.not_replayable += u64::from(!line.is_replayable());
    }
}

/// Rejects with the same values of the keys that they are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectGroup {
    /// The values, by the name of the key. A reason that concerns no value has no key.
    #[serde(flatten)]
    pub by: BTreeMap<&'static str, Option<String>>,
    /// The counts.
    #[serde(flatten)]
    pub counts: RejectCounts,
    /// The first reject of the group.
    pub example: RejectExample,
}

/// One reject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectExample {
    /// The kind of the record.
    pub kind: Option<RecordKind>,
    /// The path or URL of the object.
    pub object: String,
    /// The line in the object, from 1.
    pub line: u64,
    /// The offset in the decompressed object, in bytes.
    pub offset: u64,
    /// The reason.
    pub reason: String,
    /// The key whose value is invalid, if the reason concerns one value.
    pub key: Option<String>,
    /// A description of the error.
    pub detail: String,
    /// The beginning of the text. What is not UTF-8 is replaced.
    pub text: String,
}

impl RejectExample {
    fn new(line: &RejectLine<'_>) -> Self {
        let text = line.decode_text().unwrap_or_default();
        // A character has at most 4 bytes.
        let head = text.get(..4 * MAX_EXAMPLE_CHARS).unwrap_or(&text);
        let text = String::from_utf8_lossy(head);
        Self {
            kind: line.kind,
            object: line.object.clone().into_owned(),
            line: line.line,
            offset: line.offset,
            reason: line.reason.clone().into_owned(),
            key: line.key.as_deref().map(str::to_owned),
            detail: line.detail.clone().into_owned(),
            text: text.chars().take(MAX_EXAMPLE_CHARS).collect(),
        }
    }
}

/// Reads all rejects of a run and groups them.
///
/// # Errors
/// Returns an error if a reject file cannot be read.
pub(crate) fn group_rejects(run: &RejectedRun, keys: &[RejectGroupKey]) -> Result<RejectsReport> {
    let mut total = RejectCounts::default();
    let mut groups: BTreeMap<Vec<Option<String>>, (RejectCounts, RejectExample)> = BTreeMap::new();
    for file in run.files() {
        file.read_lines(|_, line| {
            total.add(&line);
            let values = keys.iter().map(|&key| value_of(&line, key)).collect();
            match groups.entry(values) {
                Entry::Occupied(mut group) => group.get_mut().0.add(&line),
                Entry::Vacant(absent) => {
                    let (counts, _) =
                        absent.insert((RejectCounts::default(), RejectExample::new(&line)));
                    counts.add(&line);
                }
            }
            Ok(())
        })?;
    }
    let names = keys.iter().map(|key| key.name());
    let group = |(values, (counts, example))| RejectGroup {
        by: names.clone().zip::<Vec<_>>(values).collect(),
        counts,
        example,
    };
    let mut groups: Vec<_> = groups.into_iter().map(group).collect();
    // The sort is stable, so that groups with the same count stay in the order of their values.
    groups.sort_by_key(|group| std::cmp::Reverse(group.counts.rejects));
    Ok(RejectsReport {
        run: run.id().to_owned(),
        location: run.location().to_string(),
        is_failed: run.is_failed(),
        later_failure: run.later_failure().map(ToString::to_string),
        total,
        groups,
    })
}

/// Returns the value of a reject that it is grouped by.
fn value_of(line: &RejectLine<'_>, key: RejectGroupKey) -> Option<String> {
    match key {
        RejectGroupKey::Kind => line.kind.map(|kind| kind.singular().to_owned()),
        RejectGroupKey::Reason => Some(line.reason.clone().into_owned()),
        RejectGroupKey::Key => line.key.as_deref().map(str::to_owned),
        RejectGroupKey::Object => Some(line.object.clone().into_owned()),
    }
}
