//! Guesses: what probably stands between two values of a record, learned from the record before.

use super::bytes::block_at;

/// The longest stretch between two values that is predicted, in bytes.
const MAX_PREDICTED_BYTES: usize = 32;

/// What probably stands between two values, and which slot the value behind it goes to.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPrediction {
    expected: [u8; MAX_PREDICTED_BYTES],
    mask: [u8; MAX_PREDICTED_BYTES],
    /// Its length in bytes.
    pub len: usize,
    /// The stops in it.
    pub structurals: usize,
    /// What comes behind it.
    pub next: NextToken,
    /// The white space other than plain spaces in it, in bytes.
    pub control_whitespace: usize,
}

/// What comes behind a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextToken {
    /// A value for the slot of this index.
    Value(usize),
    /// The end of the record.
    RecordEnd,
}

impl KeyPrediction {
    /// The guess that `text` will stand there again; nothing if that is too long.
    pub(super) fn new(
        text: &[u8],
        structurals: usize,
        next: NextToken,
        control_whitespace: usize,
    ) -> Option<Self> {
        let mut prediction = Self {
            expected: [0; MAX_PREDICTED_BYTES],
            mask: [0; MAX_PREDICTED_BYTES],
            len: text.len(),
            structurals,
            next,
            control_whitespace,
        };
        prediction
            .expected
            .get_mut(..text.len())?
            .copy_from_slice(text);
        prediction.mask.get_mut(..text.len())?.fill(0xFF);
        Some(prediction)
    }

    /// Whether it does, at `at` of `bytes`.
    #[inline(always)]
    pub(super) fn matches(&self, bytes: &[u8], at: usize) -> bool {
        let actual: [u8; MAX_PREDICTED_BYTES] = block_at(bytes, at);
        let half = |from: usize| {
            let seen = u128::from_le_bytes(block_at(&actual, from));
            let text = u128::from_le_bytes(block_at(&self.expected, from));
            let mask = u128::from_le_bytes(block_at(&self.mask, from));
            (seen ^ text) & mask == 0
        };
        half(0) && (self.len <= 16 || half(16))
    }
}
