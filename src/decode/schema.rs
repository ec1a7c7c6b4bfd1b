//! What a kind of JSON record holds: which keys become columns, of which type, and which records
//! are kept. [`star::schema`](crate::star::schema) makes one for songs and one for log events.

use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};

/// The column that a key's value becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most `max_bytes` UTF-8 bytes (`usize::MAX`: no limit), as `Utf8`.
    Text {
        /// The bytes that the column holds.
        max_bytes: usize,
    },
    /// The same, for text that repeats from record to record: `Dictionary(Int32, Utf8)`.
    DictText {
        /// The bytes that the column holds.
        max_bytes: usize,
    },
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer within bounds, both included.
    Int64 {
        /// The smallest that is in range.
        min: i64,
        /// The largest that is in range.
        max: i64,
    },
    /// An IEEE double, correctly rounded from the text.
    Double,
}

impl FieldType {
    /// The Arrow type of the decoded column.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Text { .. } => DataType::Utf8,
            Self::DictText { .. } => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            Self::Int32 => DataType::Int32,
            Self::Int64 { .. } => DataType::Int64,
            Self::Double => DataType::Float64,
        }
    }
}

/// One key that becomes a column. Every other key of a record is ignored, whatever it holds.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The key, matched exactly after its escapes are decoded.
    pub key: &'static str,
    /// The column it becomes.
    pub ty: FieldType,
    /// Whether a record without it (or with null) is rejected as `missing`.
    pub required: bool,
}

/// Keeps only records whose `key` is exactly the JSON string `value`.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The key looked at.
    pub key: &'static str,
    /// The text it must decode to.
    pub value: &'static str,
}

/// One kind of record.
#[derive(Debug)]
pub struct RecordSchema {
    /// The keys that such records have in the field, whether they are used or not.
    pub known_keys: &'static [&'static str],
    /// The columns, in order.
    pub fields: &'static [Field],
    /// Which records are kept; all of them without a filter.
    pub filter: Option<Filter>,
}

impl RecordSchema {
    /// The schema of the record batches that the decoder makes: a column a field, named by its key.
    pub fn arrow_schema(&self) -> SchemaRef {
        let field = |f: &Field| ArrowField::new(f.key, f.ty.data_type(), !f.required);
        Arc::new(Schema::new(
            self.fields.iter().map(field).collect::<Vec<_>>(),
        ))
    }
}
