//! Predicts the bytes between two values of a record (separator, key and colon) from the previous record.

use super::padded_bytes::block_at;

/// The maximum number of bytes between two values that are predicted.
const MAX_PREDICTED_BYTES: usize = 32;

/// The predicted bytes between two values, and the span that the next value fills.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyPrediction {
    expected: [u8; MAX_PREDICTED_BYTES],
    mask: [u8; MAX_PREDICTED_BYTES],
    /// The number of predicted bytes.
    pub len: usize,
    /// The number of structural characters in them.
    pub structurals: usize,
    /// The token after them.
    pub next: NextToken,
    /// The bytes of whitespace other than spaces in them.
    pub control_whitespace: usize,
}

/// The token after the predicted bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextToken {
    /// A value, for the span of this index.
    Value(usize),
    /// The end of the record.
    RecordEnd,
}

impl KeyPrediction {
    /// Returns the prediction that `text` will occur again; `None` if it is too long.
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

    /// Returns true if the predicted bytes are at `at` of `bytes`.
    #[inline(always)]
    pub(super) fn matches(&self, bytes: &[u8], at: usize) -> bool {
        let actual: [u8; MAX_PREDICTED_BYTES] = block_at(bytes, at);
        let half = |from: usize| {
            let found = u128::from_le_bytes(block_at(&actual, from));
            let text = u128::from_le_bytes(block_at(&self.expected, from));
            let mask = u128::from_le_bytes(block_at(&self.mask, from));
            (found ^ text) & mask == 0
        };
        half(0) && (self.len <= 16 || half(16))
    }
}
