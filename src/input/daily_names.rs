//! Finds the days that are absent from objects whose names contain dates, such as `2018-11-15-events.json`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Days, NaiveDate, Weekday};

/// The number of distinct days from which on names count as a series.
const MIN_DAYS: usize = 3;

/// The number of days from which on the weekdays of a series are known: a weekday that never occurs in it is not expected.
const MIN_SPAN_FOR_WEEKDAYS: u64 = 14;

/// The age in days up to which a series counts as current, so that it is expected to go on until yesterday. Days that
/// have been absent for longer than this are no longer reported.
const MAX_AGE: u64 = 31;

/// The names of objects, in series of names that differ only in their dates and numbers.
#[derive(Debug, Default)]
pub(crate) struct DailyNames {
    series: BTreeMap<String, Series>,
}

/// Names that differ only in their dates and numbers.
#[derive(Debug)]
struct Series {
    /// The first name that was added.
    example: String,
    days: BTreeSet<NaiveDate>,
    /// The newest day of which objects are loaded.
    newest_loaded: Option<NaiveDate>,
}

/// The days of a series that are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AbsentDays {
    /// A name of the series.
    pub example: String,
    /// The absent days, in order.
    pub days: Vec<NaiveDate>,
}

impl DailyNames {
    /// Adds the name of a listed object.
    pub(crate) fn add_listed(&mut self, name: &str) {
        if let Some((shape, day)) = parse_name(name) {
            let new_series = || Series {
                example: name.to_owned(),
                days: BTreeSet::new(),
                newest_loaded: None,
            };
            let series = self.series.entry(shape).or_insert_with(new_series);
            series.days.insert(day);
        }
    }

    /// Adds the name of an object that is loaded. It may be gone by now. Names that belong to no series of listed objects are
    /// ignored, because another input may have them.
    pub(crate) fn add_loaded(&mut self, name: &str) {
        if let Some((shape, day)) = parse_name(name)
            && let Some(series) = self.series.get_mut(&shape)
        {
            series.days.insert(day);
            series.newest_loaded = series.newest_loaded.max(Some(day));
        }
    }

    /// Returns the absent days of each series that has some.
    pub(crate) fn absent_days(self, today: NaiveDate) -> Vec<AbsentDays> {
        let series = self.series.into_values();
        series
            .filter_map(|series| {
                let days = series.absent_days(today);
                (!days.is_empty()).then_some(AbsentDays {
                    example: series.example,
                    days,
                })
            })
            .collect()
    }
}

impl Series {
    fn absent_days(&self, today: NaiveDate) -> Vec<NaiveDate> {
        // A name can have a day of the future by mistake.
        let mut known = self.days.range(..=today);
        let (Some(&first), Some(&newest)) = (self.days.first(), known.next_back()) else {
            return Vec::new();
        };
        if self.days.len() < MIN_DAYS {
            return Vec::new();
        }
        let is_current = today <= days_after(newest, MAX_AGE);
        let yesterday = today.pred_opt().unwrap_or(today);
        let last = match is_current {
            true => yesterday,
            false => newest,
        };
        let reported_from = match self.newest_loaded {
            None => first,
            Some(loaded) => first.max(days_before(loaded, MAX_AGE)),
        };
        let weekdays = self.weekdays(first, newest);
        let expected = reported_from.iter_days().take_while(|day| *day <= last);
        expected
            .filter(|day| !self.days.contains(day) && weekdays.contains(&day.weekday()))
            .collect()
    }

    /// Returns the weekdays on which an object is expected.
    fn weekdays(&self, first: NaiveDate, newest: NaiveDate) -> Vec<Weekday> {
        let all = std::iter::successors(Some(Weekday::Mon), |weekday| Some(weekday.succ())).take(7);
        if newest < days_after(first, MIN_SPAN_FOR_WEEKDAYS) {
            return all.collect();
        }
        all.filter(|weekday| self.days.iter().any(|day| day.weekday() == *weekday))
            .collect()
    }
}

fn days_after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(day)
}

fn days_before(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(days)).unwrap_or(day)
}

/// Returns the shape of a name and the last day in it. In the shape each word with a digit is replaced, so that hours,
/// numbers of parts and random ids do not tell series apart.
fn parse_name(name: &str) -> Option<(String, NaiveDate)> {
    let day = last_day(name)?;
    let mut shape = String::with_capacity(name.len());
    for word in name.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let text = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        match text.bytes().any(|byte| byte.is_ascii_digit()) {
            true => {
                shape.push('#');
                shape.push_str(&word[text.len()..]);
            }
            false => shape.push_str(word),
        }
    }
    Some((shape, day))
}

/// Returns the last day in a name: three numbers such as `2018-11-15`, `2018/11/15`, `2018_11_15` or
/// `year=2018/month=11/day=15`, or one such as `20181115`.
fn last_day(name: &str) -> Option<NaiveDate> {
    let numbers: Vec<(usize, &str)> = numbers(name);
    let compact = numbers.iter().filter_map(|&(at, digits)| {
        let (year, rest) = digits.split_at_checked(4)?;
        let (month, day) = rest.split_at_checked(2)?;
        Some((at, to_day(year, month, day)?))
    });
    let separate = numbers.windows(3).filter_map(|window| {
        let [(at, year), (month_at, month), (day_at, day)] = *window else {
            return None;
        };
        let is_joined = is_separator(&name[at + year.len()..month_at])
            && is_separator(&name[month_at + month.len()..day_at]);
        let day = to_day(year, month, day).filter(|_| is_joined)?;
        Some((at, day))
    });
    let last = compact.chain(separate).max_by_key(|(at, _)| *at);
    last.map(|(_, day)| day)
}

