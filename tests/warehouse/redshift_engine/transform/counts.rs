//! The counts of records, and the source objects.

use super::fixture::{TransformFixture, script};
use super::records::{event, json, song, text};

#[test]
fn counts_reconcile() {
    let mut fixture = TransformFixture::new();
    let songs = [song(1), song(1), song(2).with("year", text("x"))];
    let events = [
        event(1),
        event(1).with("level", text("paid")),
        event(2),
        event(3).with("page", text("Home")),
        event(4).with("page", text("Home")),
        event(5).with("ts", json("0.5")),
    ];
    fixture.stage("staging_songs", &songs);
    fixture.stage("staging_events", &events);
    let objects = "INSERT INTO staging_objects VALUES ('log', 's3://b/logs/2', 'e2'), ('log', 's3://b/logs/10', 'e1'),
         ('song', 's3://b/songs/a', 'e4'), ('song', 's3://b/songs/B', 'e3')";
    let rejects = "INSERT INTO copy_rejects (kind, object, rejected_records) VALUES ('log', 's3://b/logs/2', 3),
         ('log', 's3://b/logs/2', 4), ('song', 's3://b/songs/B', 5)";
    for sql in [objects, rejects] {
        fixture.client.batch_execute(sql).unwrap();
    }
    fixture.transform();

    let count = script("transform/count.sql");
    let query = count.split(";\n").next().unwrap();
    let expected = [
        ["song", "3", "0", "1", "2", "2"],
        ["event", "6", "2", "1", "3", "2"],
    ];
    assert_eq!(texts(fixture.query_rows(query)), expected);

    // The first object of a kind in the order of the bytes has the counts of the kind.
    let query = "SELECT * FROM staged_source_objects ORDER BY kind, object";
    let expected = [
        ["log", "s3://b/logs/10", "e1", "3", "1", ""],
        ["log", "s3://b/logs/2", "e2", "0", "7", ""],
        ["song", "s3://b/songs/B", "e3", "2", "6", ""],
        ["song", "s3://b/songs/a", "e4", "0", "0", ""],
    ];
    assert_eq!(texts(fixture.query_rows(query)), expected);
}

fn texts(rows: Vec<Vec<Option<String>>>) -> Vec<Vec<String>> {
    let texts = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default).collect();
    rows.into_iter().map(texts).collect()
}
