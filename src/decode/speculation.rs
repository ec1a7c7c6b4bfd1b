//! Guesses: what probably stands between two values of a record, learned from the record before.

use super::bytes::block;

/// The longest stretch between two values that is predicted, in bytes.
const MAX_GUESS: usize = 32;

/// What probably stands between two values, and which slot the value behind it goes to.
#[derive(Debug, Clone, Copy)]
pub struct KeyPrediction {
    text: [u8; MAX_GUESS],
    mask: [u8; MAX_GUESS],
    /// Its length in bytes.
    pub len: usize,
    /// The stops in it.
    pub stops: usize,
    /// What comes behind it.
    pub next: NextToken,
    /// The white space other than plain spaces in it, in bytes.
    pub spaced: usize,
}

/// What comes behind a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextToken {
    /// A value for the slot of this index.
    Value(usize),
    /// The end of the record.
    RecordEnd,
}

impl KeyPrediction {
    /// The guess that `text` will stand there again; nothing if that is too long.
    pub fn new(text: &[u8], stops: usize, next: NextToken, spaced: usize) -> Option<Self> {
        let mut guess = Self {
            text: [0; MAX_GUESS],
            mask: [0; MAX_GUESS],
            len: text.len(),
            stops,
            next,
            spaced,
        };
        guess.text.get_mut(..text.len())?.copy_from_slice(text);
        guess.mask.get_mut(..text.len())?.fill(0xFF);
        Some(guess)
    }

    /// Whether it does, at `at` of `bytes`.
    #[inline(always)]
    pub fn holds(&self, bytes: &[u8], at: usize) -> bool {
        let seen: [u8; MAX_GUESS] = block(bytes, at);
        let half = |from: usize| {
            let seen = u128::from_le_bytes(block(&seen, from));
            let text = u128::from_le_bytes(block(&self.text, from));
            let mask = u128::from_le_bytes(block(&self.mask, from));
            (seen ^ text) & mask == 0
        };
        half(0) && (self.len <= 16 || half(16))
    }
}
