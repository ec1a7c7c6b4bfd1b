//! Tables as sorted lists of rows, read from Parquet and from a database, for comparison.

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use postgres::Client;
use sparkify::internals::model::sparkify::SPARKIFY;
use sparkify::internals::model::{ColumnSchema, ColumnType, TableSchema};

/// The sorted rows of tables, each formatted as the exact text of its values.
pub type TableRows = BTreeMap<&'static str, Vec<String>>;

/// Returns all tables that both an output and a warehouse have.
fn compared_tables() -> impl Iterator<Item = &'static TableSchema> {
    SPARKIFY
        .dataset_tables()
        .filter(|table| table.name != "source_objects")
}

/// Reads the tables in an output directory.
pub fn read_parquet_tables(out: &Path) -> TableRows {
    let rows = |table: &'static TableSchema| {
        let mut rows = Vec::new();
        for file in std::fs::read_dir(out.join(table.dir)).unwrap() {
            let file = std::fs::File::open(file.unwrap().path()).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            for batch in reader.build().unwrap() {
                let batch = batch.unwrap();
                for row in 0..batch.num_rows() {
                    let columns = table.columns.iter().zip(batch.columns());
                    let values =
                        columns.map(|(column, array)| format_array_value(column, array, row));
                    rows.push(values.collect::<Vec<_>>().join("|"));
                }
            }
        }
        rows.sort_unstable();
        (table.name, rows)
    };
    compared_tables().map(rows).collect()
}

fn format_array_value(column: &ColumnSchema, array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "null".to_owned();
    }
    match column.ty {
        ColumnType::BigInt => array.as_primitive::<Int64Type>().value(row).to_string(),
        ColumnType::Integer => array.as_primitive::<Int32Type>().value(row).to_string(),
        ColumnType::SmallInt => array.as_primitive::<Int16Type>().value(row).to_string(),
        ColumnType::Double => format!("{:?}", array.as_primitive::<Float64Type>().value(row)),
        ColumnType::Timestamp => {
            let times = array.as_primitive::<TimestampMicrosecondType>();
            times.value(row).to_string()
        }
        ColumnType::Varchar(_) => format!("{:?}", array.as_string::<i32>().value(row)),
    }
}

/// Reads the tables in a database.
pub fn read_database_tables(client: &mut Client) -> TableRows {
    let rows = |table: &'static TableSchema| {
        let select = |column: &ColumnSchema| match column.ty {
            ColumnType::Timestamp => {
                let name = column.name;
                format!("(EXTRACT(epoch FROM {name}) * 1000000)::BIGINT AS {name}")
            }
            _ => column.name.to_owned(),
        };
        let columns: Vec<_> = table.columns.iter().map(select).collect();
        let query = format!("SELECT {} FROM {}", columns.join(", "), table.name);
        let rows = client.query(&query, &[]).unwrap();
        let mut rows: Vec<String> = rows
            .iter()
            .map(|row| {
                let columns = table.columns.iter().enumerate();
                let values = columns.map(|(i, column)| format_row_value(column, row, i));
                values.collect::<Vec<_>>().join("|")
            })
            .collect();
        rows.sort_unstable();
        (table.name, rows)
    };
    compared_tables().map(rows).collect()
}

fn format_row_value(column: &ColumnSchema, row: &postgres::Row, i: usize) -> String {
    let text = match column.ty {
        ColumnType::BigInt | ColumnType::Timestamp => {
            row.get::<_, Option<i64>>(i).map(|value| value.to_string())
        }
        ColumnType::Integer => row.get::<_, Option<i32>>(i).map(|value| value.to_string()),
        ColumnType::SmallInt => row.get::<_, Option<i16>>(i).map(|value| value.to_string()),
        ColumnType::Double => row
            .get::<_, Option<f64>>(i)
            .map(|value| format!("{value:?}")),
        ColumnType::Varchar(_) => {
            let value = row.get::<_, Option<&str>>(i);
            value.map(|value| format!("{value:?}"))
        }
    };
    text.unwrap_or_else(|| "null".to_owned())
}

/// Returns the rows of `load_history` by object and ETag; an object that was loaded twice occurs twice.
pub fn load_history_rows(client: &mut Client) -> Vec<(String, String, i64)> {
    let query = "SELECT object, etag, rows FROM load_history ORDER BY object, etag, run";
    let rows = client.query(query, &[]).unwrap();
    let load = |row: &postgres::Row| (row.get(0), row.get(1), row.get(2));
    rows.iter().map(load).collect()
}

/// Asserts that the tables are equal, and names the first difference instead of printing both lists.
#[track_caller]
pub fn assert_tables_eq(found: &TableRows, expected: &TableRows) {
    for (name, expected) in expected {
        let found = &found[name];
        let differs = found.iter().zip(expected).find(|(a, b)| a != b);
        assert!(
            differs.is_none() && found.len() == expected.len(),
            "{name}: found {} rows, expected {}; first difference: {differs:?}",
            found.len(),
            expected.len()
        );
    }
}
