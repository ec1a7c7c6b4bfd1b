//! Tests of the transform of the built-in model, and of one with other names, keys and orders.

use std::collections::BTreeSet;

use super::checks::{check_statements, rejected_records_statement};
use super::raw_staging::raw_staging_statements;
use super::record_counts::record_counts_statement;
use super::scripts::transform_scripts;
use super::statements::transform_statements;
use crate::model::sparkify::SPARKIFY;
use crate::model::{Model, RecordSchema};
use crate::warehouse::sql::generator::shops::SHOPS;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns all statements from the creation of the tables of raw records on.
fn all_statements(model: &Model) -> Vec<Statement> {
    let rejected = model.records.iter();
    let rejected = rejected.map(|record| rejected_records_statement(record));
    [
        raw_staging_statements(model, false),
        check_statements(model),
        vec![record_counts_statement(model)],
        rejected.collect(),
        transform_statements(model),
    ]
    .concat()
}

fn words(sql: &str) -> BTreeSet<&str> {
    sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .collect()
}

/// Returns the names of the tables and columns, and of the keys of the records.
fn names(model: &Model) -> BTreeSet<String> {
    let tables = model.all_tables().flat_map(|table| {
        let columns = table.columns.iter().map(|column| column.name);
        columns.chain([table.name])
    });
    let keys = model.records.iter().flat_map(|record: &&RecordSchema| {
        let columns = record.staging_columns().into_iter();
        columns.flat_map(|column| [column.key.to_owned(), column.name])
    });
    tables.map(str::to_owned).chain(keys).collect()
}

#[test]
fn all_names_are_those_of_the_model() {
    // Words of SQL and of comments, the column of a check, and a kind of object.
    let other = BTreeSet::from(["day", "kind", "object", "name", "time", "song"]);
    let foreign = names(&SPARKIFY);
    for statement in all_statements(&SHOPS) {
        for text in [&statement.sql, &statement.comment] {
            let found: Vec<_> = words(text)
                .into_iter()
                .filter(|word| foreign.contains(*word) && !other.contains(word))
                .collect();
            assert_eq!(found, [""; 0], "{text}");
        }
    }
}

#[test]
fn columns_of_created_tables_are_distinct() {
    for model in [&SPARKIFY, &SHOPS] {
        for statement in all_statements(model) {
            let Some((_, query)) = statement.sql.split_once(" AS\nSELECT") else {
                continue;
            };
            let end = query.find("\nFROM ").unwrap();
            let mut columns = BTreeSet::new();
            let mut depth = 0;
            let mut item = String::new();
            for c in query[..end].chars().chain([',']) {
                depth += i32::from(c == '(') - i32::from(c == ')');
                if c == ',' && depth == 0 {
                    let name = item.rsplit([' ', '.', '\n']).next().unwrap().to_owned();
                    assert!(columns.insert(name), "{item}: {}", statement.sql);
                    item.clear();
                } else {
                    item.push(c);
                }
            }
        }
    }
}

#[test]
fn all_tables_of_a_dataset_are_filled_once() {
    for model in [&SPARKIFY, &SHOPS] {
        let statements = transform_statements(model);
        for table in model.dataset_tables() {
            let fills = |statement: &&Statement| statement.effect == Effect::Transform(table);
            assert_eq!(statements.iter().filter(fills).count(), 1, "{}", table.name);
        }
    }
}

#[test]
fn effects_are_what_the_statements_do() {
    for model in [&SPARKIFY, &SHOPS] {
        for Statement { effect, sql, .. } in all_statements(model) {
            let start = match effect {
                Effect::Transform(table) => format!("INSERT INTO staged_{} (", table.name),
                Effect::Check(_) => "SELECT".to_owned(),
                Effect::Temporary if sql.starts_with("INSERT") => "INSERT INTO valid_".to_owned(),
                _ => "CREATE TEMP TABLE ".to_owned(),
            };
            assert!(sql.starts_with(&start), "{effect:?}: {sql}");
        }
    }
}

#[test]
fn temporary_tables_are_created_before_they_are_used() {
    for model in [&SPARKIFY, &SHOPS] {
        let mut created = BTreeSet::new();
        for statement in all_statements(model) {
            let sql = statement
                .sql
                .replace("\nJOIN ", "\nFROM ")
                .replace("LEFT JOIN ", "FROM ");
            for (start, _) in sql.match_indices("FROM ") {
                let name = sql[start..].split_whitespace().nth(1).unwrap();
                let is_table = name.starts_with(|c: char| c.is_ascii_lowercase());
                // An EXTRACT takes a part of a column, and the staged tables exist before.
                if is_table && !name.contains('.') && !name.starts_with("staged_") {
                    assert!(
                        created.contains(name.trim_end_matches(')')),
                        "{name}: {sql}"
                    );
                }
            }
            if let Some(rest) = sql.strip_prefix("CREATE TEMP TABLE ") {
                let name = rest.split_whitespace().next().unwrap();
                assert!(created.insert(name.to_owned()), "{name}");
            }
        }
    }
}

/// The scripts are what the program executes.
#[test]
fn scripts_have_all_statements() {
    for model in [&SPARKIFY, &SHOPS] {
        let scripts = transform_scripts(model);
        let in_scripts = scripts.into_iter().flat_map(|script| script.statements);
        let in_scripts: Vec<_> = in_scripts
            .filter(|statement| {
                !matches!(
                    statement.effect,
                    Effect::CopyRecords(_) | Effect::CopySourceObjects
                ) && !statement.sql.contains("pg_last_copy_id")
            })
            .collect();
        assert_eq!(in_scripts, all_statements(model));
    }
}

#[test]
fn filter_compares_exactly() {
    let statements = check_statements(&SHOPS);
    let has = |text: &str| {
        statements
            .iter()
            .any(|statement| statement.sql.contains(text))
    };
    assert!(has(
        "FROM staging_sales\nWHERE bookingtype = 'it''s sold' AND OCTET_LENGTH(bookingtype) = 9"
    ));
    assert!(has("FROM staging_prices"));
}

/// Texts of 64 KiB that are only hashed stay in the table of raw records.
#[test]
fn fields_that_are_only_hashed_are_not_copied() {
    let statements = check_statements(&SPARKIFY);
    let valid =
        |statement: &&Statement| statement.sql.starts_with("CREATE TEMP TABLE valid_events");
    let valid = statements.iter().find(valid).unwrap();
    let columns: Vec<_> = valid
        .sql
        .lines()
        .map(|line| line.trim_end_matches(','))
        .collect();
    assert!(columns.contains(&"    CAST(level AS VARCHAR(16)) AS level"));
    assert!(!columns.contains(&"    song") && !columns.contains(&"    artist"));
}

/// The latest record of a key is found without sorting all of them, unless the key is a text.
#[test]
fn only_last_records_are_sorted() {
    let sql = |model: &Model, name: &str| {
        let statements = transform_statements(model);
        let created = format!("CREATE TEMP TABLE picked_{name} ");
        let filled = format!("INSERT INTO staged_{name} ");
        let is_pick = |statement: &Statement| {
            statement.sql.starts_with(&created) || statement.sql.starts_with(&filled)
        };
        statements.into_iter().find(is_pick).unwrap().sql
    };
    assert!(sql(&SPARKIFY, "users").contains("MAX(ts) AS last_value"));
    assert!(!sql(&SPARKIFY, "songs").contains("MAX("));
    assert!(!sql(&SHOPS, "prices").contains("MAX("));
}
