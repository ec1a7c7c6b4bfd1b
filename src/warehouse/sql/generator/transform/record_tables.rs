//! Names the tables of the records of a kind, and their columns.

use crate::model::{
    ColumnSchema, ColumnType, FieldType, Model, RecordField, RecordSchema, ValueSource,
    staging_column_name,
};

/// The maximum length of a VARCHAR in Redshift, in bytes.
const MAX_VARCHAR_BYTES: usize = 65_535;

/// Returns the name of the table of the records that the filter selects, valid or not.
pub(super) fn selected_table(record: &RecordSchema) -> String {
    format!("selected_{}s", record.name)
}

/// Returns the name of the table of the selected records that need a closer look.
pub(super) fn unusual_table(record: &RecordSchema) -> String {
    format!("unusual_{}s", record.name)
}

/// Returns the name of the table of the numbers of the unusual records.
pub(super) fn numbers_table(record: &RecordSchema) -> String {
    format!("{}_numbers", record.name)
}

/// Returns the name of the table of the unusual records with the first problem of each.
pub(super) fn checked_table(record: &RecordSchema) -> String {
    format!("checked_{}s", record.name)
}

/// Returns the name of the table of the valid records.
pub(super) fn valid_table(record: &RecordSchema) -> String {
    format!("valid_{}s", record.name)
}

/// Returns the name of the table of the rejected records.
pub(super) fn rejected_table(record: &RecordSchema) -> String {
    format!("rejected_{}s", record.name)
}

/// Returns the fields of a record that are numbers.
pub(super) fn number_fields(
    record: &RecordSchema,
) -> impl Iterator<Item = &'static RecordField> + use<> {
    let fields = record.fields.iter();
    fields.filter(|field| !field.ty.is_text())
}

/// Returns the name of the column that has the number of a field, beside that of its text.
pub(super) fn number_column(field: &RecordField) -> String {
    format!("{}_number", staging_column_name(field.key))
}

/// Returns the type of the column of a field in the table of valid records.
pub(super) fn field_column_type(ty: FieldType) -> ColumnType {
    match ty {
        FieldType::Int32 => ColumnType::Integer,
        FieldType::Int64 { .. } => ColumnType::BigInt,
        FieldType::Double => ColumnType::Double,
        FieldType::Text { max_bytes } | FieldType::DictText { max_bytes } => {
            ColumnType::Varchar(max_bytes.min(MAX_VARCHAR_BYTES))
        }
    }
}

/// Returns the maximum length of the texts of a field, if it is less than the columns of raw records hold.
pub(super) fn text_limit(ty: FieldType) -> Option<usize> {
    match ty {
        FieldType::Text { max_bytes } | FieldType::DictText { max_bytes } => {
            (max_bytes < MAX_VARCHAR_BYTES).then_some(max_bytes)
        }
        FieldType::Int32 | FieldType::Int64 { .. } | FieldType::Double => None,
    }
}

/// Returns the name of the column that has the time of a field, in the table of valid records.
pub(super) fn time_column(key: &str) -> String {
    format!("{}_time", staging_column_name(key))
}

/// Returns the keys of the fields of a record whose times the tables of a dataset have.
pub(super) fn time_keys(model: &Model, record: &'static RecordSchema) -> Vec<&'static str> {
    let mut keys = Vec::new();
    for column in dataset_columns(model, record) {
        if let (ValueSource::Field(key), ColumnType::Timestamp) = (column.source, column.ty)
            && !keys.contains(&key)
        {
            keys.push(key);
        }
    }
    keys
}

/// Returns the columns of the tables of a dataset that are built from a kind of record.
fn dataset_columns(
    model: &Model,
    record: &'static RecordSchema,
) -> impl Iterator<Item = &'static ColumnSchema> {
    let tables = model.dataset_tables();
    tables
        .filter(move |table| model.record_of(table) == Some(record))
        .flat_map(|table| table.columns)
}

/// A hash of fields of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HashColumn {
    /// The name of the column, in the table of valid records and in those that are filled from it.
    pub name: &'static str,
    /// The keys of the fields.
    pub keys: &'static [&'static str],
}

/// Returns true if a table of a dataset has the value of a field of a record. Fields that are only hashed have none.
pub(super) fn has_value_column(model: &Model, record: &'static RecordSchema, key: &str) -> bool {
    let mut columns = dataset_columns(model, record);
    columns.any(|column| matches!(column.source, ValueSource::Field(field) if field == key))
}

/// Returns the hashes that the tables of a dataset have of a record. Each is computed once.
pub(super) fn hash_columns(model: &Model, record: &'static RecordSchema) -> Vec<HashColumn> {
    let mut hashes = Vec::new();
    for column in dataset_columns(model, record) {
        if let ValueSource::Hash(keys) = column.source {
            let hash = HashColumn {
                name: column.name,
                keys,
            };
            if !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
    }
    hashes
}

/// Returns a field of a record.
#[expect(
    clippy::expect_used,
    reason = "a model is consistent: each name that it contains belongs to something"
)]
pub(super) fn field_of(record: &RecordSchema, key: &str) -> &'static RecordField {
    let field = record.fields.iter().find(|field| field.key == key);
    field.expect("a key of the model belongs to a field of its record")
}
