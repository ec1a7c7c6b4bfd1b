//! The choice among records with the same key, and the lookup of songs.

use super::fixture::assert_engines_agree;
use super::records::{Cell, Random, RawRecord, event, json, null, song, text};

/// Returns a record with a random value for some keys.
fn vary(
    random: &mut Random,
    mut record: RawRecord,
    values: &[(&'static str, &[Cell])],
) -> RawRecord {
    for (key, values) in values {
        record = record.with(key, random.choose(values).clone());
    }
    record
}

/// Titles, artists and durations that are shared, and some that differ only in blanks or in the sign of zero.
fn shared_values() -> [Vec<Cell>; 3] {
    [
        vec![text("T"), text("T "), text("t"), text(""), text("Été")],
        vec![text("A"), text("A "), text("B"), text("")],
        vec![
            json("1.5"),
            json("1.50"),
            json("15e-1"),
            json("0"),
            json("-0.0"),
            json("2"),
        ],
    ]
}

#[test]
fn records_are_chosen_alike() {
    for seed in [1, 2, 3] {
        let mut random = Random(seed);
        let [titles, artists, durations] = shared_values();
        let with_null = |values: &[Cell]| [values, &[null()]].concat();
        let (event_titles, event_artists) = (with_null(&titles), with_null(&artists));
        let lengths = with_null(&durations);
        let ids = [
            text("1"),
            text("1 "),
            text("2"),
            text("10"),
            text(" "),
            text("é"),
        ];
        let coordinates = [
            null(),
            json("-0.0"),
            json("0.0"),
            json("1"),
            json("-2.5"),
            text(""),
        ];
        let locations = [null(), text(""), text(" "), text("X"), text("X ")];
        let songs: Vec<_> = (0..600)
            .map(|number| {
                let values: [(&'static str, &[Cell]); 9] = [
                    ("song_id", &ids),
                    ("artist_id", &ids),
                    ("title", &titles),
                    ("artist_name", &artists),
                    ("duration", &durations),
                    (
                        "year",
                        &[null(), json("0"), json("2000"), text("1999.0"), text("")],
                    ),
                    ("artist_location", &locations),
                    ("artist_latitude", &coordinates),
                    ("artist_longitude", &coordinates),
                ];
                vary(&mut random, song(number), &values)
            })
            .collect();
        let integers = [json("1"), json("2"), text("3"), json("1e1")];
        let times = [
            json("1000"),
            json("2000.0"),
            json("-1"),
            text("0"),
            json("1001"),
        ];
        let names = [
            null(),
            text(""),
            text("a"),
            text("a "),
            text("B"),
            text("é"),
        ];
        let levels = [text("free"), text("paid"), text("paid "), text("")];
        let events: Vec<_> = (0..3000)
            .map(|number| {
                let values: [(&'static str, &[Cell]); 12] = [
                    ("userId", &integers),
                    ("ts", &times),
                    ("sessionId", &integers),
                    ("itemInSession", &integers),
                    ("level", &levels),
                    ("firstName", &names),
                    ("lastName", &names),
                    ("gender", &names),
                    ("location", &locations),
                    ("song", &event_titles),
                    ("artist", &event_artists),
                    ("length", &lengths),
                ];
                vary(&mut random, event(number), &values)
            })
            .collect();
        assert_engines_agree(&songs, &events);
    }
}

/// The rows do not depend on the order of the records.
#[test]
fn order_of_records_does_not_matter() {
    let delivery = |level: &str, location: Cell| {
        event(1)
            .with("level", text(level))
            .with("location", location)
    };
    let mut events = vec![
        delivery("paid", text("A")),
        delivery("free", null()),
        delivery("free", text("B ")),
        delivery("free", text("B")),
        event(2),
    ];
    let songs = [song(2), song(1), song(1).with("artist_location", text(""))];
    assert_engines_agree(&songs, &events);
    events.reverse();
    assert_engines_agree(&songs, &events);
}

#[test]
fn empty_batches_have_no_rows() {
    assert_engines_agree(&[], &[event(1)]);
    assert_engines_agree(&[song(1)], &[event(1).with("page", text("Home"))]);
}
