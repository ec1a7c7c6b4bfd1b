//! The arguments that bound a range of times.

use chrono::offset::LocalResult;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::{GapInfo, Tz};

/// The start or the end of a range of times, as the user wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeBound {
    /// A time with an offset, in UTC.
    Instant(NaiveDateTime),
    /// A time of day in the time zone of the query.
    Local(NaiveDateTime),
    /// The start of a day in the time zone of the query.
    Day(NaiveDate),
}

impl TimeBound {
    /// Parses a date with an optional time of day after a `T` or a space, and an optional offset.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (date, time_of_day) = text.split_at_checked(10).unwrap_or((text, ""));
        if is_date_shaped(date) && NaiveDate::parse_from_str(date, "%Y-%m-%d").is_err() {
            return Err("invalid date".to_owned());
        }
        let text = match time_of_day.strip_prefix(' ') {
            Some(time_of_day) => format!("{date}T{time_of_day}"),
            None => text.to_owned(),
        };
        let parse_day = |format| NaiveDate::parse_from_str(&text, format).ok().map(Self::Day);
        let parse_local = |format| {
            let time = NaiveDateTime::parse_from_str(&text, format).ok()?;
            to_microseconds(time).map(Self::Local)
        };
        let parse_instant = |format| {
            let time = DateTime::parse_from_str(&text, format).ok()?;
            to_microseconds(time.naive_utc()).map(Self::Instant)
        };
        let bound = parse_day("%Y-%m-%d")
            .or_else(|| parse_local("%Y-%m-%dT%H:%M"))
            .or_else(|| parse_local("%Y-%m-%dT%H:%M:%S%.f"))
            .or_else(|| parse_instant("%Y-%m-%dT%H:%M%#z"))
            .or_else(|| parse_instant("%Y-%m-%dT%H:%M:%S%.f%#z"));
        let Some(bound) = bound else {
            return Err(
                "expected a time such as 2018-11-15 or 2018-11-15T10:00, optionally with seconds and an offset"
                    .to_owned(),
            );
        };
        let day = match bound {
            Self::Instant(time) | Self::Local(time) => time.date(),
            Self::Day(day) => day,
        };
        check_year(day).map(|()| bound)
    }

    /// Returns true if the text begins as a date does, whether or not there is such a day.
    pub(crate) fn is_date_shaped(text: &str) -> bool {
        text.get(..10).is_some_and(is_date_shaped)
    }

    /// Returns true if the bound depends on the time zone.
    pub(crate) fn is_local(self) -> bool {
        !matches!(self, Self::Instant(_))
    }

    /// Returns the time in UTC. A day begins with its first moment, which may be later than midnight.
    ///
    /// # Errors
    /// Returns a reason if the time does not exist in the time zone, or exists twice, or if the year is out of range.
    pub(crate) fn to_utc(self, zone: Tz) -> Result<NaiveDateTime, String> {
        let utc = match self {
            Self::Instant(time) => return Ok(time),
            Self::Local(time) => local_to_utc(time, zone)?,
            Self::Day(day) => start_of_day(day, zone)?,
        };
        check_year(utc.date())?;
        Ok(utc)
    }
}

fn local_to_utc(time: NaiveDateTime, zone: Tz) -> Result<NaiveDateTime, String> {
    match zone.from_local_datetime(&time) {
        LocalResult::Single(time) => Ok(time.naive_utc()),
        LocalResult::Ambiguous(first, second) => Err(format!(
            "{time} is there twice in {zone}, because clocks were set back; give the offset, {} or {}",
            first.format("%:z"),
            second.format("%:z")
        )),
        LocalResult::None => Err(format!(
            "{time} does not exist in {zone}, because clocks were set forward"
        )),
    }
}

fn start_of_day(day: NaiveDate, zone: Tz) -> Result<NaiveDateTime, String> {
    let midnight = day.and_time(NaiveTime::MIN);
    let start = match zone.from_local_datetime(&midnight) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time),
        LocalResult::None => GapInfo::new(&midnight, &zone).and_then(|gap| gap.end),
    };
    start
        .map(|time| time.naive_utc())
        .ok_or_else(|| format!("{day} does not exist in {zone}"))
}

/// Adds a leap second to the next minute, and drops what is finer than the times of plays.
fn to_microseconds(time: NaiveDateTime) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(time.and_utc().timestamp_micros()).map(|time| time.naive_utc())
}

fn check_year(day: NaiveDate) -> Result<(), String> {
    match day.year() {
        1..=9999 => Ok(()),
        _ => Err("the year must be from 1 to 9999".to_owned()),
    }
}

