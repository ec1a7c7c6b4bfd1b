//! Describes an object to read: where it is, and how its bytes are to be read.

use super::compression::InputCompression;
use crate::decode::sniff::RecordLayout;
use crate::storage::{ObjectMeta, ObjectRange};

/// One object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputObject {
    /// The key in the store, the size and the version.
    pub meta: ObjectMeta,
    /// The index of its location among the locations of the input.
    pub location_index: u32,
    /// Its compression, if any: the one that its name suggests until the object is sniffed.
    pub compression: Option<InputCompression>,
    /// The layout of its records; the default until the object is sniffed.
    pub layout: RecordLayout,
    /// Whether its format was detected from its first bytes. If not, the first reader detects it.
    pub is_sniffed: bool,
}

impl InputObject {
    /// Returns true if the object can be read from the middle: it is neither compressed nor of another format.
    pub(crate) fn is_splittable(&self) -> bool {
        self.compression.is_none() && !matches!(self.layout, RecordLayout::NotJson(_))
    }

    /// Returns the range to read: `from..until`, or the complete object if it is compressed.
    pub(crate) fn range(&self, from: u64, until: u64) -> ObjectRange {
        let (from, until) = match self.compression {
            Some(_) => (0, u64::MAX),
            None => (from, until),
        };
        ObjectRange {
            object: self.meta.clone(),
            start: from,
            expected_end: until,
        }
    }
}
