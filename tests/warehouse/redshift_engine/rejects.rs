//! Records that COPY or the checks reject: they are listed, counted and held against the limit.

use serde_json::json;

use super::support::{RawInput, assert_engines_agree, undocumented_behaviours};
use crate::support::test_warehouse::TestWarehouse;

/// Uploads songs and events, one object each.
fn upload_records(warehouse: &TestWarehouse, songs: &[String], events: &[String]) -> RawInput {
    warehouse.put_object("input/song_data/a.json", songs.join("\n"));
    warehouse.put_object("input/log_data/a.json", events.join("\n"));
    RawInput::below(warehouse, "input")
}

fn event(changes: serde_json::Value) -> String {
    let mut event = json!({
        "page": "NextSong", "ts": 1541016707796_u64, "userId": "7", "sessionId": 8, "itemInSession": 1, "level": "free",
        "location": "L", "userAgent": "U", "firstName": "F", "lastName": "L", "gender": "G",
        "song": "T", "artist": "N", "length": 1.5,
    });
    let fields = event.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    event.to_string()
}

fn song(changes: serde_json::Value) -> String {
    let mut song = json!({
        "song_id": "S1", "title": "T", "artist_id": "A1", "artist_name": "N", "duration": 1.5, "year": 1999,
        "artist_location": "P", "artist_latitude": 1.0, "artist_longitude": 2.0,
    });
    let fields = song.as_object_mut().unwrap();
    fields.extend(changes.as_object().unwrap().clone());
    song.to_string()
}

#[test]
fn each_reason_is_found() {
    let events = [
        event(json!({})),
        event(json!({"itemInSession": "x"})),
        event(json!({"itemInSession": 1.5})),
        event(json!({"userId": 3_000_000_000_u64})),
        event(json!({"sessionId": null})),
        event(json!({"level": "a level of more than 16 bytes"})),
        event(json!({"level": null, "ts": "?"})),
        event(json!({"page": "Home", "ts": "?"})),
    ];
    let songs = [
        song(json!({})),
        song(json!({"song_id": "S2", "duration": "long"})),
        song(json!({"title": null})),
    ];
    for settings in undocumented_behaviours() {
        let upload = |warehouse: &TestWarehouse| upload_records(warehouse, &songs, &events);
        let report = assert_engines_agree(&settings, upload, &["--max-rejects", "90%"]);
        let reasons = json!({"missing": 1, "range": 1, "too_long": 1, "type": 3});
        assert_eq!(report["logs"]["rejected_by_reason"], reasons);
    }
}
