//! Parts in another format than the documented one.

use std::fs;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterVersion;

use super::broken_dataset::{Dataset, with_column};

#[test]
fn part_of_another_table_is_found() {
    let dataset = Dataset::new();
    let (songs, artists) = (dataset.part("songs"), dataset.part("artists"));
    let [song_bytes, artist_bytes] = [&songs, &artists].map(|part| fs::read(part).unwrap());
    fs::write(songs, artist_bytes).unwrap();
    fs::write(artists, song_bytes).unwrap();
    dataset.count_again("songs");
    dataset.count_again("artists");
    dataset.assert_check_fails(&[
        "check of dataset/artists/part-00000.parquet failed",
        "column 1 is song_id Utf8 not null, expected artist_id Utf8 not null",
    ]);
}

#[test]
fn other_columns_are_found() {
    let years = |count| -> ArrayRef { Arc::new(Int64Array::from(vec![2000; count])) };
    for (field, found) in [
        (Field::new("year", DataType::Int64, true), "year Int64"),
        (
            Field::new("released", DataType::Int64, true),
            "released Int64",
        ),
        (
            Field::new("year", DataType::Int64, false),
            "year Int64 not null",
        ),
    ] {
        let dataset = Dataset::new();
        dataset.edit_rows("songs", |songs| {
            with_column(&songs, "year", field, years(songs.num_rows()))
        });
        let reason = format!("column 4 is {found}, expected year Int32");
        dataset.assert_check_fails(&["dataset/songs/part-00000.parquet", &reason]);
    }

    let dataset = Dataset::new();
    dataset.edit_rows("songs", |songs| songs.project(&[0, 1, 2, 3]).unwrap());
    dataset.assert_check_fails(&["column 5 is absent, expected duration Float64 not null"]);

    let dataset = Dataset::new();
    dataset.edit_rows("songs", |songs| songs.project(&[1, 0, 2, 3, 4]).unwrap());
    dataset.assert_check_fails(&["column 1 is title Utf8 not null, expected song_id"]);
}

#[test]
fn other_codecs_pages_and_encodings_are_found() {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let dataset = Dataset::new();
    dataset.rewrite("songs", |songs| songs, |p| p.set_compression(zstd));
    dataset.assert_check_fails(&["codec ZSTD", "expected snappy in column \"song_id\""]);

    let dataset = Dataset::new();
    let version = WriterVersion::PARQUET_2_0;
    dataset.rewrite("songs", |songs| songs, |p| p.set_writer_version(version));
    dataset.assert_check_fails(&["a data page of version 2 in column \"song_id\""]);

    let dataset = Dataset::new();
    let encoding = Encoding::DELTA_BYTE_ARRAY;
    dataset.rewrite(
        "songs",
        |songs| songs,
        |p| {
            p.set_dictionary_enabled(false)
                .set_column_encoding("title".into(), encoding)
        },
    );
    dataset.assert_check_fails(&["DELTA_BYTE_ARRAY in column \"title\""]);

    // What another writer wrote in the documented format is right.
    let dataset = Dataset::new();
    dataset.edit_rows("songs", |songs| songs);
    dataset.assert_check_passes();
}
