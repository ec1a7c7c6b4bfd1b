//! An interner: each distinct text once, and a small key in its place.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::value::Fault;

/// Distinct texts, numbered from 0 in the order of their first appearance.
#[derive(Debug, Default)]
pub struct Interner {
    /// Decoded texts: number `k` is `bytes[offsets[k]..offsets[k + 1]]`.
    values: Texts,
    by_value: HashTable<i32>,
    /// Texts as they were written with escapes, so that each spelling is decoded once. Spelling `n`
    /// stands for the text with the key `meanings[n]`.
    spellings: Texts,
    by_spelling: HashTable<i32>,
    meanings: Vec<i32>,
}

#[derive(Debug)]
struct Texts {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            offsets: vec![0],
            bytes: Vec::new(),
        }
    }
}

impl Texts {
    fn get(&self, key: i32) -> &[u8] {
        let key = key as usize;
        let end = |i: usize| self.offsets.get(i).map_or(0, |&o| o as usize);
        self.bytes.get(end(key)..end(key + 1)).unwrap_or_default()
    }

    fn find(&self, table: &HashTable<i32>, hash: u64, text: &[u8]) -> Option<i32> {
        table.find(hash, |&key| self.get(key) == text).copied()
    }

    /// Appends `text`, which must not be there yet, and gives its number.
    fn add(&mut self, table: &mut HashTable<i32>, hash: u64, text: &[u8]) -> i32 {
        let key = self.offsets.len() as i32 - 1;
        self.bytes.extend_from_slice(text);
        self.offsets.push(self.bytes.len() as i32);
        table.insert_unique(hash, key, |&key| hash_of(self.get(key)));
        key
    }
}

/// The seed is fixed so that runs repeat; keys come in order of appearance, whatever the hash.
fn hash_of(text: &[u8]) -> u64 {
    FixedState::default().hash_one(text)
}

impl Interner {
    /// The key of a text that was written without escapes.
    #[inline]
    pub fn plain(&mut self, text: &[u8]) -> i32 {
        let hash = hash_of(text);
        match self.values.find(&self.by_value, hash, text) {
            Some(key) => key,
            None => self.values.add(&mut self.by_value, hash, text),
        }
    }

    /// The key of a text that was written with escapes, which `decode` appends decoded.
    ///
    /// # Errors
    /// What `decode` says; nothing is kept then.
    #[inline]
    pub fn escaped(
        &mut self,
        raw: &[u8],
        decode: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<(), Fault>,
    ) -> Result<i32, Fault> {
        let hash = hash_of(raw);
        if let Some(n) = self.spellings.find(&self.by_spelling, hash, raw) {
            return Ok(self.meanings.get(n as usize).copied().unwrap_or_default());
        }
        let mut text = Vec::with_capacity(raw.len());
        decode(raw, &mut text)?;
        let key = self.plain(&text);
        self.spellings.add(&mut self.by_spelling, hash, raw);
        self.meanings.push(key);
        Ok(key)
    }

    /// The offsets and bytes of all texts in order of their keys.
    pub fn into_values(self) -> (Vec<i32>, Vec<u8>) {
        (self.values.offsets, self.values.bytes)
    }
}
