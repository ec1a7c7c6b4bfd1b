//! The built-in model is consistent, and models that are not are found.

use super::merge_state::{STATE_SONGPLAYS, STATE_SONGS};
use super::model::SPARKIFY;
use super::records::EVENT_RECORD;
use super::star_tables::{ARTISTS, SONGPLAYS, SONGS, TIME, USERS};
use crate::model::column::ColumnType::Integer;
use crate::model::column::ValueSource::{Field, Hash};
use crate::model::column::{ColumnSchema, ValueSource};
use crate::model::rule::OrderTerm::{Ascending, Descending};
use crate::model::rule::{FactRule, PickRule, TableRule};
use crate::model::star::Model;
use crate::model::table::{Reference, TableSchema};

#[test]
fn built_in_model_is_consistent() {
    assert_eq!(SPARKIFY.check(), Ok(()));
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

/// Returns the built-in model with another table in place of the one of the same name.
fn with_table(changed: TableSchema) -> Model {
    let changed: &'static TableSchema = Box::leak(Box::new(changed));
    let replace = |tables: &[&'static TableSchema]| -> &'static [&'static TableSchema] {
        let tables = tables.iter().map(|table| match table.name == changed.name {
            true => changed,
            false => table,
        });
        Box::leak(tables.collect())
    };
    Model {
        star: replace(SPARKIFY.star),
        merge_state: replace(SPARKIFY.merge_state),
        ..SPARKIFY
    }
}

/// Returns a table with one column changed.
fn with_column(table: &TableSchema, name: &str, change: impl Fn(&mut ColumnSchema)) -> TableSchema {
    let mut columns = table.columns.to_vec();
    change(&mut columns[table.position(name).unwrap()]);
    TableSchema {
        columns: Box::leak(columns.into()),
        ..*table
    }
}

fn with_source(table: &TableSchema, name: &str, source: ValueSource) -> Model {
    with_table(with_column(table, name, |column| column.source = source))
}

fn pick_rule(table: &TableSchema) -> PickRule {
    match table.rule {
        TableRule::Pick(rule) => rule,
        _ => panic!("{} is picked", table.name),
    }
}

fn with_pick(table: &TableSchema, change: impl Fn(&mut PickRule)) -> Model {
    let mut rule = pick_rule(table);
    change(&mut rule);
    with_table(TableSchema {
        rule: TableRule::Pick(rule),
        ..*table
    })
}

fn with_fact(change: impl Fn(&mut FactRule)) -> Model {
    let (_, mut rule) = SPARKIFY.fact();
    change(&mut rule);
    with_table(TableSchema {
        rule: TableRule::Fact(rule),
        ..SONGPLAYS
    })
}

/// Each of these models would be computed wrongly, or not at all.
#[test]
fn inconsistent_models_are_found() {
    let songs_refer = |table| {
        let references = [Reference {
            name: "to_songs",
            column: "artist_id",
            table,
        }];
        with_table(TableSchema {
            references: Box::leak(references.into()),
            ..ARTISTS
        })
    };
    let renamed = |name| with_column(&SONGPLAYS, "location", |column| column.name = name);
    let cases = [
        (with_table(renamed("level")), "a column occurs twice"),
        (songs_refer("nothing"), "no table nothing"),
        (songs_refer("songs"), "it refers to itself"),
        (
            with_pick(&USERS, |rule| rule.record = "nothing"),
            "no record nothing",
        ),
        (
            with_fact(|rule| rule.lookup.table = "time"),
            "time is not picked from records",
        ),
        (
            with_fact(|rule| rule.record = "song"),
            "the fact table is looked up in its own record",
        ),
        (
            with_pick(&USERS, |rule| rule.state = None),
            "state_users is not merge state",
        ),
        (
            with_table(with_column(&USERS, "gender", |column| {
                column.nullable = false
            })),
            "column gender: it does not hold the values of its source",
        ),
        (
            with_table(with_column(&SONGS, "duration", |column| {
                column.ty = Integer
            })),
            "column duration: it does not hold the values of its source",
        ),
        (
            with_source(&TIME, "hour", Field("nothing")),
            "its record has no such field",
        ),
        (
            with_source(&SONGPLAYS, "songplay_id", Hash(&["length"])),
            "a double has no documented hash",
        ),
        (
            with_source(&SONGPLAYS, "songplay_id", Hash(&["userId", "song"])),
            "the hash of a field that is not required",
        ),
        (
            with_source(&SONGPLAYS, "songplay_id", Field("ts")),
            "its primary key is not a hash",
        ),
        (
            with_source(&STATE_SONGPLAYS, "song_key", Hash(&["artist", "song"])),
            "song_key is not a key of equal values",
        ),
        (
            with_source(&STATE_SONGS, "song_key", Hash(&["title"])),
            "its keys leave out some of the equal values",
        ),
        (
            with_fact(|rule| rule.lookup.equal = &[("song", "title"), ("length", "year")]),
            "length and year cannot be compared",
        ),
        (
            with_pick(&SONGS, |rule| {
                rule.order = &[
                    Ascending("title"),
                    Ascending("artist_id"),
                    Ascending("year"),
                ]
            }),
            "the order does not decide about duration",
        ),
        (
            with_pick(&USERS, |rule| rule.order = &[Descending("gender")]),
            "the order cannot use gender",
        ),
        (
            with_fact(|rule| rule.order = &[Ascending("level")]),
            "does not decide about location",
        ),
        (
            with_table(TableSchema {
                key_len: 2,
                ..ARTISTS
            }),
            "does not fit",
        ),
        (
            with_table(TableSchema {
                former_names: &["songs"],
                ..ARTISTS
            }),
            "the old name songs is that of another table",
        ),
        (
            with_table(with_column(&USERS, "gender", |column| {
                *column = column.added_later(None);
            })),
            "column level: an upgrade cannot add it",
        ),
    ];
    for (number, (model, expected)) in cases.into_iter().enumerate() {
        let problem = model.check().unwrap_err();
        assert!(problem.contains(expected), "case {number}: {problem}");
    }
}

/// The order of the fields in a hash is a part of the key.
#[test]
fn every_field_of_the_event_key_is_required() {
    let [key] = SONGPLAYS.key() else {
        panic!("the key has one column")
    };
    let Hash(fields) = key.source else {
        panic!("the key is a hash")
    };
    assert_eq!(fields, ["userId", "ts", "sessionId", "itemInSession"]);
    for key in fields {
        let field = EVENT_RECORD.fields.iter().find(|field| field.key == *key);
        assert!(field.unwrap().required);
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
