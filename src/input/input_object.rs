//! Describes an object to read: where it is, and how its bytes are to be read.

use std::sync::Arc;

use super::compression::InputCompression;
use super::record_kind::RecordKind;
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
    /// The position of the record.
    pub position: RejectPosition,
    /// The index of the reject file among those of its kind.
    pub file: usize,
    /// The layout of the text, or `None` if the decoder detects it from the first bytes, as in an object.
    pub layout: Option<RecordLayout>,
}

/// The position of a rejected record, as in a line of a reject file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct RejectPosition {
    /// The kind of the record.
    pub kind: RecordKind,
    /// The path or URL of the object.
    pub object: Arc<str>,
    /// The line of the object on which the record begins, from 1.
    pub line: u64,
    /// The offset of the record in the decompressed object, in bytes.
    pub offset: u64,
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
        reason = "a default would lose the position of a reject"
    )]
    pub(crate) fn reject_origin(&self) -> &RejectOrigin {
        self.rejected_at
            .as_ref()
            .expect("each object of a replay is the text of a reject")
    }

    /// Returns the layout for a segment that begins at this offset, or `None` if the decoder has to detect it from
    /// the first bytes of the object.
    pub(crate) fn known_layout(&self, segment_start: u64) -> Option<RecordLayout> {
        match &self.rejected_at {
            Some(origin) => origin.layout,
            None => (segment_start > 0).then_some(self.layout),
        }
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
