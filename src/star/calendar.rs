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
            | ValueSource::Engine(_) => panic!("{} is a part of the time", column.name),
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
        let days = DayRun::split(times)?;
        let microseconds = times.iter().map(|ms| ms * 1000).collect();
        let mut columns: Vec<ArrayRef> =
            vec![primitive_array::<TimestampMicrosecondType>(microseconds)];
        for part in &self.parts {
            let of_each_day = |value: fn(&DayRun) -> i16| {
                let days = days.iter();
                days.flat_map(|day| std::iter::repeat_n(value(day), day.times))
                    .collect()
            };
            let values: Vec<i16> = match part {
                CalendarPart::Hour => {
                    let hour = |ms: &i64| (ms.rem_euclid(DAY_MS) / HOUR_MS) as i16;
                    times.iter().map(hour).collect()
                }
                CalendarPart::Day => of_each_day(|day| day.day),
                CalendarPart::Week => of_each_day(|day| day.week),
                CalendarPart::Month => of_each_day(|day| day.month),
                CalendarPart::Year => of_each_day(|day| day.year),
                CalendarPart::Weekday => of_each_day(|day| day.weekday),
            };
            columns.push(primitive_array::<Int16Type>(values));
        }
        RecordBatch::try_new(self.table.arrow_schema(), columns).map_err(Error::from_arrow)
    }
}

/// Successive times of one day in UTC, and the parts of that day.
#[derive(Debug, Clone, Copy)]
struct DayRun {
    /// The number of times.
    times: usize,
    day: i16,
    week: i16,
    month: i16,
    year: i16,
    weekday: i16,
}

impl DayRun {
    /// Divides times, which are in rising order, by their days.
    fn split(times: &[i64]) -> Result<Vec<Self>> {
        let same_day = |a: &i64, b: &i64| a.div_euclid(DAY_MS) == b.div_euclid(DAY_MS);
        let runs = times.chunk_by(same_day).map(|run| {
            Self::new(run[0].div_euclid(DAY_MS), run.len())
                .ok_or_else(|| Error::failed(format!("start time {} ms is out of range", run[0])))
        });
        runs.collect()
    }

    /// Returns a run of `times` times on the day that is `days` days after 1970-01-01.
    fn new(days: i64, times: usize) -> Option<Self> {
        let date = DateTime::from_timestamp_millis(days * DAY_MS)?.date_naive();
        let to_i16 = |n: u32| i16::try_from(n).ok();
        Some(Self {
            times,
            day: to_i16(date.day())?,
            week: to_i16(date.iso_week().week())?,
            month: to_i16(date.month())?,
            year: i16::try_from(date.year()).ok()?,
            weekday: to_i16(date.weekday().num_days_from_sunday())?,
        })
    }
}
