//! Stores rows compactly, so that they can be kept and compared when their batch is gone: numbers in words of 32 bits,
//! texts as ids in a pool.

use super::row_column::Row;
use super::string_pool::StringPool;
use super::value::{TotalOrderF64, Value};
use crate::model::{ColumnSchema, ColumnType};

/// Where the values of a row are among its words.
#[derive(Debug, Clone)]
pub(crate) struct RowLayout {
    cells: Vec<Cell>,
    num_words: usize,
}

/// Where one value is.
#[derive(Debug, Clone, Copy)]
struct Cell {
    ty: CellType,
    /// The index of its first word.
    at: usize,
    /// Whether a null is possible. A null number has a word before it that says so; a null double is NaN, and a null
    /// text has the id of null.
    nullable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellType {
    Int32,
    Int64,
    Double,
    Text,
}

impl CellType {
    fn new(ty: ColumnType) -> Self {
        match ty {
            ColumnType::Integer | ColumnType::SmallInt => Self::Int32,
            ColumnType::BigInt | ColumnType::Timestamp => Self::Int64,
            ColumnType::Double => Self::Double,
            ColumnType::Varchar(_) => Self::Text,
        }
    }

    fn num_words(self, nullable: bool) -> usize {
        match self {
            Self::Int32 => 1 + usize::from(nullable),
            Self::Int64 => 2 + usize::from(nullable),
            Self::Double => 2,
            Self::Text => 1,
        }
    }
}

impl RowLayout {
    /// Returns the layout of rows with these columns.
    pub(super) fn new<'a>(columns: impl IntoIterator<Item = &'a ColumnSchema>) -> Self {
        let mut num_words = 0;
        let cell = |column: &ColumnSchema| {
            let ty = CellType::new(column.ty);
            let at = num_words;
            num_words += ty.num_words(column.nullable);
            Cell {
                ty,
                at,
                nullable: column.nullable,
            }
        };
        let cells = columns.into_iter().map(cell).collect();
        Self { cells, num_words }
    }

    /// Returns the number of words of a row.
    pub(crate) fn num_words(&self) -> usize {
        self.num_words
    }

    /// Returns true if a column has texts.
    pub(super) fn is_text(&self, column: usize) -> bool {
        self.cells[column].ty == CellType::Text
    }

    /// Returns the indexes of the words that are ids of texts.
    pub(super) fn text_words(&self) -> impl Iterator<Item = usize> {
        let texts = self.cells.iter().filter(|cell| cell.ty == CellType::Text);
        texts.map(|cell| cell.at)
    }

    /// Appends the words of a value that is not a text. The columns of a row are appended in order.
    #[expect(clippy::panic, reason = "the model says the type of each column")]
    #[inline]
    pub(super) fn push_number(&self, words: &mut Vec<u32>, column: usize, value: Value<'_>) {
        let cell = self.cells[column];
        let is_flagged = cell.nullable && cell.ty != CellType::Double;
        if is_flagged {
            words.push(u32::from(value.is_null()));
        }
        match (cell.ty, value) {
            (CellType::Int32, Value::Integer(value)) => words.push((value as i32).cast_unsigned()),
            (CellType::Int32, Value::Null) if is_flagged => words.push(0),
            (CellType::Int64, Value::Integer(value)) => push_u64(words, value.cast_unsigned()),
            (CellType::Int64, Value::Null) if is_flagged => push_u64(words, 0),
            (CellType::Double, Value::Double(value)) => push_u64(words, value.0.to_bits()),
            (CellType::Double, Value::Null) if cell.nullable => push_u64(words, f64::NAN.to_bits()),
            (CellType::Int32 | CellType::Int64 | CellType::Double, _) | (CellType::Text, _) => {
                panic!("a value has the type of its column")
            }
        }
    }
}

fn push_u64(words: &mut Vec<u32>, value: u64) {
    words.extend([value as u32, (value >> 32) as u32]);
}

/// A stored row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CompactRow<'a> {
    /// Where its values are.
    pub layout: &'a RowLayout,
    /// Its words.
    pub words: &'a [u32],
    /// The pool of its texts.
    pub strings: &'a StringPool,
}

impl CompactRow<'_> {
    #[inline]
    fn u64_at(&self, at: usize) -> u64 {
        u64::from(self.words[at]) | u64::from(self.words[at + 1]) << 32
    }
}

impl<'a> Row<'a> for CompactRow<'a> {
    #[inline(always)]
    fn value(&self, column: usize) -> Value<'a> {
        let Cell {
            ty,
            mut at,
            nullable,
        } = self.layout.cells[column];
        if nullable && matches!(ty, CellType::Int32 | CellType::Int64) {
            if self.words[at] != 0 {
                return Value::Null;
            }
            at += 1;
        }
        match ty {
            CellType::Int32 => Value::Integer(self.words[at].cast_signed().into()),
            CellType::Int64 => Value::Integer(self.u64_at(at).cast_signed()),
            CellType::Double => match f64::from_bits(self.u64_at(at)) {
                value if value.is_nan() => Value::Null,
                value => Value::Double(TotalOrderF64(value)),
            },
            CellType::Text => self
                .strings
                .get(self.words[at])
                .map_or(Value::Null, Value::Text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EngineValue, ValueSource};

    fn layout(types: &[(ColumnType, bool)]) -> RowLayout {
        let columns: Vec<_> = types
            .iter()
            .map(|&(ty, nullable)| ColumnSchema {
                added: None,
                name: "a",
                ty,
                nullable,
                source: ValueSource::Engine(EngineValue::KeptRecords),
                description: "",
            })
            .collect();
        RowLayout::new(&columns)
    }

    #[test]
    fn values_are_read_as_they_were_stored() {
        let layout = layout(&[
            (ColumnType::Integer, false),
            (ColumnType::Integer, true),
            (ColumnType::BigInt, false),
            (ColumnType::Timestamp, true),
            (ColumnType::Double, true),
        ]);
        let rows = [
            [
                Value::Integer(i32::MIN.into()),
                Value::Integer(i32::MAX.into()),
                Value::Integer(i64::MIN),
                Value::Integer(i64::MAX),
                Value::Double(TotalOrderF64(f64::MIN)),
            ],
            [
                Value::Integer(-1),
                Value::Null,
                Value::Integer(-1),
                Value::Null,
                Value::Null,
            ],
        ];
        let strings = StringPool::default();
        for row in rows {
            let mut words = Vec::new();
            for (column, value) in row.into_iter().enumerate() {
                layout.push_number(&mut words, column, value);
            }
            assert_eq!(words.len(), layout.num_words());
            let stored = CompactRow {
                layout: &layout,
                words: &words,
                strings: &strings,
            };
            for (column, value) in row.into_iter().enumerate() {
                assert_eq!(stored.value(column), value);
            }
        }
    }

    #[test]
    #[should_panic(expected = "a value has the type of its column")]
    fn null_in_a_column_without_nulls_fails_loudly() {
        layout(&[(ColumnType::BigInt, false)]).push_number(&mut Vec::new(), 0, Value::Null);
    }
}