/// Returns the runs of digits of a name, with their positions.
fn numbers(name: &str) -> Vec<(usize, &str)> {
    let bytes = name.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let starts = (0..bytes.len()).filter(|&at| is_digit(at) && !(at > 0 && is_digit(at - 1)));
    starts
        .map(|start| {
            let end = (start..bytes.len()).find(|&at| !is_digit(at));
            (start, &name[start..end.unwrap_or(bytes.len())])
        })
        .collect()
}

/// Returns true if the numbers of a date can be separated by this text.
fn is_separator(text: &str) -> bool {
    let is_partition = text.starts_with('/') && text.ends_with('=');
    matches!(text, "-" | "_" | "." | "/") || is_partition
}

fn to_day(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    let is_date = year.len() == 4 && matches!(month.len(), 1..=2) && matches!(day.len(), 1..=2);
    if !is_date {
        return None;
    }
    let day = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    // A random number of eight digits is seldom such a year.
    (1990..2100).contains(&day.year()).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn absent(listed: &[&str], loaded: &[&str], today: &str) -> Vec<String> {
        let mut names = DailyNames::default();
        listed.iter().for_each(|name| names.add_listed(name));
        loaded.iter().for_each(|name| names.add_loaded(name));
        let absent = names.absent_days(day(today)).into_iter();
        absent
            .flat_map(|absent| absent.days)
            .map(|day| day.to_string())
            .collect()
    }

    #[test]
    fn days_are_found_in_names() {
        for (name, expected) in [
            (
                "log_data/2018/11/2018-11-15-events.json",
                Some("2018-11-15"),
            ),
            (
                "s3://b/2018/11/15/03/firehose-1-2018-11-16-03-22-10-0a1b",
                Some("2018-11-16"),
            ),
            (
                "logs/year=2018/month=11/day=5/part-00001.json",
                Some("2018-11-05"),
            ),
            ("logs/dt=2018-11-15/part-7.json", Some("2018-11-15")),
            ("events_20181115.json.gz", Some("2018-11-15")),
            ("events.2018.11.15.json", Some("2018-11-15")),
            ("events-2018_11_15.json", Some("2018-11-15")),
            ("events-2018-11.json", None),
            ("events-2018-13-45.json", None),
            ("TRAAAAW128F429D538.json", None),
            ("a/12345678901.json", None),
            ("", None),
            ("é2018-11-15ü", Some("2018-11-15")),
        ] {
            assert_eq!(last_day(name), expected.map(day), "{name}");
        }
    }

    #[test]
    fn gaps_are_absent_days() {
        let listed = [
            "a-2018-11-01",
            "a-2018-11-02",
            "a-2018-11-05",
            "b-2018-11-09",
        ];
        assert_eq!(
            absent(&listed, &[], "2026-11-30"),
            ["2018-11-03", "2018-11-04"]
        );
        assert_eq!(absent(&listed[..2], &[], "2026-11-30"), [""; 0]);
        // An object that was loaded and is gone is not absent.
        let loaded = ["a-2018-11-03", "a-2018-11-04"];
        assert_eq!(absent(&listed, &loaded, "2026-11-30"), [""; 0]);
    }

    #[test]
    fn a_current_series_goes_on_until_yesterday() {
        let listed = ["2018-11-01", "2018-11-02", "2018-11-03"];
        let days = ["2018-11-04", "2018-11-05"];
        assert_eq!(absent(&listed, &[], "2018-11-06"), days);
        assert_eq!(absent(&listed, &[], "2018-11-04"), [""; 0]);
        assert_eq!(absent(&listed, &[], "2018-12-05"), [""; 0]);
        assert_eq!(absent(&listed, &[], "2018-12-04").len(), 30);
    }

    #[test]
    fn days_of_the_future_are_not_absent() {
        let listed = ["2018-11-01", "2018-11-02", "2018-11-03", "2099-12-31"];
        assert_eq!(
            absent(&listed, &[], "2018-11-06"),
            ["2018-11-04", "2018-11-05"]
        );
    }

    #[test]
    fn days_that_are_absent_for_a_month_are_not_repeated() {
        let listed = ["2018-01-01", "2018-01-03", "2018-05-01", "2018-05-03"];
        let loaded = ["2018-01-01", "2018-01-03", "2018-05-01"];
        let found = absent(&listed, &loaded, "2026-11-30");
        assert_eq!(found.first().map(String::as_str), Some("2018-04-02"));
        assert_eq!(found.last().map(String::as_str), Some("2018-05-02"));
        assert!(absent(&listed, &[], "2026-11-30").contains(&"2018-01-02".to_owned()));
    }

    #[test]
    fn a_weekday_without_any_object_is_not_expected() {
        // Two weeks from Monday to Friday, without the second Wednesday.
        let days = [5, 6, 7, 8, 9, 12, 13, 15, 16, 19];
        let names: Vec<String> = days
            .iter()
            .map(|day| format!("x-2018-11-{day:02}.json"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(absent(&names, &[], "2026-11-30"), ["2018-11-14"]);
    }

    #[test]
    fn hours_parts_and_ids_do_not_tell_series_apart() {
        let listed = [
            "x/2018/11/01/00/f-1-2018-11-01-00-10-11-0a1b.json",
            "x/2018/11/02/23/f-1-2018-11-02-23-59-59-99ff.json",
            "x/2018/11/04/07/f-2-2018-11-04-07-00-00-c1d2.json",
        ];
        assert_eq!(absent(&listed, &[], "2026-11-30"), ["2018-11-03"]);
    }
}
