//! Rows that contradict each other or the model.

use std::fs;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{
    Float64Array, Int16Array, Int32Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use serde_json::json;

use super::broken_dataset::{Dataset, with_values};

/// Copies the part of a table, so that each row is there twice.
fn duplicate(dataset: &Dataset, dir: &str) {
    let more = format!("dataset/{dir}/part-00001.parquet");
    fs::copy(dataset.part(dir), dataset.sandbox.path(&more)).unwrap();
    dataset.count_again(dir);
}

#[test]
fn key_that_occurs_twice_is_found() {
    let dataset = Dataset::new();
    duplicate(&dataset, "songs");
    dataset.assert_check_fails(&[
        "dataset/songs/part-00001.parquet row 1 failed",
        "song_id \"SO1\" is in dataset/songs/part-00000.parquet row 1 already",
    ]);

    let dataset = Dataset::new();
    duplicate(&dataset, "songplays");
    dataset.edit_report(|report| {
        report["logs"]["kept"] = json!(10);
        report["logs"]["records"] = json!(11);
        report["matched_songplays"] = json!(10);
    });
    dataset.assert_check_fails(&[
        "dataset/songplays/part-00001.parquet row ",
        "songplay_id ",
        " is in dataset/songplays/part-00000.parquet row ",
    ]);

    // A key of two columns, and the key of the merge state of plays.
    for (dir, key) in [
        ("merge_state/songs", "song_key "),
        ("merge_state/songplays", "songplay_id "),
    ] {
        let dataset = Dataset::new();
        duplicate(&dataset, dir);
        dataset.assert_check_fails(&[&format!("{dir}/part-00001.parquet row "), key, " already"]);
    }
}

#[test]
fn reference_to_an_absent_row_is_found() {
    let five_texts = |text: &str| StringArray::from(vec![Some(text); 5]);
    let dataset = Dataset::new();
    dataset.edit_rows("songplays", |plays| {
        with_values(&plays, "user_id", Int32Array::from(vec![1, 1, 99, 1, 1]))
    });
    dataset.assert_check_fails(&[
        "check of dataset/songplays/part-00000.parquet row 3 failed: user_id 99 is not in users",
    ]);

    let dataset = Dataset::new();
    dataset.edit_rows("songplays", |plays| {
        with_values(&plays, "song_id", five_texts("SO9"))
    });
    dataset.assert_check_fails(&["row 1 failed: song_id \"SO9\" is not in songs"]);

    let dataset = Dataset::new();
    dataset.edit_rows("songplays", |plays| {
        with_values(&plays, "artist_id", five_texts("AR9"))
    });
    dataset.assert_check_fails(&["row 1 failed: artist_id \"AR9\" is not in artists"]);

    let dataset = Dataset::new();
    dataset.edit_rows("songs", |songs| {
        with_values(
            &songs,
            "artist_id",
            StringArray::from(vec!["AR1", "AR9", "AR3"]),
        )
    });
    dataset.assert_check_fails(&[
        "songs/part-00000.parquet row 2",
        "\"AR9\" is not in artists",
    ]);

    let dataset = Dataset::new();
    dataset.edit_rows("time", |times| times.slice(0, 4));
    dataset.assert_check_fails(&["start_time 2018-10-31T15:33:24.000000 is not in time"]);
}

#[test]
fn merge_state_of_absent_rows_is_found() {
    let dataset = Dataset::new();
    dataset.edit_rows("merge_state/songplays", |plays| {
        with_values(&plays, "songplay_id", Int64Array::from(vec![1, 2, 3, 4, 5]))
    });
    dataset.assert_check_fails(&[
        "merge_state/songplays/part-00000.parquet row 1 failed: songplay_id 1 is not in songplays",
    ]);

    let dataset = Dataset::new();
    dataset.edit_rows("merge_state/users", |users| {
        with_values(&users, "item_in_session", Int32Array::from(vec![77]))
    });
    dataset.assert_check_fails(&[
        "users/part-00000.parquet row 1",
        "its event is not in songplays",
    ]);

    let dataset = Dataset::new();
    dataset.edit_rows("merge_state/songs", |songs| {
        with_values(&songs, "song_id", StringArray::from(vec!["SO9"; 3]))
    });
    dataset.assert_check_fails(&["merge_state/songs", "song_id \"SO9\" is not in songs"]);

    let dataset = Dataset::new();
    dataset.edit_rows("merge_state/artists", |artists| {
        with_values(
            &artists,
            "artist_id",
            StringArray::from(vec!["AR1", "AR2", "AR9"]),
        )
    });
    dataset.assert_check_fails(&["merge_state/artists", "artist_id \"AR9\" is not in artists"]);
}

#[test]
fn song_without_artist_is_found() {
    let dataset = Dataset::new();
    dataset.edit_rows("songplays", |plays| {
        let artists = StringArray::from(vec![Some("AR1"), Some("AR1"), None, Some("AR1"), None]);
        with_values(&plays, "artist_id", artists)
    });
    dataset.assert_check_fails(&["row 3 failed: only one of song_id and artist_id is null"]);
}

#[test]
fn wrong_part_of_a_time_is_found() {
    for (column, reason) in [
        ("hour", "hour is 7, expected 15 for 2018-10-31T15:33:20.000"),
        ("day", "day is 7, expected 31 for 2018-10-31"),
        ("week", "week is 7, expected 44 for 2018-10-31"),
        ("month", "month is 7, expected 10 for 2018-10-31"),
        ("year", "year is 7, expected 2018 for 2018-10-31"),
        ("weekday", "weekday is 7, expected 3 for 2018-10-31"),
    ] {
        let dataset = Dataset::new();
        dataset.edit_rows("time", |times| {
            with_values(&times, column, Int16Array::from(vec![7; 5]))
        });
        dataset.assert_check_fails(&["dataset/time/part-00000.parquet row 1", reason]);
    }
}

#[test]
fn time_that_no_record_can_have_is_found() {
    // 1541000000 is the second of the first play; the last is the year 10000.
    for time in [
        1_541_000_000_000_001,
        253_402_300_800_000_000,
        -62_135_596_801_000_000,
    ] {
        let dataset = Dataset::new();
        dataset.edit_rows("time", |times| {
            let found = times.column(0).as_primitive::<TimestampMicrosecondType>();
            let mut found = found.values().to_vec();
            found[1] = time;
            with_values(&times, "start_time", TimestampMicrosecondArray::from(found))
        });
        dataset.assert_check_fails(&[
            "dataset/time/part-00000.parquet row 2 failed: start_time ",
            "is not a time of a record in milliseconds",
        ]);
    }
}

#[test]
fn value_that_does_not_fit_its_column_is_found() {
    let long = "a".repeat(33);
    for text in [long.as_str(), "a\0"] {
        let dataset = Dataset::new();
        dataset.edit_rows("songs", |songs| {
            with_values(
                &songs,
                "song_id",
                StringArray::from(vec!["SO1", text, "SO3"]),
            )
        });
        dataset.assert_check_fails(&[
            "songs/part-00000.parquet row 2",
            "song_id does not fit varchar(32)",
        ]);
    }
    let dataset = Dataset::new();
    dataset.edit_rows("songs", |songs| {
        with_values(
            &songs,
            "duration",
            Float64Array::from(vec![1.0, f64::NAN, 1.0]),
        )
    });
    dataset.assert_check_fails(&[
        "songs/part-00000.parquet row 2",
        "duration is not a finite number",
    ]);
}
