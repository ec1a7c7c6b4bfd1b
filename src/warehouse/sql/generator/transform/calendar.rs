//! Generates the calendar: the parts of each distinct time of the valid records.

use super::insert::insert_into_staged;
use super::record_tables::valid_table;
use super::record_values::record_value;
use crate::model::{CalendarPart, ColumnSchema, Model, TableSchema, ValueSource};
use crate::warehouse::sql::statement::Statement;

/// Returns the statement that fills the staged table of a calendar.
pub(super) fn calendar_statement(model: &Model, table: &'static TableSchema) -> Statement {
    let record = model.record(model.fact().1.record);
    let time = &table.columns[0];
    let value = |column: &ColumnSchema| match column.source {
        ValueSource::CalendarPart(_, part) => {
            format!(
                "{} AS {}",
                part_of(part, &format!("t.{}", time.name)),
                column.name
            )
        }
        ValueSource::Field(_)
        | ValueSource::Hash(_)
        | ValueSource::Lookup(_)
        | ValueSource::Engine(_) => format!("t.{}", column.name),
    };
    let values: Vec<_> = table.columns.iter().map(value).collect();
    let distinct = record_value(time, "v");
    let query = format!(
        "SELECT
    {}
FROM (
    SELECT DISTINCT {distinct} AS {}
    FROM {} v
) AS t",
        values.join(",\n    "),
        time.name,
        valid_table(record)
    );
    let mut comment = "The times of all deliveries.".to_owned();
    let has_week = |column: &ColumnSchema| {
        matches!(
            column.source,
            ValueSource::CalendarPart(_, CalendarPart::Week)
        )
    };
    if table.columns.iter().any(has_week) {
        comment.push_str(
            " A week by ISO 8601 is the week of its Thursday: the number of the Thursday in the year tells which one.",
        );
    }
    insert_into_staged(table, &query).with_comment(comment)
}

/// Returns a part of a time. The week does not rely on the database's own, for which documentations have several
/// definitions.
fn part_of(part: CalendarPart, time: &str) -> String {
    let extract = |part: &str, time: &str| format!("EXTRACT({part} FROM {time})");
    let small = |value: String| format!("CAST({value} AS SMALLINT)");
    match part {
        CalendarPart::Hour => small(extract("hour", time)),
        CalendarPart::Day => small(extract("day", time)),
        CalendarPart::Month => small(extract("month", time)),
        CalendarPart::Year => small(extract("year", time)),
        CalendarPart::Weekday => small(extract("dow", time)),
        CalendarPart::Week => {
            let weekday = format!("CAST({} AS INTEGER)", extract("dow", time));
            let thursday = format!("{time} + (3 - MOD({weekday} + 6, 7)) * INTERVAL '1 day'");
            let day = format!("CAST({} AS INTEGER)", extract("doy", &thursday));
            small(format!("({day} + 6) / 7"))
        }
    }
}
