//! Texts: their lengths, blanks and nulls, the filter, and which of several problems counts.

use super::fixture::assert_engines_agree;
use super::records::{RawRecord, event, json, null, song, text};

/// Texts with these lengths in bytes are at the limit of some column, or one byte longer.
const LIMITS: [usize; 5] = [16, 32, 256, 512, 1024];

const EVENT_TEXTS: [&str; 8] = [
    "level",
    "firstName",
    "lastName",
    "gender",
    "location",
    "userAgent",
    "song",
    "artist",
];
const SONG_TEXTS: [&str; 5] = [
    "song_id",
    "title",
    "artist_id",
    "artist_name",
    "artist_location",
];

/// Returns records that have each value in each of the keys.
fn records_of(
    base: impl Fn(usize) -> RawRecord,
    keys: &[&'static str],
    values: &[Option<super::records::Cell>],
) -> Vec<RawRecord> {
    let mut records = Vec::new();
    for key in keys {
        for value in values {
            let record = base(records.len());
            records.push(match value {
                Some(value) => record.with(key, value.clone()),
                None => record.without(key),
            });
        }
    }
    records
}

#[test]
fn lengths_are_in_bytes() {
    let mut values = Vec::new();
    for limit in LIMITS {
        values.push(Some(text(&"a".repeat(limit))));
        values.push(Some(text(&"a".repeat(limit + 1))));
        values.push(Some(text(&"é".repeat(limit / 2))));
        values.push(Some(text(&format!("{}a", "é".repeat(limit / 2)))));
        values.push(Some(text(&"\u{1f600}".repeat(limit / 4))));
        values.push(Some(text(&format!("a{}", " ".repeat(limit)))));
    }
    let events = records_of(event, &EVENT_TEXTS, &values);
    let songs = records_of(song, &SONG_TEXTS, &values);
    assert!(assert_engines_agree(&songs, &events) > 100);
}

#[test]
fn nulls_and_empty_texts_are_told_apart() {
    let values = [
        None,
        Some(null()),
        Some(text("")),
        Some(text(" ")),
        Some(text("'")),
    ];
    let keys: Vec<_> = event(0).0.into_keys().collect();
    let events = records_of(event, &keys, &values);
    let keys: Vec<_> = song(0).0.into_keys().collect();
    let songs = records_of(song, &keys, &values);
    assert!(assert_engines_agree(&songs, &events) > 20);
}

#[test]
fn scalars_are_texts() {
    let values = [
        json("112"),
        json("1.50"),
        json("-0"),
        json("true"),
        json("false"),
    ]
    .map(Some);
    let events = records_of(event, &EVENT_TEXTS, &values);
    let songs = records_of(song, &SONG_TEXTS, &values);
    assert_engines_agree(&songs, &events);
}

/// Events that are dropped are not checked.
#[test]
fn filter_is_exact() {
    let pages = [
        text("NextSong"),
        text("NextSong "),
        text(" NextSong"),
        text("nextsong"),
        text("NEXTSONG"),
        text("NextSongs"),
        text("Home"),
        text(""),
        null(),
        json("1"),
        text("NextSong\u{1}"),
        text("NextSong\n"),
        text("NextSong\u{a0}"),
    ];
    let mut events = Vec::new();
    for page in pages {
        events.push(event(events.len()).with("page", page.clone()));
        let invalid = event(events.len())
            .with("page", page)
            .with("ts", text("never"));
        events.push(invalid.without("level"));
    }
    events.push(event(events.len()).without("page"));
    assert_eq!(assert_engines_agree(&[], &events), 1);
}

/// Every pair of problems in every pair of keys: the reason decides, then the key.
#[test]
fn first_of_several_problems_counts() {
    let long = "x".repeat(2000);
    let event_problems = [
        ("ts", text("x")),
        ("ts", json("1e400")),
        ("ts", null()),
        ("userId", json("1.5")),
        ("userId", json("1e10")),
        ("userId", text("")),
        ("sessionId", text("x")),
        ("sessionId", json("2147483648")),
        ("sessionId", null()),
        ("itemInSession", json("0.1")),
        ("itemInSession", json("1e99")),
        ("itemInSession", null()),
        ("level", null()),
        ("level", text(&long)),
        ("firstName", text(&long)),
        ("userAgent", text(&long)),
        ("length", text("x")),
        ("length", json("1e999")),
    ];
    let song_problems = [
        ("song_id", null()),
        ("song_id", text(&long)),
        ("title", null()),
        ("title", text(&long)),
        ("artist_id", null()),
        ("artist_name", text(&long)),
        ("artist_location", text(&long)),
        ("artist_latitude", text("x")),
        ("artist_latitude", json("1e309")),
        ("year", json("1.5")),
        ("year", json("1e10")),
        ("duration", text("")),
        ("duration", text("x")),
        ("duration", json("1e309")),
    ];
    let mut events = Vec::new();
    for (first, value) in &event_problems {
        for (second, other) in &event_problems {
            let record = event(events.len()).with(first, value.clone());
            events.push(record.with(second, other.clone()));
        }
    }
    let mut songs = Vec::new();
    for (first, value) in &song_problems {
        for (second, other) in &song_problems {
            let record = song(songs.len()).with(first, value.clone());
            songs.push(record.with(second, other.clone()));
        }
    }
    // Songs without their ids may be equal.
    assert!(assert_engines_agree(&songs, &events) > 400);
}
