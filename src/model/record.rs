//! Describes a kind of JSON record: the keys that become columns, their types, and the records that are
//! kept.

use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef};

/// The type of the column that the values of a key become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most `max_bytes` UTF-8 bytes (`usize::MAX`: no limit), as `Utf8`.
    Text {
        /// The maximum length of a value, in bytes.
        max_bytes: usize,
    },
    /// Text that repeats from record to record, as `Dictionary(Int32, Utf8)`.
    DictText {
        /// The maximum length of a value, in bytes.
        max_bytes: usize,
    },
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer within inclusive bounds.
    Int64 {
        /// The smallest valid value.
        min: i64,
        /// The largest valid value.
        max: i64,
    },
    /// An IEEE double, correctly rounded from the text.
    Double,
}

impl FieldType {
    /// Returns true for text.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text { .. } | Self::DictText { .. })
    }

    /// Returns the Arrow type of the decoded column.
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

/// A key that becomes a column. All other keys of a record are ignored, whatever their values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordField {
    /// The key, matched exactly after its escapes are decoded.
    pub key: &'static str,
    /// The type of the column.
    pub ty: FieldType,
    /// Whether a record is rejected as `missing` if the key is absent or null.
    pub required: bool,
}

/// A filter that keeps only records whose `key` has exactly the text `value`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFilter {
    /// The key whose value is compared.
    pub key: &'static str,
    /// The text that the value must decode to.
    pub value: &'static str,
}

/// The schema of one kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSchema {
    /// The name of the kind.
    pub name: &'static str,
    /// What such a record is, in a full sentence.
    pub description: &'static str,
    /// The columns, in order.
    pub fields: &'static [RecordField],
    /// The filter on the records; `None` keeps all of them.
    pub filter: Option<RecordFilter>,
    /// Further keys that such records are known to have, but that are not used.
    pub unused_keys: &'static [&'static str],
}

impl RecordSchema {
    /// Returns true if such records are known to have the key, whether or not it is used.
    pub fn is_known_key(&self, key: &[u8]) -> bool {
        self.all_known_keys().any(|known| known.as_bytes() == key)
    }

    /// Returns all known keys of such records, used or not, each once and in alphabetical order whatever their case.
    pub fn known_keys(&self) -> Vec<&'static str> {
        let mut keys: Vec<_> = self.all_known_keys().collect();
        keys.sort_by_key(|key| (key.to_ascii_lowercase(), *key));
        keys.dedup();
        keys
    }

    fn all_known_keys(&self) -> impl Iterator<Item = &'static str> {
        let fields = self.fields.iter().map(|field| field.key);
        let filter = self.filter.iter().map(|filter| filter.key);
        fields.chain(filter).chain(self.unused_keys.iter().copied())
    }

    /// Returns the name of the table in Redshift that raw records are copied into.
    pub fn staging_table(&self) -> String {
        format!("staging_{}s", self.name)
    }

    /// Returns the columns of that table: one for each known key, in the order of [`known_keys`](Self::known_keys).
    pub fn staging_columns(&self) -> Vec<StagingColumn> {
        let column = |key| StagingColumn {
            key,
            name: staging_column_name(key),
        };
        self.known_keys().into_iter().map(column).collect()
    }

    /// Returns the schema of the decoded record batches: one column for each field, named by its key.
    pub fn arrow_schema(&self) -> SchemaRef {
        let field = |f: &RecordField| ArrowField::new(f.key, f.ty.data_type(), !f.required);
        Arc::new(Schema::new(
            self.fields.iter().map(field).collect::<Vec<_>>(),
        ))
    }
}

/// A column of a table of raw records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagingColumn {
    /// The key whose values it has.
    pub key: &'static str,
    /// The name of the column.
    pub name: String,
}

/// Returns the name of the column that has the values of a key: the key in lower case, as Redshift writes all names.
pub(crate) fn staging_column_name(key: &str) -> String {
    key.to_ascii_lowercase()
}

/// Returns a field that a record must have.
pub(in crate::model) const fn required(key: &'static str, ty: FieldType) -> RecordField {
    RecordField {
        key,
        ty,
        required: true,
    }
}

/// Returns a field that a record may lack.
pub(in crate::model) const fn optional(key: &'static str, ty: FieldType) -> RecordField {
    RecordField {
        key,
        ty,
        required: false,
    }
}
