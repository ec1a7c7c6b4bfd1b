//! Describes an object to read: where it is, and how its bytes are to be read.

use std::sync::Arc;

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
    /// Where an earlier run rejected the text of this object, if it is the text of a reject.
    pub rejected_at: Option<Box<RejectOrigin>>,
}

/// Where an earlier run rejected a record, which a replay tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RejectOrigin {
    /// The path or URL of the object.
    pub object: Arc<str>,
    /// The number of newlines in the object before the record.
    pub line: u64,
    /// The offset of the record in the decompressed object, in bytes.
    pub offset: u64,
    /// The index of the reject file among those of its kind.
    pub file: usize,
    /// Whether the text is read as it was in its object, where its first bytes did not tell a format. The text
    /// that a person edited is read as an object of its own.
    pub is_fragment: bool,
}

impl InputObject {
    /// Returns true if the object can be read from the middle: it is neither compressed nor of another format, nor
    /// the text of one reject.
    pub(crate) fn is_splittable(&self) -> bool {
        self.compression.is_none()
            && !matches!(self.layout, RecordLayout::NotJson(_))
            && self.rejected_at.is_none()
    }

    /// Returns where the text of this object was rejected first.
    ///
    /// # Panics
    /// Panics if the object is not the text of a reject.
    #[expect(
        clippy::expect_used,
        reason = "a default would lose the place of a reject"
    )]
    pub(crate) fn reject_origin(&self) -> &RejectOrigin {
        self.rejected_at
            .as_ref()
            .expect("each object of a replay is the text of a reject")
    }

    /// Returns the layout for a segment that begins at this offset, or `None` if the decoder has to detect it from
    /// the first bytes of the object.
    pub(crate) fn known_layout(&self, segment_start: u64) -> Option<RecordLayout> {
        let is_fragment = self.rejected_at.as_ref().is_some_and(|at| at.is_fragment);
        (segment_start > 0 || is_fragment).then_some(self.layout)
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
