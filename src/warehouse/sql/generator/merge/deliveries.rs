//! Generates the choice between the deliveries of events that both a batch and the warehouse have.
//!
//! Redshift ranks the two deliveries of each event. PostgreSQL takes longer to sort them, so there the deliveries that are
//! the same are left out first, and the others are compared in pairs.

use super::fact_tables::FactTables;
use super::order::order_values;
use super::ranking::{Ranking, candidates};
use crate::model::ColumnSchema;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{names, renamed_column, select_groups, where_all};
use crate::warehouse::sql::generator::expression::{compare_rows, equal, qualified};
use crate::warehouse::sql::generator::temp_table::{
    changed_name, create_temp_table, existing_name, new_name, staged_name,
};
use crate::warehouse::sql::statement::Statement;

/// Returns the statements that create the temporary tables of the events that are loaded already, and of those whose
/// deliveries in the batch replace the loaded ones.
pub(super) fn pick_deliveries(tables: &FactTables, dialect: Dialect) -> Vec<Statement> {
    let FactTables {
        fact, rule, lookup, ..
    } = *tables;
    let new_comment = format!(
        "{} These deliveries come before the loaded ones. Each is matched again, with the rows that {} has after this batch.",
        rule.explanation, lookup.name
    );
    let create = |name: String, query: String, comment: String| {
        let mut statements = create_temp_table(dialect, &name, &query);
        statements[0].comment = comment;
        statements
    };
    match dialect {
        Dialect::Postgres => [
            create(
                existing_name(fact),
                compared_existing_events(tables),
                "Staged events that are loaded already, and whether this delivery is the same."
                    .to_owned(),
            ),
            create(
                changed_name(fact),
                changed_events(tables),
                format!(
                    "The events whose deliveries differ, with the keys by which they are looked up in {}: the new key is that of \
                     the delivery in this batch, and the old one that of the delivery in the warehouse.",
                    lookup.name
                ),
            ),
            create(new_name(fact), compared_deliveries(tables), new_comment),
        ]
        .concat(),
        Dialect::Redshift => [
            create(
                existing_name(fact),
                existing_events(tables),
                "Staged events that are loaded already.".to_owned(),
            ),
            create(new_name(fact), ranked_deliveries(tables), new_comment),
        ]
        .concat(),
    }
}

/// Returns the query of Redshift for staged events that are loaded already.
fn existing_events(tables: &FactTables) -> String {
    let key = qualified(tables.fact.key(), "s");
    format!("SELECT {}\n{}", key.join(", "), from_existing(tables))
}

/// Returns the query of PostgreSQL for staged events that are loaded already.
fn compared_existing_events(tables: &FactTables) -> String {
    let is_same = |column: &ColumnSchema| {
        let name = column.name;
        match column.nullable {
            // The result is null and not false if one of the values is null.
            true => format!("(s.{name} = w.{name} OR COALESCE(s.{name}, w.{name}) IS NULL)"),
            false => format!("s.{name} = w.{name}"),
        }
    };
    let same: Vec<_> = tables.ordered().iter().map(is_same).collect();
    format!(
        "SELECT
    {},
    {} AS is_same
{}",
        qualified(tables.fact.key(), "s").join(", "),
        same.join("\n    AND "),
        from_existing(tables)
    )
}

fn from_existing(tables: &FactTables) -> String {
    let fact = tables.fact;
    let on = equal(fact.key(), "w", "s").join(" AND ");
    format!("FROM {} s\nJOIN {} w ON {on}", staged_name(fact), fact.name)
}

/// Returns the query of PostgreSQL for the events whose deliveries differ.
fn changed_events(tables: &FactTables) -> String {
    let FactTables { fact, keys, .. } = *tables;
    let key = tables.lookup_key();
    let renamed = |alias: &str, prefix: &str| -> Vec<String> {
        let names = names(key).into_iter();
        let renamed = names.map(|name| renamed_column(alias, name, &format!("{prefix}_{name}")));
        renamed.collect()
    };
    let select = select_groups(
        &[
            qualified(fact.key(), "r"),
            renamed("n", "new"),
            renamed("o", "old"),
        ],
        0,
    );
    let differ = compare_rows(
        &qualified(key, "n"),
        "IS DISTINCT FROM",
        &qualified(key, "o"),
        4,
    );
    format!(
        "{select}
FROM {existing} r
LEFT JOIN {staged} n ON {n}
LEFT JOIN {state} o ON {o}
WHERE r.is_same IS NOT TRUE OR {differ}",
        existing = existing_name(fact),
        staged = staged_name(keys),
        state = keys.name,
        n = equal(fact.key(), "n", "r").join(" AND "),
        o = equal(fact.key(), "o", "r").join(" AND "),
    )
}