/// Returns true for a text such as `2018-11-31`, whether or not there is such a day.
fn is_date_shaped(text: &str) -> bool {
    let shape = text.bytes().map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => other,
    });
    shape.eq(*b"0000-00-00")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str, zone: &str) -> Result<String, String> {
        let bound = TimeBound::parse(text)?.to_utc(zone.parse().unwrap())?;
        Ok(bound.to_string())
    }

    #[test]
    fn times_are_converted_to_utc() {
        for (text, expected) in [
            ("2018-11-15", "2018-11-15 00:00:00"),
            ("2018-11-15T10:00", "2018-11-15 10:00:00"),
            ("2018-11-15 10:00", "2018-11-15 10:00:00"),
            ("2018-11-15 10:00:59.25", "2018-11-15 10:00:59.250"),
            ("2018-11-15 00:30+01:00", "2018-11-14 23:30:00"),
            ("2018-11-15T10:00:59", "2018-11-15 10:00:59"),
            ("2018-11-15T10:00:59.25", "2018-11-15 10:00:59.250"),
            ("2018-11-15T10:00Z", "2018-11-15 10:00:00"),
            ("2018-11-15T00:30+01:00", "2018-11-14 23:30:00"),
            ("2018-11-15T10:00:00-08:00", "2018-11-15 18:00:00"),
            ("2018-12-31T23:59:60Z", "2019-01-01 00:00:00"),
            ("2018-11-15T10:00:00.0000019Z", "2018-11-15 10:00:00.000001"),
            ("0001-01-01", "0001-01-01 00:00:00"),
        ] {
            assert_eq!(utc(text, "UTC").unwrap(), expected, "{text}");
        }
        for text in [
            "",
            "2018",
            "2018-13-01",
            "2018-02-29",
            "2018-11-15 ",
            "2018-11-15T25:00",
            "2018-11-15T10:00+25:00",
            "yesterday",
            "2018-11-15'; DROP TABLE users; --",
            "0001-01-01T00:00+01:00",
            "9999-12-31T23:59-01:00",
            "10000-01-01",
            "-0001-01-01",
        ] {
            utc(text, "UTC").unwrap_err();
        }
        for text in [
            "2018-11-31",
            "2018-02-29T10:00",
            "2018-13-01 10:00",
            "0000-00-00",
        ] {
            assert_eq!(utc(text, "UTC").unwrap_err(), "invalid date", "{text}");
        }
    }

    #[test]
    fn times_without_an_offset_are_in_the_time_zone() {
        for (text, zone, expected) in [
            ("2018-07-01", "Europe/Berlin", "2018-06-30 22:00:00"),
            ("2018-12-01 10:00", "Europe/Berlin", "2018-12-01 09:00:00"),
            ("2018-12-01 10:00Z", "Europe/Berlin", "2018-12-01 10:00:00"),
            ("2018-12-01", "Asia/Kathmandu", "2018-11-30 18:15:00"),
            ("2018-03-25 01:59", "Europe/Berlin", "2018-03-25 00:59:00"),
            ("2018-03-25 03:00", "Europe/Berlin", "2018-03-25 01:00:00"),
        ] {
            assert_eq!(utc(text, zone).as_deref(), Ok(expected), "{text} {zone}");
        }
        let error = utc("0001-01-01", "Europe/Berlin").unwrap_err();
        assert_eq!(error, "the year must be from 1 to 9999");
    }

    #[test]
    fn times_that_do_not_exist_or_exist_twice_are_errors() {
        for time in ["02:00", "02:30", "02:59:59.999"] {
            let error = utc(&format!("2018-03-25 {time}"), "Europe/Berlin").unwrap_err();
            assert!(error.contains("does not exist in Europe/Berlin"), "{error}");
        }
        let error = utc("2018-10-28 02:30", "Europe/Berlin").unwrap_err();
        assert!(
            error.ends_with("give the offset, +02:00 or +01:00"),
            "{error}"
        );
        for (offset, expected) in [("+02:00", "00:30:00"), ("+01:00", "01:30:00")] {
            let time = utc(&format!("2018-10-28 02:30{offset}"), "Europe/Berlin");
            assert_eq!(time.unwrap(), format!("2018-10-28 {expected}"));
        }
    }

    #[test]
    fn day_begins_with_its_first_moment() {
        for (day, zone, expected) in [
            // Clocks were set from 00:00 to 01:00.
            ("2018-11-04", "America/Sao_Paulo", "2018-11-04 03:00:00"),
            // Clocks were set from 01:00 back to 00:00.
            ("2018-11-04", "America/Havana", "2018-11-04 04:00:00"),
            // There was no such day.
            ("2011-12-30", "Pacific/Apia", "2011-12-30 10:00:00"),
            ("2011-12-31", "Pacific/Apia", "2011-12-30 10:00:00"),
        ] {
            assert_eq!(utc(day, zone).as_deref(), Ok(expected), "{day} {zone}");
        }
    }
}
