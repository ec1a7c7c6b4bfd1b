//! A batch of 100,000 events over all years: ids, song keys and the calendar.

use chrono::Datelike;

use super::fixture::assert_engines_agree;
use super::records::{Random, event, json, song, text};

const DAY_MS: i64 = 86_400_000;

/// The first day of the year 2000, in days since 1970.
const YEAR_2000: i64 = 10_957;

/// The bounds of the times, in milliseconds since 1970.
const MIN_TS: i64 = -62_135_596_800_000;
const MAX_TS: i64 = 253_402_300_799_999;

/// Returns every third day of 400 years, after which the calendar repeats itself, and the days around each New Year.
fn calendar_days() -> Vec<i64> {
    let all = (0..146_097).map(|day| YEAR_2000 + day);
    let is_near_new_year = |day: i64| {
        let date = chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap();
        matches!((date.month(), date.day()), (12, 25..) | (1, ..=7))
    };
    all.filter(|&day| day % 3 == 0 || is_near_new_year(day))
        .collect()
}

#[test]
fn hundred_thousand_events_have_the_same_rows() {
    let mut random = Random(18);
    let mut times: Vec<i64> = calendar_days()
        .into_iter()
        .map(|day| day * DAY_MS + random.below(DAY_MS as u64) as i64)
        .collect();
    times.extend([
        MIN_TS,
        MIN_TS + 1,
        MIN_TS + DAY_MS - 1,
        MAX_TS,
        MAX_TS - DAY_MS,
        -1,
        0,
        1,
        999,
        -999,
        -1000,
        -1001,
    ]);
    let span = (MAX_TS - MIN_TS) as u64;
    while times.len() < 100_000 {
        times.push(MIN_TS + random.below(span) as i64);
    }
    let songs: Vec<_> = (0..2000)
        .map(|number| {
            song(number)
                .with("title", text(&format!("Title \u{e9} {}", number / 2)))
                .with("artist_name", text(&format!("Artist {}", number % 7)))
        })
        .collect();
    let events: Vec<_> = times
        .iter()
        .map(|time| {
            let number = random.below(2200);
            event(random.below(500) as usize)
                .with("ts", json(&time.to_string()))
                .with("userId", json(&(random.below(1 << 31)).to_string()))
                .with("sessionId", json(&format!("-{}", random.below(1 << 31))))
                .with("song", text(&format!("Title \u{e9} {}", number / 2)))
                .with("artist", text(&format!("Artist {}", number % 7)))
        })
        .collect();
    assert_eq!(assert_engines_agree(&songs, &events), 0);
}
