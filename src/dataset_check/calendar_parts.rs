//! Compares the parts of times with the times.

use std::fmt;

use arrow_array::RecordBatch;
use chrono::{DateTime, Datelike, NaiveDate, Timelike};

use super::integers::integers;
use crate::model::{CalendarPart, TableSchema, ValueSource};

/// The columns of a table that are parts of a time in another column.
#[derive(Debug)]
pub(super) struct CalendarParts {
    /// The position of the time, and the position, the name and the part of each column.
    columns: Vec<(usize, usize, &'static str, CalendarPart)>,
}

/// A part that is not the one of its time.
#[derive(Debug)]
pub(super) struct WrongPart {
    /// The row in the batch.
    pub row: usize,
    column: &'static str,
    found: i64,
    expected: i64,
    time: i64,
}

impl fmt::Display for WrongPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_micros(self.time).unwrap_or_default();
        let time = time.format("%Y-%m-%dT%H:%M:%S%.3f");
        let Self {
            column,
            found,
            expected,
            ..
        } = self;
        write!(f, "{column} is {found}, expected {expected} for {time}")
    }
}

impl CalendarParts {
    /// Finds the columns of a table; most tables have none.
    pub(super) fn new(table: &TableSchema) -> Self {
        let of_column = |(position, column): (usize, &crate::model::ColumnSchema)| {
            let ValueSource::CalendarPart(key, part) = column.source else {
                return None;
            };
            let is_time =
                |other: &crate::model::ColumnSchema| other.source == ValueSource::Field(key);
            let time = table.columns.iter().position(is_time)?;
            Some((time, position, column.name, part))
        };
        let columns = table.columns.iter().enumerate();
        Self {
            columns: columns.filter_map(of_column).collect(),
        }
    }

    /// Returns the first column with a wrong part, with the first of its rows. Times must be within the calendar.
    pub(super) fn first_wrong(&self, batch: &RecordBatch) -> Option<WrongPart> {
        self.columns
            .iter()
            .find_map(|&(time, position, column, part)| {
                let times = integers(batch.column(time))?;
                let values = integers(batch.column(position))?;
                let mut day = None;
                let rows = times.iter().zip(values.iter()).enumerate();
                let mut wrong = rows.filter_map(|(row, (&time, &found))| {
                    let expected = value(part, time, &mut day);
                    (found != expected).then_some(WrongPart {
                        row,
                        column,
                        found,
                        expected,
                        time,
                    })
                });
                wrong.next()
            })
    }
}

/// Returns a part of a time in microseconds since 1970. `day` has the part of the last day, because the times of a day are
/// mostly together.
fn value(part: CalendarPart, time: i64, day: &mut Option<(i64, i64)>) -> i64 {
    const DAY: i64 = 86_400_000_000;
    let days = time.div_euclid(DAY);
    if let Some((last, value)) = *day
        && last == days
        && part != CalendarPart::Hour
    {
        return value;
    }
    let time = DateTime::from_timestamp_micros(time).unwrap_or_default();
    let date: NaiveDate = time.date_naive();
    let value = match part {
        CalendarPart::Hour => time.hour().into(),
        CalendarPart::Day => date.day().into(),
        CalendarPart::Week => date.iso_week().week().into(),
        CalendarPart::Month => date.month().into(),
        CalendarPart::Year => date.year().into(),
        CalendarPart::Weekday => date.weekday().num_days_from_sunday().into(),
    };
    *day = Some((days, value));
    value
}
