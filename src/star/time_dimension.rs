//! Builds the `time` dimension: the calendar fields of each start time, for grouping.

use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, Int16Array, PrimitiveArray, RecordBatch};
use chrono::{DateTime, Datelike};

use crate::error::{Error, Result};
use crate::model::sparkify::TIME;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The calendar fields of one day in UTC.
#[derive(Debug, Clone, Copy)]
struct DateParts {
    day: i16,
    week: i16,
    month: i16,
    year: i16,
    weekday: i16,
}

impl DateParts {
    /// Returns the fields of the day that is `days` days after 1970-01-01.
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

/// Builds the rows for `times`: distinct start times in milliseconds since 1970, in rising order.
///
/// # Errors
/// Returns an error if a year is out of range for SMALLINT or the calendar. The decoder rejects such times.
pub fn build_time(times: &[i64]) -> Result<RecordBatch> {
    let mut part_columns: [Vec<i16>; 6] = std::array::from_fn(|_| Vec::with_capacity(times.len()));
    let mut start_time = Vec::with_capacity(times.len());
    // Times are sorted, so the calendar fields are computed once for each day.
    let mut current_day: Option<(i64, DateParts)> = None;
    for &ms in times {
        let days = ms.div_euclid(DAY_MS);
        let day = match current_day {
            Some((number, day)) if number == days => day,
            _ => DateParts::from_days(days)
                .ok_or_else(|| Error::failed(format!("start time {ms} ms is out of range")))?,
        };
        current_day = Some((days, day));
        start_time.push(ms * 1000);
        let hour = (ms.rem_euclid(DAY_MS) / HOUR_MS) as i16;
        let row = [hour, day.day, day.week, day.month, day.year, day.weekday];
        for (column, value) in part_columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let start_time: PrimitiveArray<TimestampMicrosecondType> = start_time.into();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(start_time)];
    columns.extend(part_columns.map(|part| Arc::new(Int16Array::from(part)) as ArrayRef));
    RecordBatch::try_new(TIME.arrow_schema(), columns).map_err(Error::from_arrow)
}
