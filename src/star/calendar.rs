//! Builds the calendar: the parts of each distinct time of the events, for grouping.

use arrow_array::types::{Int16Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, RecordBatch};
use chrono::{DateTime, Datelike};

use super::record_columns::RecordColumns;
use super::row_column::field_index;
use super::table_rows::primitive_array;
use crate::error::{Error, Result};
use crate::model::{CalendarPart, Model, TableSchema, ValueSource};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The number of parts that a time has.
const NUM_PARTS: usize = 6;

/// Returns the position of a part among those that are computed.
fn part_index(part: CalendarPart) -> usize {
    match part {
        CalendarPart::Hour => 0,
        CalendarPart::Day => 1,
        CalendarPart::Week => 2,
        CalendarPart::Month => 3,
        CalendarPart::Year => 4,
        CalendarPart::Weekday => 5,
    }
}

/// Builds the calendar of a model.
#[derive(Debug)]
pub struct CalendarKernel {
    /// The table. Its first column is the time.
    pub(crate) table: &'static TableSchema,
    /// The field of the time in an event, in milliseconds since 1970.
    time: usize,
    /// The columns after the time.
    parts: Vec<CalendarPart>,
}

impl CalendarKernel {
    /// Returns the kernel of the calendar of a model.
    #[expect(clippy::expect_used, clippy::panic, reason = "a model is consistent")]
    pub(super) fn new(model: &Model) -> Self {
        let table = model.calendars().next().expect("a model has a calendar");
        let event = model.record(model.fact().1.record);
        let ValueSource::Field(time) = table.columns[0].source else {
            panic!("the first column of a calendar is a field of the event")
        };
        let parts = table.values().iter().map(|column| match column.source {
            ValueSource::CalendarPart(key, part) if key == time => part,
            ValueSource::CalendarPart(..)
            | ValueSource::Field(_)
            | ValueSource::Hash(_)
            | ValueSource::Lookup(_)
            | ValueSource::Engine => panic!("{} is a part of the time", column.name),
        });
        Self {
            table,
            time: field_index(event, time),
            parts: parts.collect(),
        }
    }

    /// Returns the time of each event, in milliseconds since 1970.
    pub fn times<'a>(&self, events: &'a RecordColumns) -> &'a [i64] {
        events.int64_values(self.time)
    }

    /// Builds the rows for `times`: distinct times in milliseconds since 1970, in rising order.
    ///
    /// # Errors
    /// Returns an error if a year is out of range for SMALLINT or the calendar. The decoder rejects such times.
    pub fn build(&self, times: &[i64]) -> Result<RecordBatch> {
        let mut part_columns: [Vec<i16>; NUM_PARTS] =
            std::array::from_fn(|_| Vec::with_capacity(times.len()));
        let mut microseconds = Vec::with_capacity(times.len());
        // Times are sorted, so the date is computed once for each day.
        let mut current_day: Option<(i64, DateParts)> = None;
        for &ms in times {
            let days = ms.div_euclid(DAY_MS);
            let date = match current_day {
                Some((number, date)) if number == days => date,
                _ => DateParts::from_days(days)
                    .ok_or_else(|| Error::failed(format!("start time {ms} ms is out of range")))?,
            };
            current_day = Some((days, date));
            microseconds.push(ms * 1000);
            let hour = (ms.rem_euclid(DAY_MS) / HOUR_MS) as i16;
            let row = [
                hour,
                date.day,
                date.week,
                date.month,
                date.year,
                date.weekday,
            ];
            for (column, value) in part_columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let mut columns: Vec<ArrayRef> =
            vec![primitive_array::<TimestampMicrosecondType>(microseconds)];
        for part in &self.parts {
            let values = part_columns[part_index(*part)].clone();
            columns.push(primitive_array::<Int16Type>(values));
        }
        RecordBatch::try_new(self.table.arrow_schema(), columns).map_err(Error::from_arrow)
    }
}

/// The parts of one day in UTC.
#[derive(Debug, Clone, Copy)]
struct DateParts {
    day: i16,
    week: i16,
    month: i16,
    year: i16,
    weekday: i16,
}

impl DateParts {
    /// Returns the parts of the day that is `days` days after 1970-01-01.
    fn from_days(days: i64) -> Option<Self> {
        let date = DateTime::from_timestamp_millis(days * DAY_MS)?.date_naive();
        let to_i16 = |n: u32| i16::try_from(n).ok();
        Some(Self {
            day: to_i16(date.day())?,
            week: to_i16(date.iso_week().week())?,
            month: to_i16(date.month())?,
            year: i16::try_from(date.year()).ok()?,
            weekday: to_i16(date.weekday().num_days_from_sunday())?,
        })
    }
}
