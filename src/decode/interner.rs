//! Interns texts: stores each distinct text once and replaces it by a small key.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::padded_bytes::block_at;
use super::value::ValueError;

/// Distinct texts. Their keys count from 0 in order of first appearance.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// Decoded texts: key `k` is `bytes[offsets[k]..offsets[k + 1]]`.
    texts: TextArena,
    by_value: HashTable<i32>,
    /// The keys of short texts, a second time: these texts are compared in registers.
    by_inline_key: HashTable<(InlineKey, i32)>,
    /// Texts as they were written, with escapes, so that each escaped form is decoded once. The escaped
    /// form `n` decodes to the text with the key `escaped_keys[n]`.
    escaped_forms: TextArena,
    by_escaped_form: HashTable<i32>,
    escaped_keys: Vec<i32>,
}

#[derive(Debug)]
struct TextArena {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Default for TextArena {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            bytes: Vec::new(),
        }
    }
}

impl TextArena {
    fn get(&self, key: i32) -> &[u8] {
        let key = key as usize;
        &self.bytes[self.offsets[key] as usize..self.offsets[key + 1] as usize]
    }

    fn take(&mut self) -> (Vec<i32>, Vec<u8>) {
        let taken = (
            take_keeping_capacity(&mut self.offsets),
            take_keeping_capacity(&mut self.bytes),
        );
        self.offsets.push(0);
        taken
    }

    fn find(&self, table: &HashTable<i32>, hash: u64, text: &[u8]) -> Option<i32> {
        table.find(hash, |&key| self.get(key) == text).copied()
    }

    /// Appends `text`, which must not be in the arena yet, and returns its key.
    fn push(&mut self, table: &mut HashTable<i32>, hash: u64, text: &[u8]) -> i32 {
        let key = self.offsets.len() as i32 - 1;
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len() as i32);
        table.insert_unique(hash, key, |&key| hash_text(self.get(key)));
        key
    }
}

/// Takes the values and leaves an empty vector of the same capacity: batches have similar sizes.
pub(super) fn take_keeping_capacity<T>(values: &mut Vec<T>) -> Vec<T> {
    let replacement = Vec::with_capacity(values.len());
    std::mem::replace(values, replacement)
}

/// A complete text of at most 16 bytes: its length, its first 8 bytes and its last 8 bytes. The two
/// words overlap; for a text of fewer than 8 bytes they are equal and padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InlineKey {
    first: u64,
    last: u64,
    len: usize,
}

impl InlineKey {
    #[inline(always)]
    fn new(bytes: &[u8], start: usize, len: usize) -> Option<Self> {
        let word = |at| u64::from_le_bytes(block_at(bytes, at));
        match len {
            0 => Some(Self {
                first: 0,
                last: 0,
                len,
            }),
            1..=8 => {
                let all = word(start) << (64 - 8 * len);
                Some(Self {
                    first: all,
                    last: all,
                    len,
                })
            }
            9..=16 => Some(Self {
                first: word(start),
                last: word(start + len - 8),
                len,
            }),
            _ => None,
        }
    }

    /// Mixes both words by one multiplication and folds its halves, as wyhash does.
    #[inline(always)]
    fn hash(&self) -> u64 {
        let first = self.first ^ 0x9E37_79B9_7F4A_7C15;
        let last = self.last.rotate_left(32) ^ 0xD1B5_4A32_D192_ED03 ^ self.len as u64;
        let product = u128::from(first) * u128::from(last);
        product as u64 ^ (product >> 64) as u64
    }
}

/// Hashes with a fixed seed, so that runs are reproducible. The keys do not depend on the hash.
fn hash_text(text: &[u8]) -> u64 {
    FixedState::default().hash_one(text)
}

impl Interner {
    /// Returns the key of a text that was written without escapes and begins at `start` of `bytes`.
    #[inline(always)]
    pub(super) fn intern_plain(&mut self, bytes: &[u8], start: usize, text: &[u8]) -> i32 {
        let Some(inline_key) = InlineKey::new(bytes, start, text.len()) else {
            return self.intern(text);
        };
        let hash = inline_key.hash();
        match self
            .by_inline_key
            .find(hash, |(other, _)| *other == inline_key)
        {
            Some(&(_, key)) => key,
            None => {
                let key = self.intern(text);
                self.by_inline_key
                    .insert_unique(hash, (inline_key, key), |(inline_key, _)| inline_key.hash());
                key
            }
        }
    }

    /// Returns the key of a text of any length.
    fn intern(&mut self, text: &[u8]) -> i32 {
        let hash = hash_text(text);
        match self.texts.find(&self.by_value, hash, text) {
            Some(key) => key,
            None => self.texts.push(&mut self.by_value, hash, text),
        }
    }

    /// Returns the key of a text that was written with escapes. `decode` appends the decoded text.
    ///
    /// # Errors
    /// Returns the error of `decode`. The text is not interned then.
    #[inline]
    pub(super) fn intern_escaped(
        &mut self,
        raw: &[u8],
        decode: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<(), ValueError>,
    ) -> Result<i32, ValueError> {
        let hash = hash_text(raw);
        if let Some(n) = self.escaped_forms.find(&self.by_escaped_form, hash, raw) {
            return Ok(self.escaped_keys[n as usize]);
        }
        let mut text = Vec::with_capacity(raw.len());
        decode(raw, &mut text)?;
        let key = self.intern(&text);
        self.escaped_forms
            .push(&mut self.by_escaped_form, hash, raw);
        self.escaped_keys.push(key);
        Ok(key)
    }

    /// Takes the offsets and bytes of all texts, in order of their keys. The interner is empty afterwards.
    pub(super) fn take(&mut self) -> (Vec<i32>, Vec<u8>) {
        self.by_value.clear();
        self.by_inline_key.clear();
        self.by_escaped_form.clear();
        self.escaped_forms.take();
        self.escaped_keys.clear();
        self.texts.take()
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::unescape;
    use super::*;

    /// Interns a text that was written as `raw`.
    fn intern_escaped(interner: &mut Interner, raw: &[u8]) -> Result<i32, ValueError> {
        interner.intern_escaped(raw, unescape)
    }

    #[test]
    fn escaped_and_plain_forms_of_a_text_have_one_key() {
        let mut interner = Interner::default();
        let first = interner.intern_plain(b"other", 0, b"other");
        let plain = interner.intern_plain(b"a/b", 0, b"a/b");
        assert_ne!(first, plain);
        for _ in 0..2 {
            assert_eq!(intern_escaped(&mut interner, br"a\/b"), Ok(plain));
            assert_eq!(intern_escaped(&mut interner, br"\u0061/b"), Ok(plain));
        }
        assert_eq!(interner.take(), (vec![0, 5, 8], b"othera/b".to_vec()));
    }

    /// A text without a key must not get the key of another text.
    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn escaped_form_without_key_fails_loudly() {
        let mut interner = Interner::default();
        assert!(intern_escaped(&mut interner, br"a\/b").is_ok());
        interner.escaped_keys.clear();
        let _ = intern_escaped(&mut interner, br"a\/b");
    }
}
