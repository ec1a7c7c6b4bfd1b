//! Songs and events for test input.

use std::ops::Range;

/// Returns a song.
pub fn song(n: u64) -> String {
    format!(
        r#"{{"song_id":"SO{n}","artist_id":"AR{n}","title":"Title {n}","artist_name":"Artist {n}","duration":200.5,"year":2000}}"#
    )
}

/// Returns several songs, one per line.
pub fn songs(numbers: Range<u64>) -> String {
    numbers.map(|n| song(n) + "\n").collect()
}

/// Returns a `NextSong` event at second `n` that plays the first song.
pub fn event(n: u64) -> String {
    event_with_level(n, "paid")
}

/// Returns an event whose level shows the file that it came from.
pub fn event_with_level(n: u64, level: &str) -> String {
    let ts = 1_541_000_000_000 + n * 1000;
    format!(
        r#"{{"ts":{ts},"userId":"1","sessionId":7,"itemInSession":{n},"level":"{level}","page":"NextSong","song":"Title 1","artist":"Artist 1","length":200.5}}"#
    )
}

/// Returns several events, one per line.
pub fn events(seconds: Range<u64>) -> String {
    seconds.map(|n| event(n) + "\n").collect()
}

/// A record that is rejected as a song and as an event.
pub const MALFORMED_RECORD: &str = "{\"ts\": nonsense}\n";
