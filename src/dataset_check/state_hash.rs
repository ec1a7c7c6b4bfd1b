//! Computes the key of the event that a row of the merge state names: it must be a row of the fact table.

use arrow_array::RecordBatch;

use super::integers::integers;
use crate::model::{ColumnType, Model, TableSchema, ValueSource};
use crate::star::fnv::FnvHash;

/// The columns of a table that the key of the fact table is the hash of.
#[derive(Debug)]
pub(super) struct StateHash {
    /// The position and the type of each column.
    columns: Vec<(usize, ColumnType)>,
}

impl StateHash {
    /// Finds the columns; `None` if the table is the fact table, or does not have all of them.
    pub(super) fn new(model: &Model, table: &TableSchema) -> Option<Self> {
        let (fact, _) = model.fact();
        let [key] = fact.key() else { return None };
        let ValueSource::Hash(fields) = key.source else {
            return None;
        };
        let column = |field: &&'static str| {
            let source = ValueSource::Field(field);
            let position = table
                .columns
                .iter()
                .position(|column| column.source == source)?;
            let ty = table.columns[position].ty;
            // A hash of texts needs what is between them.
            (!ty.is_text()).then_some((position, ty))
        };
        let columns: Option<Vec<_>> = fields.iter().map(column).collect();
        columns.map(|columns| Self { columns })
    }

    /// Returns the key of the event of each row.
    pub(super) fn keys(&self, batch: &RecordBatch) -> Vec<i64> {
        let columns = self.columns.iter().filter_map(|&(position, ty)| {
            let values = integers(batch.column(position))?;
            Some((values, ty))
        });
        let columns: Vec<_> = columns.collect();
        let key = |row: usize| {
            let mut hash = FnvHash::default();
            for (values, ty) in &columns {
                let value = values[row];
                match ty {
                    // A record has milliseconds.
                    ColumnType::Timestamp => hash.write(&(value / 1000).to_le_bytes()),
                    ColumnType::Integer => hash.write(&(value as i32).to_le_bytes()),
                    ColumnType::SmallInt => hash.write(&(value as i16).to_le_bytes()),
                    ColumnType::BigInt | ColumnType::Double | ColumnType::Varchar(_) => {
                        hash.write(&value.to_le_bytes());
                    }
                }
            }
            hash.finish()
        };
        (0..batch.num_rows()).map(key).collect()
    }
}
