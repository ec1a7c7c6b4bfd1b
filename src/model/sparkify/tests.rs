//! The built-in model is consistent.

use std::collections::BTreeSet;

use super::model::SPARKIFY;
use crate::model::column::ColumnType::{BigInt, Double, Integer, SmallInt, Timestamp, Varchar};
use crate::model::column::{ColumnSchema, ValueSource};
use crate::model::record::FieldType;
use crate::model::rule::{OrderTerm, TableRule};
use crate::model::table::TableSchema;

fn all_tables() -> impl Iterator<Item = &'static TableSchema> {
    SPARKIFY.dataset_tables().chain([SPARKIFY.load_history])
}

#[test]
fn names_are_distinct() {
    let mut tables = BTreeSet::new();
    let mut dirs = BTreeSet::new();
    for table in all_tables() {
        assert!(tables.insert(table.name), "{}", table.name);
        assert!(dirs.insert(table.dir), "{}", table.dir);
        let columns: BTreeSet<_> = table.columns.iter().map(|column| column.name).collect();
        assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
    }
}

/// A column has a type that can hold the values of its field, and is nullable if the field is.
#[test]
fn columns_fit_their_fields() {
    for table in all_tables() {
        let field = |key: &str| {
            let record = SPARKIFY.record_of(table).unwrap();
            *record.fields.iter().find(|field| field.key == key).unwrap()
        };
        for column in table.columns {
            let context = format!("{}.{}", table.name, column.name);
            match column.source {
                ValueSource::Field(key) => {
                    let field = field(key);
                    let fits = match (field.ty, column.ty) {
                        (
                            FieldType::Text { max_bytes } | FieldType::DictText { max_bytes },
                            Varchar(bytes),
                        ) => bytes == max_bytes,
                        (FieldType::Int32, Integer) | (FieldType::Double, Double) => true,
                        (FieldType::Int64 { .. }, BigInt | Timestamp) => true,
                        _ => false,
                    };
                    assert!(fits, "{context}");
                    // A row of the keys of a lookup exists only if all values are there.
                    let is_key = matches!(table.rule, TableRule::LookupKeys { .. });
                    assert_eq!(column.nullable, !field.required && !is_key, "{context}");
                }
                ValueSource::Hash(keys) => {
                    assert!(keys.iter().all(|key| field(key).key == *key));
                    assert_eq!((column.ty, column.nullable), (BigInt, false), "{context}");
                }
                ValueSource::CalendarPart(key, _) => {
                    assert!(
                        matches!(field(key).ty, FieldType::Int64 { .. }),
                        "{context}"
                    );
                    assert_eq!((column.ty, column.nullable), (SmallInt, false), "{context}");
                }
                ValueSource::Lookup(name) => {
                    let looked_up = SPARKIFY.lookup().0.column(name).unwrap();
                    assert_eq!(
                        (column.ty, column.nullable),
                        (looked_up.ty, true),
                        "{context}"
                    );
                }
                ValueSource::Engine => {
                    assert!(SPARKIFY.record_of(table).is_none(), "{context}")
                }
            }
        }
    }
}

#[test]
fn references_point_to_primary_keys() {
    for table in all_tables() {
        for reference in table.references {
            let column = table.column(reference.column).unwrap();
            let [key] = SPARKIFY.table(reference.table).key() else {
                panic!("{} has a primary key of one column", reference.table)
            };
            assert_eq!(column.ty, key.ty, "{}", reference.name);
        }
        assert!(
            table.column(table.redshift.sort_key).is_some(),
            "{}",
            table.name
        );
    }
}

/// A later load must be able to repeat each choice.
#[test]
fn every_order_is_in_a_table_and_its_state() {
    let names = |table: &TableSchema| -> Vec<&str> {
        table.columns.iter().map(|column| column.name).collect()
    };
    for table in all_tables() {
        let (order, state, key) = match table.rule {
            TableRule::Pick(rule) => (rule.order, rule.state, table.key()),
            TableRule::Fact(rule) => (rule.order, Some(rule.lookup.keys), table.key()),
            _ => continue,
        };
        let mut known = names(table);
        if let Some(state) = state {
            let state = SPARKIFY.table(state);
            assert_eq!(
                state.columns[..key.len()]
                    .iter()
                    .map(|c| c.name)
                    .collect::<Vec<_>>(),
                key.iter().map(|c| c.name).collect::<Vec<_>>()
            );
            known.extend(names(state));
        }
        for name in order.iter().flat_map(OrderTerm::columns) {
            assert!(known.contains(name), "{}: {name}", table.name);
        }
    }
}

#[test]
fn lookup_keys_are_the_primary_key_of_the_lookup_table() {
    let (fact, rule) = SPARKIFY.fact();
    let (table, lookup_rule) = SPARKIFY.lookup();
    assert_eq!(lookup_rule.state, None);
    let keys = SPARKIFY.table(rule.lookup.keys);
    let key = |column: &ColumnSchema| (column.name, column.ty);
    let found: Vec<_> = keys.columns[fact.key_len..].iter().map(key).collect();
    assert_eq!(found, table.key().iter().map(key).collect::<Vec<_>>());
}

/// The choice between deliveries would otherwise not determine the row.
#[test]
fn deliveries_differ_only_in_the_order_and_the_lookup() {
    let (fact, rule) = SPARKIFY.fact();
    let [key] = fact.key() else {
        panic!("the key has one column")
    };
    let ValueSource::Hash(hashed) = key.source else {
        panic!("the key is a hash")
    };
    for column in fact.values() {
        let is_determined = match column.source {
            ValueSource::Field(field) | ValueSource::CalendarPart(field, _) => {
                hashed.contains(&field)
                    || rule
                        .order
                        .iter()
                        .any(|term| term.columns().contains(&column.name))
            }
            ValueSource::Lookup(_) => true,
            ValueSource::Hash(_) | ValueSource::Engine => false,
        };
        assert!(is_determined, "{}", column.name);
    }
}

#[test]
fn load_history_has_the_columns_of_source_objects() {
    let [_, source @ .., loaded_at] = SPARKIFY.load_history.columns else {
        panic!("the history has more than one column")
    };
    assert_eq!(source, SPARKIFY.source_objects().columns);
    assert_eq!(loaded_at.ty, Timestamp);
}

#[test]
fn tables_follow_those_they_refer_to() {
    let tables = SPARKIFY.warehouse_tables_by_dependency();
    let position = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
    assert_eq!(tables.len(), SPARKIFY.warehouse_tables().count());
    for table in &tables {
        for reference in table.references {
            assert!(
                position(reference.table) < position(table.name),
                "{}",
                reference.name
            );
        }
    }
}

#[test]
#[should_panic(expected = "a name in the model belongs to a table of the model")]
fn unknown_table_fails_loudly() {
    SPARKIFY.table("nothing");
}

#[test]
#[should_panic(expected = "a name in the model belongs to a record of the model")]
fn unknown_record_fails_loudly() {
    SPARKIFY.record("nothing");
}
