//! Stores each distinct text once, so that candidates can be kept and compared by small ids.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use arrow_array::Array;
use foldhash::fast::FixedState;

use super::record_columns::{FieldColumn, dict_values};
use super::value::Value;

/// Interned texts with ids from 1; id 0 is null.
#[derive(Debug, Clone, Default)]
pub(crate) struct StringPool {
    ids: HashMap<Arc<str>, u32, FixedState>,
    strings: Vec<Arc<str>>,
}

impl StringPool {
    /// Returns the id of a text.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        if let Some(&id) = self.ids.get(text) {
            return id;
        }
        let text: Arc<str> = text.into();
        self.strings.push(Arc::clone(&text));
        let id = self.strings.len() as u32;
        self.ids.insert(text, id);
        id
    }

    /// Returns the text of an id of this pool.
    pub(super) fn text(&self, id: NonZeroU32) -> &str {
        &self.strings[id.get() as usize - 1]
    }

    /// Returns the text of an id of this pool; `None` for the id of null.
    pub(super) fn get(&self, id: u32) -> Option<&str> {
        NonZeroU32::new(id).map(|id| self.text(id))
    }

    /// Returns the number of ids, that of null included.
    pub(super) fn num_ids(&self) -> usize {
        self.strings.len() + 1
    }
}

/// Interns the texts of one column, each text of a dictionary at most once.
#[derive(Debug)]
pub(super) struct ColumnInterner<'a> {
    column: &'a FieldColumn,
    /// The id of each dictionary key; 0 until the key is first used. Empty if the column has no dictionary.
    id_by_key: Vec<u32>,
}

impl<'a> ColumnInterner<'a> {
    /// Returns an interner of the texts of `column`.
    pub(super) fn new(column: &'a FieldColumn) -> Self {
        let keys = match column {
            FieldColumn::DictText(texts) => texts.values().len(),
            FieldColumn::Text(_)
            | FieldColumn::Int32(_)
            | FieldColumn::Int64(_)
            | FieldColumn::Double(_) => 0,
        };
        Self {
            column,
            id_by_key: vec![0; keys],
        }
    }

    /// Returns the id in `strings` of the text in row `row`; 0 for a null. Every call must pass the same pool.
    ///
    /// # Panics
    /// Panics if the value is not a text.
    #[expect(clippy::panic, reason = "the model says the type of each column")]
    pub(super) fn intern(&mut self, strings: &mut StringPool, row: usize) -> u32 {
        if let FieldColumn::DictText(texts) = self.column {
            let Some(key) = texts.key(row) else {
                return 0;
            };
            let id = &mut self.id_by_key[key];
            if *id == 0 {
                *id = strings.intern(dict_values(texts).value(key));
            }
            return *id;
        }
        match self.column.value(row) {
            Value::Text(text) => strings.intern(text),
            Value::Null => 0,
            Value::Integer(_) | Value::Double(_) => panic!("a column of texts has texts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_return_their_texts() {
        let mut strings = StringPool::default();
        let (free, paid) = (strings.intern("free"), strings.intern("paid"));
        assert_eq!(strings.intern("free"), free);
        assert_eq!(strings.get(free), Some("free"));
        assert_eq!(strings.get(paid), Some("paid"));
        assert_eq!(strings.get(0), None);
    }

    /// The id of another pool must not pass as null.
    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn id_of_another_pool_fails_loudly() {
        let mut strings = StringPool::default();
        let id = strings.intern("free");
        StringPool::default().get(id);
    }
}
