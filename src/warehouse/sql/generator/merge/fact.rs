//! Generates the merge of the fact table, whose events are looked up in a table that is merged before.

use super::deliveries::pick_deliveries;
use super::fact_tables::FactTables;
use super::order::order_values;
use super::rows::update;
use crate::model::{ColumnSchema, PickRule, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{
    insert_into, names, renamed_column, select, where_all,
};
use crate::warehouse::sql::generator::expression::{equal, qualified, rows_differ};
use crate::warehouse::sql::generator::list::wrapped_list;
use crate::warehouse::sql::generator::temp_table::{
    create_temp_table, earlier_name, existing_name, matched_name, new_name, staged_name,
};
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements that create the temporary table of the rows of the lookup table that match staged events and are
/// not in the staging tables. They come before the merge of the lookup table.
pub(super) fn find_earlier_matches(
    tables: &FactTables,
    dialect: Dialect,
    rule: PickRule,
) -> Vec<Statement> {
    let lookup = tables.lookup;
    let key = lookup.key();
    let values = order_values(
        dialect,
        rule.order,
        lookup.columns,
        |column| format!("k.{column}"),
        |column| format!("s.{column}"),
    );
    let mut conditions = vec![format!("s.{} IS NULL", key[0].name)];
    conditions.extend(comes_before(&values.concat()));
    let query = format!(
        "{}\nFROM {} k\nLEFT JOIN {} s ON {}\nWHERE\n    {}",
        select(&qualified(lookup.columns, "k")),
        lookup.name,
        staged_name(lookup),
        equal(key, "s", "k").join(" AND "),
        conditions.join("\n    OR ")
    );
    let mut statements = create_temp_table(dialect, &earlier_name(lookup), &query);
    statements[0].comment = format!(
        "The rows of {} from earlier batches for whose keys this batch has no row, or only a later one.",
        lookup.name
    );
    statements
}

/// Returns conditions of which one is met if the first row comes before the second, from their values by an order.
fn comes_before(values: &[[String; 2]]) -> Vec<String> {
    let condition = |(position, [first, second]): (usize, &[String; 2])| {
        let before = format!("{first} < {second}");
        let equal = values[..position]
            .iter()
            .map(|[first, second]| format!("{first} = {second}"));
        let conditions: Vec<_> = equal.chain([before]).collect();
        match &conditions[..] {
            [before] => before.clone(),
            _ => format!("({})", conditions.join(" AND ")),
        }
    };
    values.iter().enumerate().map(condition).collect()
}

/// Returns the statements that merge the staged events, after the merge of the lookup table.
pub(super) fn merge_fact(tables: &FactTables, dialect: Dialect) -> Vec<Statement> {
    let mut statements = pick_deliveries(tables, dialect);
    statements.extend(delete_existing(tables));
    statements.push(match_staged(tables));
    statements.push(delete_replaced_keys(tables));
    statements.extend(match_earlier(tables, dialect));
    statements.push(replace_deliveries(tables, dialect));
    statements.extend(insert_new(tables));
    statements
}

/// Returns the statements that delete the loaded events from the staging tables.
fn delete_existing(tables: &FactTables) -> [Statement; 2] {
    let FactTables { fact, keys, .. } = *tables;
    let delete = |table: &TableSchema| {
        let sql = delete_using(fact, &staged_name(table), &existing_name(fact));
        Statement::new(Effect::Temporary, sql)
    };
    [
        delete(keys).with_comment(
            "Delete the loaded events from the staging tables. The remaining ones are new.",
        ),
        delete(fact),
    ]
}

/// Returns the text that deletes the rows of a table that have the keys of events of a temporary table.
fn delete_using(fact: &TableSchema, table: &str, source: &str) -> String {
    let conditions = equal(fact.key(), source, table);
    format!(
        "DELETE FROM {table}\nUSING {source}\n{}",
        where_all(&conditions, 0)
    )
}

/// Returns the statement that fills the columns of staged events from rows of the lookup table that were loaded earlier.
fn match_staged(tables: &FactTables) -> Statement {
    let FactTables {
        fact, lookup, keys, ..
    } = *tables;
    let set = tables.looked_up().into_iter();
    let set = set.map(|(column, source)| format!("{} = k.{}", column.name, source.name));
    let conditions = [
        equal(tables.lookup_key(), "l", "k"),
        equal(fact.key(), &staged_name(fact), "l"),
    ];
    let sql = format!(
        "UPDATE {} SET\n    {}\nFROM {} l, {} k\n{}",
        staged_name(fact),
        wrapped_list(set, 4),
        staged_name(keys),
        earlier_name(lookup),
        where_all(&conditions.concat(), 0)
    );
    Statement::new(Effect::Temporary, sql).with_comment(format!(
        "Match events of this batch with rows of {} of earlier batches.",
        lookup.name
    ))
}

/// Returns the statement that deletes the lookup keys of the events that get those of another delivery.
fn delete_replaced_keys(tables: &FactTables) -> Statement {
    let FactTables {
        fact, lookup, keys, ..
    } = *tables;
    let sql = delete_using(fact, keys.name, &new_name(fact));
    Statement::new(Effect::Delete(keys), sql).with_comment(format!(
        "Match events of earlier batches with rows of {} of this batch. Events with another delivery are updated \
         afterwards, so that each event changes once.",
        lookup.name
    ))
}

/// Returns the statements that fill the columns of loaded events from rows of the lookup table of this batch.
fn match_earlier(tables: &FactTables, dialect: Dialect) -> Vec<Statement> {
    let FactTables {
        fact, lookup, keys, ..
    } = *tables;
    let looked_up = tables.looked_up();
    let mut selected = qualified(fact.key(), "l");
    let values = looked_up.iter();
    selected.extend(values.map(|(column, source)| renamed_column("n", source.name, column.name)));
    let query = format!(
        "{}\nFROM {} l\nJOIN {} n ON {}",
        select(&selected),
        keys.name,
        new_name(lookup),
        equal(tables.lookup_key(), "n", "l").join(" AND ")
    );
    let mut statements = create_temp_table(dialect, &matched_name(fact), &query);
    let columns: Vec<ColumnSchema> = looked_up.into_iter().map(|(column, _)| column).collect();
    let key = equal(fact.key(), fact.name, "n");
    statements.push(update(fact, &columns, &matched_name(fact), &key));
    statements
}

/// Returns the statement that updates the events that get the values of another delivery.
fn replace_deliveries(tables: &FactTables, dialect: Dialect) -> Statement {
    let fact = tables.fact;
    let varying = tables.varying();
    let mut conditions = equal(fact.key(), fact.name, "n");
    conditions.push(rows_differ(dialect, &varying, fact.name, "n", 4));
    update(fact, &varying, &new_name(fact), &conditions)
}

/// Returns the statements that insert the remaining staged events, and the lookup keys of new deliveries.
fn insert_new(tables: &FactTables) -> [Statement; 3] {
    let FactTables { fact, keys, .. } = *tables;
    let insert = |table: &'static TableSchema, from: &str| {
        let sql = format!(
            "{}\n{}\nFROM {from}",
            insert_into(table),
            select(&names(table.columns))
        );
        Statement::new(Effect::Insert(table), sql)
    };
    let has_key = format!(
        "{}\nWHERE {} IS NOT NULL",
        new_name(fact),
        tables.lookup_key()[0].name
    );
    [
        insert(fact, &staged_name(fact))
            .with_comment(format!("Insert the new rows of {}.", fact.name)),
        insert(keys, &staged_name(keys)),
        insert(keys, &has_key),
    ]
}
