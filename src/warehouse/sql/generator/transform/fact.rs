//! Generates the rows of the fact table: one delivery of each event, with the row that it is looked up in.

use super::insert::insert_into_staged;
use super::pick::FirstRows;
use super::record_tables::{field_of, valid_table};
use super::record_values::{named_record_value, record_value};
use crate::model::{ColumnSchema, Model, RecordSchema, ValueSource};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{names, renamed_column, select, select_groups};
use crate::warehouse::sql::generator::expression::{equal, exactly_equal};
use crate::warehouse::sql::generator::merge::FactTables;
use crate::warehouse::sql::generator::temp_table::{create_temp_table, staged_name};
use crate::warehouse::sql::statement::Statement;

/// Returns the statements that fill the staged tables of the fact table and of the keys of its lookup. The staged table of
/// the lookup is filled before.
pub(super) fn fact_statements(model: &Model) -> Vec<Statement> {
    let tables = FactTables::new(model);
    let FactTables {
        fact,
        rule,
        lookup,
        keys,
    } = tables;
    let record = model.record(rule.record);
    let repeated = format!("repeated_{}", fact.name);
    let picked = format!("picked_{}", fact.name);
    let key = names(fact.key()).join(", ");
    let repeated_query = format!(
        "SELECT {key}\nFROM {}\nGROUP BY {key}\nHAVING COUNT(*) > 1",
        valid_table(record)
    );
    let picked_query = picked_query(&tables, record, &repeated);

    let value = |column: &ColumnSchema| match tables.lookup_column(column) {
        Some(source) => renamed_column("k", source.name, column.name),
        None => format!("p.{}", column.name),
    };
    let values: Vec<_> = fact.columns.iter().map(value).collect();
    let on = exactly_equal(Dialect::Redshift, tables.lookup_key(), "k", "p").join(" AND ");
    let fact_query = format!(
        "{}\nFROM {picked} p\nLEFT JOIN {} k ON {on}",
        select(&values),
        staged_name(lookup)
    );
    let present: Vec<_> = names(tables.lookup_key())
        .iter()
        .map(|name| format!("{name} IS NOT NULL"))
        .collect();
    let keys_query = format!(
        "{}\nFROM {picked}\nWHERE {}",
        select(&names(keys.columns)),
        present.join(" AND ")
    );
    let mut statements = create_temp_table(Dialect::Redshift, &repeated, &repeated_query);
    statements[0].comment = "The events that were delivered several times.".to_owned();
    let mut picks = create_temp_table(Dialect::Redshift, &picked, &picked_query);
    picks[0].comment = format!(
        "{} Only repeated deliveries have to be sorted.{}",
        rule.explanation,
        unmatched_comment(&tables, record)
    );
    statements.extend(picks);
    statements.push(insert_into_staged(fact, &fact_query));
    statements.push(insert_into_staged(keys, &keys_query));
    statements
}

/// Returns the sentence of a comment that tells which events match no row of the lookup table; nothing if all may match one.
fn unmatched_comment(tables: &FactTables, record: &RecordSchema) -> String {
    let equal = tables.rule.lookup.equal.iter();
    let optional = equal.filter(|(key, _)| !field_of(record, key).required);
    let optional: Vec<_> = optional.map(|(key, _)| *key).collect();
    let keys = match &optional[..] {
        [] => return String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    };
    format!(
        " An event without {keys} matches no row of {}.",
        tables.lookup.name
    )
}

/// Returns the query for one delivery of each event, with the key of its lookup.
fn picked_query(tables: &FactTables, record: &RecordSchema, repeated: &str) -> String {
    let fact = tables.fact;
    let valid = valid_table(record);
    let columns = picked_columns(tables);
    let values = |alias: &str| delivery_values(tables, record, alias);
    let single = format!(
        "{}\nFROM {valid} v\nLEFT JOIN {repeated} r ON {}\nWHERE r.{} IS NULL",
        select_groups(&values("v"), 0),
        equal(fact.key(), "r", "v").join(" AND "),
        fact.columns[0].name,
    );
    let rows = format!(
        "{}\n        FROM {repeated} r\n        JOIN {valid} v ON {}",
        select_groups(&values("v"), 8),
        equal(fact.key(), "v", "r").join(" AND "),
    );
    let first = FirstRows {
        key: fact.key(),
        columns: &columns,
        order: tables.rule.order,
        rows: &rows,
    };
    format!("{single}\nUNION ALL\n{}", first.query())
}

/// Returns the columns of a delivery: those of the fact table that are not looked up, and the key of the lookup.
fn picked_columns(tables: &FactTables) -> Vec<ColumnSchema> {
    let key = tables.lookup_key().iter().map(|column| column.or_null());
    own_columns(tables).copied().chain(key).collect()
}

/// Returns the columns of the fact table that are not looked up.
fn own_columns(tables: &FactTables) -> impl Iterator<Item = &'static ColumnSchema> {
    let columns = tables.fact.columns.iter();
    columns.filter(|column| tables.lookup_column(column).is_none())
}

/// Returns the values of these columns, for a valid record.
fn delivery_values(tables: &FactTables, record: &RecordSchema, alias: &str) -> [Vec<String>; 2] {
    let own = own_columns(tables).map(|column| named_record_value(column, alias));
    let key = tables.lookup_key();
    // A hash is null if one of its fields is.
    let present: Vec<_> = key
        .iter()
        .filter(|column| has_optional_field(record, column))
        .map(|column| format!("{} IS NOT NULL", record_value(column, alias)))
        .collect();
    let key = key.iter().map(|column| match present.is_empty() {
        true => named_record_value(column, alias),
        false => format!(
            "CASE WHEN {} THEN {} END AS {}",
            present.join(" AND "),
            record_value(column, alias),
            column.name
        ),
    });
    [own.collect(), key.collect()]
}

/// Returns true if a column of the key of a lookup is null for some records.
fn has_optional_field(record: &RecordSchema, column: &ColumnSchema) -> bool {
    let is_optional = |key: &&str| !field_of(record, key).required;
    match column.source {
        ValueSource::Field(key) => is_optional(&key),
        ValueSource::Hash(keys) => keys.iter().any(is_optional),
        ValueSource::CalendarPart(..) | ValueSource::Lookup(_) | ValueSource::Engine(_) => {
            unreachable!("the key of a lookup follows from a record alone")
        }
    }
}
