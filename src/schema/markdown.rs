//! The star schema as a data dictionary in Markdown, for people.

use std::fmt::{Result, Write};

use super::rule_text::{filter_text, rule_text};
use super::table_kind::TableKind;
use crate::model::{
    ColumnSchema, Distribution, FieldType, Model, RecordSchema, TableSchema, ValueSource,
};

/// Returns the data dictionary of the model.
pub(crate) fn data_dictionary(model: &Model) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_data_dictionary(&mut text, model);
    text
}

fn write_data_dictionary(to: &mut String, model: &Model) -> Result {
    writeln!(to, "# Data dictionary of {}\n", model.name)?;
    to.push_str(
        "This page lists every table and column of the star schema, of the merge state and of the load history. It is the\n\
         output of `sparkify schema --format markdown`. All times are UTC. The length of a varchar is a number of UTF-8\n\
         bytes.\n\n",
    );
    write_overview(to, model)?;
    for table in model.all_tables() {
        write_table(to, model, table)?;
    }
    to.push_str(
        "\n## Input records\n\nThe columns are built from these keys of the JSON records. A record without a required \
         key is rejected.\n",
    );
    for record in model.records {
        write_record(to, record)?;
    }
    Ok(())
}

fn write_overview(to: &mut String, model: &Model) -> Result {
    to.push_str(
        "| table | kind | directory in a dataset | table in a warehouse |\n|---|---|---|---|\n",
    );
    for table in model.all_tables() {
        let directory = match table.dir {
            "" => String::new(),
            dir => code(dir),
        };
        let in_warehouse = if model.is_in_warehouse(table) {
            "yes"
        } else {
            "no"
        };
        writeln!(
            to,
            "| [{name}](#{name}) | {} | {directory} | {in_warehouse} |",
            TableKind::of(model, table),
            name = table.name,
        )?;
    }
    Ok(())
}

fn write_table(to: &mut String, model: &Model, table: &TableSchema) -> Result {
    write!(to, "\n## {}\n\n{}", table.name, table.description)?;
    if let Some(record) = model.record_of(table) {
        write!(
            to,
            " The source is the [{name} record](#{name}-record).",
            name = record.name
        )?;
    }
    to.push_str(
        "\n\n| column | type | null | key | source | description |\n|---|---|---|---|---|---|\n",
    );
    for column in table.columns {
        writeln!(
            to,
            "| {} | {} | {} | {} | {} | {} |",
            code(column.name),
            column.ty,
            if column.nullable { "yes" } else { "no" },
            key_text(table, column),
            source_text(model, column.source),
            column.description,
        )?;
    }
    writeln!(to, "\n- Rule: {}", rule_text(model, table))?;
    if model.is_in_warehouse(table) {
        writeln!(to, "- Redshift: {}", redshift_text(table))?;
    }
    Ok(())
}

/// Returns whether a column is part of the primary key, and the table that it refers to.
fn key_text(table: &TableSchema, column: &ColumnSchema) -> String {
    let primary = table.key().contains(column).then(|| "primary".to_owned());
    let references = table.references.iter().filter(|r| r.column == column.name);
    let references = references.map(|r| format!("[{name}](#{name})", name = r.table));
    primary
        .into_iter()
        .chain(references)
        .collect::<Vec<_>>()
        .join(", ")
}

fn source_text(model: &Model, source: ValueSource) -> String {
    match source {
        ValueSource::Field(key) => code(key),
        ValueSource::Hash(keys) => {
            let keys: Vec<_> = keys.iter().map(|key| code(key)).collect();
            format!("hash of {}", keys.join(", "))
        }
        ValueSource::CalendarPart(key, part) => format!("{part} of {}", code(key)),
        ValueSource::Lookup(column) => {
            format!(
                "{} of [{name}](#{name})",
                code(column),
                name = model.lookup().0.name
            )
        }
        ValueSource::Engine(_) => "sparkify".to_owned(),
    }
}

fn redshift_text(table: &TableSchema) -> String {
    let layout = &table.redshift;
    let distribution = match layout.distribution {
        Distribution::All => "a copy on each node".to_owned(),
        Distribution::Even => "distributed evenly".to_owned(),
        Distribution::Key(column) => format!("distributed by {}", code(column)),
    };
    let reason = match layout.reason {
        "" => String::new(),
        reason => format!(" {reason}"),
    };
    format!(
        "{distribution}, sorted by {}.{reason}",
        code(layout.sort_key)
    )
}

fn write_record(to: &mut String, record: &RecordSchema) -> Result {
    write!(to, "\n### {} record\n\n{}", record.name, record.description)?;
    if let Some(filter) = filter_text(record) {
        write!(to, " {filter}")?;
    }
    to.push_str("\n\n| key | type | use |\n|---|---|---|\n");
    if let Some(filter) = record.filter {
        writeln!(to, "| {} | text | filter |", code(filter.key))?;
    }
    for field in record.fields {
        let usage = if field.required {
            "required"
        } else {
            "optional"
        };
        writeln!(
            to,
            "| {} | {} | {usage} |",
            code(field.key),
            type_text(field.ty)
        )?;
    }
    let unused: Vec<_> = record.unused_keys.iter().map(|key| code(key)).collect();
    writeln!(
        to,
        "\nKnown keys that are not used: {}. Any other key is ignored too.",
        unused.join(", ")
    )
}

fn type_text(ty: FieldType) -> String {
    match ty {
        FieldType::Text {
            max_bytes: usize::MAX,
        }
        | FieldType::DictText {
            max_bytes: usize::MAX,
        } => "text".to_owned(),
        FieldType::Text { max_bytes } | FieldType::DictText { max_bytes } => {
            format!("text of at most {max_bytes} bytes")
        }
        FieldType::Int32 => "32-bit integer".to_owned(),
        FieldType::Int64 { min, max } => format!("integer from {min} to {max}"),
        FieldType::Double => "number".to_owned(),
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
