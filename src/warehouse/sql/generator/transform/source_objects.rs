//! Generates the rows of the source objects.

use super::insert::insert_into_staged;
use super::raw_staging::{COPY_REJECTS, SOURCE_LIST, source_column};
use super::record_tables::{rejected_table, valid_table};
use crate::input::RecordKind;
use crate::model::{ColumnSchema, EngineValue, Model, RecordSchema, ValueSource};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::expression::{equal, exact, exactly_equal};
use crate::warehouse::sql::statement::Statement;

/// Returns the statement that fills the staged table of the source objects.
pub(super) fn source_objects_statement(model: &Model) -> Statement {
    let table = model.source_objects();
    let values: Vec<_> = table
        .columns
        .iter()
        .map(|column| value(model, column))
        .collect();
    let [kind, object] =
        [EngineValue::ObjectKind, EngineValue::ObjectName].map(|value| source_column(model, value));
    let version = source_column(model, EngineValue::ObjectVersion);
    let rejected = source_column(model, EngineValue::RejectedRecords).name;
    let on_object = [
        equal(&[kind], "c", "o"),
        exactly_equal(Dialect::Redshift, &[object], "c", "o"),
    ]
    .concat();
    let query = format!(
        "SELECT
    {}
FROM (
    SELECT
        {kind}, {object}, {version},
        ROW_NUMBER() OVER (PARTITION BY {kind} ORDER BY {order}) AS rn
    FROM {SOURCE_LIST}
) AS o
LEFT JOIN (
    SELECT {kind}, {object}, SUM({rejected}) AS {rejected}
    FROM {COPY_REJECTS}
    GROUP BY {kind}, {object}
) AS c
    ON {}",
        values.join(",\n    "),
        on_object.join(" AND "),
        kind = kind.name,
        object = object.name,
        version = version.name,
        order = exact(Dialect::Redshift, object, object.name),
    );
    insert_into_staged(table, &query).with_comment(
        "The objects. COPY does not tell from which of them a record is, so the first object of each kind has the counts of \
         all records of that kind: of the valid ones, and of those that the checks rejected. The records that COPY could not \
         read are counted for their object. Their bytes are not known.",
    )
}

/// Returns the value of a column, for an object `o` and the records `c` that COPY could not read.
fn value(model: &Model, column: &ColumnSchema) -> String {
    let name = column.name;
    let ValueSource::Engine(value) = column.source else {
        unreachable!("source objects have no values of records")
    };
    match value {
        EngineValue::KeptRecords => {
            format!("{} AS {name}", count_at_first_object(model, valid_table, 4))
        }
        EngineValue::RejectedRecords => format!(
            "COALESCE(c.{name}, 0) + {} AS {name}",
            count_at_first_object(model, rejected_table, 4)
        ),
        EngineValue::RejectedBytes => format!("CAST(NULL AS BIGINT) AS {name}"),
        EngineValue::ObjectKind
        | EngineValue::ObjectName
        | EngineValue::ObjectVersion
        | EngineValue::Run
        | EngineValue::LoadedAt
        | EngineValue::LoadedBy
        | EngineValue::LoadSeconds => format!("o.{name}"),
    }
}

/// Returns the number of rows of the table of a kind of record, for the first object of that kind, and 0 for the others.
fn count_at_first_object(
    model: &Model,
    table: impl Fn(&RecordSchema) -> String,
    indent: usize,
) -> String {
    let pad = " ".repeat(indent);
    let kind = source_column(model, EngineValue::ObjectKind).name;
    let cases: String = model
        .records
        .iter()
        .map(|record| {
            format!(
                "\n{pad}    WHEN o.rn = 1 AND o.{kind} = '{}' THEN (SELECT COUNT(*) FROM {})",
                object_kind(model, record).singular(),
                table(record)
            )
        })
        .collect();
    format!("CASE{cases}\n{pad}    ELSE 0\n{pad}END")
}

/// Returns the kind of the objects that contain a kind of record.
pub(super) fn object_kind(model: &Model, record: &RecordSchema) -> RecordKind {
    match record.name == model.fact().1.record {
        true => RecordKind::Log,
        false => RecordKind::Song,
    }
}