/// Returns the query of PostgreSQL for the changed deliveries that come before the loaded ones.
fn compared_deliveries(tables: &FactTables) -> String {
    let FactTables {
        fact, rule, lookup, ..
    } = *tables;
    let key = tables.lookup_key();
    let value = |alias: &'static str, prefix: &'static str| {
        move |name: &str| match key.iter().any(|column| column.name == name) {
            true => format!("d.{prefix}_{name}"),
            false => format!("{alias}.{name}"),
        }
    };
    let columns = compared_columns(tables);
    let values = order_values(
        Dialect::Postgres,
        rule.order,
        &columns,
        value("s", "new"),
        value("w", "old"),
    );
    let row = |side: usize| -> String {
        let lines = values.iter().map(|term| {
            let values: Vec<_> = term.iter().map(|pair| pair[side].as_str()).collect();
            values.join(", ")
        });
        lines.collect::<Vec<_>>().join(",\n        ")
    };
    let (first, second) = (row(0), row(1));

    let selected_keys = key
        .iter()
        .map(|column| format!("d.new_{0} AS {0}", column.name));
    let matches = key
        .iter()
        .map(|column| format!("k.{0} = d.new_{0}", column.name));
    format!(
        "{select}
FROM {changed} d
JOIN {staged} s ON {s}
JOIN {fact} w ON {w}
LEFT JOIN {lookup} k ON {matches}
WHERE
    (
        {first}
    ) < (
        {second}
    )",
        select = select_groups(&[delivery_columns(tables, "s"), selected_keys.collect()], 0),
        changed = changed_name(fact),
        staged = staged_name(fact),
        s = equal(fact.key(), "s", "d").join(" AND "),
        fact = fact.name,
        w = equal(fact.key(), "w", "d").join(" AND "),
        lookup = lookup.name,
        matches = matches.collect::<Vec<_>>().join(" AND "),
    )
}

/// Returns the query of Redshift for the deliveries that come before the loaded ones.
fn ranked_deliveries(tables: &FactTables) -> String {
    let FactTables {
        fact,
        rule,
        lookup,
        keys,
    } = *tables;
    let key = tables.lookup_key();
    let columns = [fact.key().to_vec(), compared_columns(tables)].concat();
    let ranking = Ranking {
        dialect: Dialect::Redshift,
        key: fact.key(),
        columns: &columns,
        order: rule.order,
    };
    let own = [fact.key().to_vec(), tables.ordered()].concat();
    let query = |alias: &str, fact_rows: &str, key_rows: &str, is_staged: bool| {
        let from = vec![
            format!("{} r", existing_name(fact)),
            format!(
                "JOIN {fact_rows} {alias} ON {}",
                equal(fact.key(), alias, "r").join(" AND ")
            ),
            format!(
                "LEFT JOIN {key_rows} l ON {}",
                equal(fact.key(), "l", "r").join(" AND ")
            ),
        ];
        candidates(
            [qualified(&own, alias), qualified(key, "l")],
            is_staged,
            from,
        )
    };
    format!(
        "{}
FROM (
{}
) AS d
LEFT JOIN {} k ON {}
{}",
        select_groups(&[delivery_columns(tables, "d"), qualified(key, "d")], 0),
        ranking.query(
            &query("s", &staged_name(fact), &staged_name(keys), true),
            &query("w", fact.name, keys.name, false)
        ),
        lookup.name,
        equal(key, "k", "d").join(" AND "),
        where_all(&["d.rn = 1".to_owned(), "d.is_staged = 1".to_owned()], 0)
    )
}

/// Returns the columns of the order. Those of the lookup are null if an event has no key.
fn compared_columns(tables: &FactTables) -> Vec<ColumnSchema> {
    let key = tables.lookup_key().iter().map(|column| column.or_null());
    tables.ordered().into_iter().chain(key).collect()
}

/// Returns the key of the fact table and its columns that may differ, in a delivery and the row `k` of the lookup table.
fn delivery_columns(tables: &FactTables, delivery: &str) -> Vec<String> {
    let varying = tables.varying();
    let value = |column: &ColumnSchema| match tables.lookup_column(column) {
        Some(source) => renamed_column("k", source.name, column.name),
        None => format!("{delivery}.{}", column.name),
    };
    let mut columns = qualified(tables.fact.key(), delivery);
    columns.extend(varying.iter().map(value));
    columns
}
