//! The star schema as sources of a dbt project.
//!
//! The YAML is written here and not by a crate, because it needs little: block mappings and lists whose texts are in
//! double quotes. A JSON string is such a text.

use std::fmt::{Result, Write};

use super::rule_text::rule_text;
use crate::input::RecordKind;
use crate::model::{ColumnSchema, EngineValue, Model, TableRule, TableSchema};

/// The hours after which dbt warns that nothing was loaded: a nightly load that is half a day late.
const WARN_AFTER_HOURS: u32 = 36;
/// The hours after which dbt fails for the same reason: two nightly loads are missing.
const ERROR_AFTER_HOURS: u32 = 72;

/// Returns the `sources:` of a dbt project: the tables of the star schema and the load history, with their
/// descriptions and tests.
pub(crate) fn dbt_sources(model: &Model) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write_sources(&mut text, model);
    text
}

fn write_sources(to: &mut String, model: &Model) -> Result {
    let description = format!(
        "The star schema of {} and the history of its loads, as sparkify schema --format dbt describes them.",
        model.name
    );
    // The tables are in the schema that is first on the search path of the user who creates them.
    write!(
        to,
        r#"# Written by sparkify {version} schema --format dbt.
version: 2

sources:
  - name: {name}
    description: {description}
    database: "{{{{ var('{name}_database', target.database) }}}}"
    schema: "{{{{ var('{name}_schema', 'public') }}}}"
    tables:
"#,
        version = env!("CARGO_PKG_VERSION"),
        name = model.name,
        description = quoted(&description),
    )?;
    for table in model.star.iter().copied().chain([model.load_history]) {
        write_table(to, model, table)?;
    }
    Ok(())
}

fn write_table(to: &mut String, model: &Model, table: &TableSchema) -> Result {
    let description = format!("{} {}", table.description, rule_text(model, table));
    writeln!(to, "      - name: {}", table.name)?;
    writeln!(to, "        description: {}", quoted(&description))?;
    if table.rule == TableRule::LoadHistory {
        write_freshness(to, model)?;
    }
    writeln!(to, "        columns:")?;
    for column in table.columns {
        write_column(to, model, table, column)?;
    }
    Ok(())
}

/// Writes how old the newest row of a log may be: new songs alone do not show that events are still loaded. dbt takes a
/// time without a time zone as UTC, which it is.
fn write_freshness(to: &mut String, model: &Model) -> Result {
    write!(
        to,
        "        config:
          loaded_at_field: {}
          freshness:
            filter: {} = '{}'
            warn_after:
              count: {WARN_AFTER_HOURS}
              period: hour
            error_after:
              count: {ERROR_AFTER_HOURS}
              period: hour
",
        model.history_column(EngineValue::LoadedAt),
        model.history_column(EngineValue::ObjectKind),
        RecordKind::Log.singular()
    )
}

fn write_column(
    to: &mut String,
    model: &Model,
    table: &TableSchema,
    column: &ColumnSchema,
) -> Result {
    writeln!(to, "          - name: {}", column.name)?;
    writeln!(to, "            data_type: {}", column.ty)?;
    writeln!(
        to,
        "            description: {}",
        quoted(column.description)
    )?;
    let references = table.references.iter().filter(|r| r.column == column.name);
    let is_unique = table.key() == [*column];
    if column.nullable && references.clone().next().is_none() {
        return Ok(());
    }
    writeln!(to, "            data_tests:")?;
    if is_unique {
        writeln!(to, "              - unique")?;
    }
    if !column.nullable {
        writeln!(to, "              - not_null")?;
    }
    for reference in references {
        // A reference has one column, and so has the primary key that it refers to.
        let key = model.table(reference.table).key()[0];
        write!(
            to,
            "              - relationships:
                  arguments:
                    to: source('{}', '{}')
                    field: {}
",
            model.name, reference.table, key.name
        )?;
    }
    Ok(())
}

/// Returns a text in double quotes, with the escapes that JSON and YAML have in common.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
