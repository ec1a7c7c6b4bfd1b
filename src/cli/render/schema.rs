//! Renders the star schema for a terminal.

use super::result_set::format_table;
use crate::cli::help::WIDTH;
use crate::model::{ColumnSchema, FieldType, Model, RecordSchema, TableSchema, ValueSource};
use crate::schema::{TableKind, filter_text, hash_text, rule_text};
use crate::warehouse::query::{ResultColumn, ResultSet};

/// Renders each table and each record with its columns or keys. No line is wider than a terminal.
pub(crate) fn schema_tables(model: &Model) -> String {
    let tables = model.dataset_tables().chain([model.load_history]);
    let tables = tables.map(|table| table_section(model, table));
    let records = model.records.iter().map(|record| record_section(record));
    tables.chain(records).collect::<Vec<_>>().join("\n")
}

fn table_section(model: &Model, table: &TableSchema) -> String {
    let row = |column: &ColumnSchema| {
        [
            column.name.to_owned(),
            column.ty.to_string(),
            yes_or_no(column.nullable),
            key_text(table, column),
            source_text(model, column.source),
        ]
    };
    let from = match model.record_of(table) {
        Some(record) => format!("from {}", record.name),
        None => "from".to_owned(),
    };
    let columns = ["column", "type", "null", "key", &from];
    let rows = table.columns.iter().map(row);
    format!(
        "{} ({})\n{}\n{}\n{}",
        table.name,
        TableKind::of(model, table),
        wrap(table.description),
        to_table(columns, rows),
        wrap(&format!("{} {}", hash_text(table), rule_text(model, table))),
    )
}

fn record_section(record: &RecordSchema) -> String {
    let filter_row = record.filter.map(|filter| [filter.key, "text", "filter"]);
    let rows = record.fields.iter().map(|field| {
        let usage = if field.required {
            "required"
        } else {
            "optional"
        };
        [field.key, type_text(field.ty), usage]
    });
    let rows = filter_row.into_iter().chain(rows);
    let filter = filter_text(record).unwrap_or_default();
    format!(
        "{} (JSON record)\n{}\n{}",
        record.name,
        wrap(&format!("{} {filter}", record.description)),
        to_table(
            ["key", "type", "use"],
            rows.map(|row| row.map(str::to_owned))
        ),
    )
}

/// Returns whether a column is part of the primary key, or the table that it refers to.
fn key_text(table: &TableSchema, column: &ColumnSchema) -> String {
    let primary = table
        .key()
        .contains(column)
        .then(|| "primary key".to_owned());
    let references = table.references.iter().filter(|r| r.column == column.name);
    let references = references.map(|r| format!("refers to {}", r.table));
    primary
        .into_iter()
        .chain(references)
        .collect::<Vec<_>>()
        .join(", ")
}

fn source_text(model: &Model, source: ValueSource) -> String {
    match source {
        ValueSource::Field(key) => key.to_owned(),
        // The keys are named below the table, where they fit.
        ValueSource::Hash(_) => "hash".to_owned(),
        ValueSource::CalendarPart(key, part) => format!("{part} of {key}"),
        ValueSource::Lookup(column) => format!("{}.{column}", model.lookup().0.name),
        ValueSource::Engine(_) => "sparkify".to_owned(),
    }
}

fn type_text(ty: FieldType) -> &'static str {
    match ty {
        FieldType::Text { .. } | FieldType::DictText { .. } => "text",
        FieldType::Int32 | FieldType::Int64 { .. } => "integer",
        FieldType::Double => "number",
    }
}

fn yes_or_no(condition: bool) -> String {
    if condition { "yes" } else { "no" }.to_owned()
}

/// Renders rows as a table of texts.
fn to_table<const N: usize>(columns: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let column = |name: &str| ResultColumn {
        name: name.to_owned(),
        is_number: false,
    };
    format_table(&ResultSet {
        columns: columns.map(column).to_vec(),
        rows: rows.map(|row| row.map(Some).to_vec()).collect(),
    })
}

/// Wraps a text between words to lines that fit a terminal, each with an end.
fn wrap(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_up_to_the_width() {
        let word = "x".repeat(WIDTH / 2);
        let rest = "x".repeat(WIDTH / 2 - 1);
        assert_eq!(
            wrap(&format!("{word} {rest} {word} {word}")),
            format!("{word} {rest}\n{word}\n{word}\n")
        );
    }
}
