//! Collects the keys that the schema does not know, each where it occurs first.
//!
//! The scanner notices a key only when it does not predict it, and every predicted key was noticed before. So a
//! record that looks like the one before it costs nothing.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use super::padded_bytes::count_newlines;
use super::value;
use super::value_span::{ValueKind, ValueSpan};

/// The maximum number of unknown keys that are listed, of a split as of all input.
pub(crate) const MAX_UNKNOWN_KEYS: usize = 100;

/// The maximum length of a listed key, in bytes. The rest of a longer key is ignored.
const MAX_KEY_BYTES: usize = 256;

/// A key that the schema does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The decoded key, cut after 256 bytes. A lone surrogate is replaced by U+FFFD.
    pub key: String,
    /// The number of newlines from the start of the segment to the first occurrence of the key.
    pub line: u64,
}

/// The unknown keys of a split.
#[derive(Debug, Default)]
pub(super) struct UnknownKeys {
    /// The distinct keys so far. One more than the maximum shows that there are more.
    seen: HashSet<Box<[u8]>, FixedState>,
    /// The keys that the record that is being scanned is the first to have.
    pending: Vec<PendingKey>,
    /// The number of keys that are certain, because their record is valid.
    certain: usize,
    /// The certain keys that were not taken yet.
    new: Vec<UnknownKey>,
}

/// A key of a record that may turn out not to be valid.
#[derive(Debug)]
struct PendingKey {
    key: Box<[u8]>,
    /// The position of the key in the scanned bytes.
    start: usize,
}

impl UnknownKeys {
    /// Forgets all keys.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notices an unknown key of the record that is being scanned.
    pub(super) fn notice(&mut self, bytes: &[u8], span: ValueSpan) {
        if self.seen.len() > MAX_UNKNOWN_KEYS {
            return;
        }
        let raw = &bytes[span.start..span.end];
        let mut decoded = Vec::new();
        let key = match span.kind {
            ValueKind::EscapedString => {
                value::unescape_lossy(raw, &mut decoded);
                cut_key(&decoded)
            }
            _ => cut_key(raw),
        };
        if !self.seen.contains(key) {
            self.seen.insert(key.into());
            self.pending.push(PendingKey {
                key: key.into(),
                start: span.start,
            });
        }
    }

    /// Returns true if the record that was scanned last is the first to have a key.
    #[inline(always)]
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Keeps the pending keys: their record, which begins at `record_start`, is valid. `line` is the number of
    /// newlines from the start of the segment to the record.
    pub(super) fn keep_pending(&mut self, bytes: &[u8], record_start: usize, line: u64) {
        let (mut line, mut counted) = (line, record_start);
        for PendingKey { key, start } in self.pending.drain(..) {
            line += count_newlines(&bytes[counted..start]);
            counted = start;
            if self.certain < MAX_UNKNOWN_KEYS {
                let key = String::from_utf8_lossy(&key).into_owned();
                self.new.push(UnknownKey { key, line });
            }
            self.certain += 1;
        }
    }

    /// Forgets the pending keys: their record is not valid, or not complete yet.
    pub(super) fn discard_pending(&mut self) {
        for pending in self.pending.drain(..) {
            self.seen.remove(&pending.key);
        }
    }

    /// Takes the keys that have become certain, in the order of their first occurrences.
    pub(super) fn take(&mut self) -> Vec<UnknownKey> {
        std::mem::take(&mut self.new)
    }

    /// Returns true if there are more keys than can be listed.
    pub(super) fn has_more(&self) -> bool {
        self.certain > MAX_UNKNOWN_KEYS
    }
}

/// Returns the first characters of a key. A key that is not UTF-8 is discarded with its record later.
fn cut_key(key: &[u8]) -> &[u8] {
    let is_continuation = |at: usize| key[at] & 0xC0 == 0x80;
    let mut end = MAX_KEY_BYTES;
    if key.len() <= end {
        return key;
    }
    while end > 0 && is_continuation(end) {
        end -= 1;
    }
    &key[..end]
}
