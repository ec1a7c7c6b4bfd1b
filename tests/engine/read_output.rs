//! Reads a dataset back into the rows of the reference.

use std::fs::{self, File};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sparkify::internals::model::TableSchema;
use sparkify::internals::model::sparkify as model;
use testkit::reference::{
    Artist, ArtistStateRow, MergeState, Song, SongStateRow, Songplay, SongplayStateRow,
    SourceObject, Time, User, UserStateRow,
};

/// Returns the files of a directory, sorted by name.
pub fn list_dir(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    // With splits of a few bytes, part numbers have more than five digits.
    files.sort_by_key(|f| (f.as_os_str().len(), f.clone()));
    files
}

/// Returns all rows of a table, part by part, and asserts that every part has exactly the columns and types
/// of the table.
fn read_batches(out: &Path, table: &TableSchema) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    for file in list_dir(&out.join(table.dir)) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
        assert_eq!(
            reader.schema().fields(),
            table.arrow_schema().fields(),
            "{}",
            file.display()
        );
        all.extend(reader.build().unwrap().map(Result::unwrap));
    }
    all
}

fn read_rows<T>(out: &Path, table: &TableSchema, row: impl Fn(&RecordBatch, usize) -> T) -> Vec<T> {
    let batches = read_batches(out, table);
    batches
        .iter()
        .flat_map(|b| (0..b.num_rows()).map(|i| row(b, i)).collect::<Vec<_>>())
        .collect()
}

fn number_at<T: ArrowPrimitiveType>(
    batch: &RecordBatch,
    name: &str,
    row: usize,
) -> Option<T::Native> {
    let column = batch.column_by_name(name).unwrap().as_primitive::<T>();
    column.is_valid(row).then(|| column.value(row))
}

fn text_at(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

pub fn songplays(out: &Path) -> Vec<Songplay> {
    read_rows(out, &model::SONGPLAYS, |b, i| Songplay {
        songplay_id: number_at::<Int64Type>(b, "songplay_id", i).unwrap(),
        start_time: number_at::<TimestampMicrosecondType>(b, "start_time", i).unwrap(),
        user_id: number_at::<Int32Type>(b, "user_id", i).unwrap(),
        level: text_at(b, "level", i).unwrap(),
        song_id: text_at(b, "song_id", i),
        artist_id: text_at(b, "artist_id", i),
        session_id: number_at::<Int32Type>(b, "session_id", i).unwrap(),
        location: text_at(b, "location", i),
        user_agent: text_at(b, "user_agent", i),
    })
}

pub fn users(out: &Path) -> Vec<User> {
    read_rows(out, &model::USERS, |b, i| User {
        user_id: number_at::<Int32Type>(b, "user_id", i).unwrap(),
        first_name: text_at(b, "first_name", i),
        last_name: text_at(b, "last_name", i),
        gender: text_at(b, "gender", i),
        level: text_at(b, "level", i).unwrap(),
    })
}

pub fn songs(out: &Path) -> Vec<Song> {
    read_rows(out, &model::SONGS, |b, i| Song {
        song_id: text_at(b, "song_id", i).unwrap(),
        title: text_at(b, "title", i).unwrap(),
        artist_id: text_at(b, "artist_id", i).unwrap(),
        year: number_at::<Int32Type>(b, "year", i),
        duration: number_at::<Float64Type>(b, "duration", i).unwrap(),
    })
}

pub fn artists(out: &Path) -> Vec<Artist> {
    read_rows(out, &model::ARTISTS, |b, i| Artist {
        artist_id: text_at(b, "artist_id", i).unwrap(),
        name: text_at(b, "name", i).unwrap(),
        location: text_at(b, "location", i),
        latitude: number_at::<Float64Type>(b, "latitude", i),
        longitude: number_at::<Float64Type>(b, "longitude", i),
    })
}

pub fn time(out: &Path) -> Vec<Time> {
    let smallint = |b: &RecordBatch, name, i| number_at::<Int16Type>(b, name, i).unwrap();
    read_rows(out, &model::TIME, |b, i| Time {
        start_time: number_at::<TimestampMicrosecondType>(b, "start_time", i).unwrap(),
        hour: smallint(b, "hour", i),
        day: smallint(b, "day", i),
        week: smallint(b, "week", i),
        month: smallint(b, "month", i),
        year: smallint(b, "year", i),
        weekday: smallint(b, "weekday", i),
    })
}

pub fn merge_state(out: &Path) -> MergeState {
    let bigint = |b: &RecordBatch, name, i| number_at::<Int64Type>(b, name, i).unwrap();
    let integer = |b: &RecordBatch, name, i| number_at::<Int32Type>(b, name, i).unwrap();
    MergeState {
        source_objects: read_rows(out, &model::SOURCE_OBJECTS, |b, i| SourceObject {
            kind: text_at(b, "kind", i).unwrap(),
            object: text_at(b, "object", i).unwrap(),
            etag: text_at(b, "etag", i).unwrap(),
            rows: bigint(b, "rows", i),
            rejected_records: bigint(b, "rejected_records", i),
            rejected_bytes: bigint(b, "rejected_bytes", i),
        }),
        users: read_rows(out, &model::STATE_USERS, |b, i| UserStateRow {
            user_id: integer(b, "user_id", i),
            start_time: number_at::<TimestampMicrosecondType>(b, "start_time", i).unwrap(),
            session_id: integer(b, "session_id", i),
            item_in_session: integer(b, "item_in_session", i),
        }),
        artists: read_rows(out, &model::STATE_ARTISTS, |b, i| ArtistStateRow {
            artist_id: text_at(b, "artist_id", i).unwrap(),
            song_id: text_at(b, "song_id", i).unwrap(),
        }),
        songs: read_rows(out, &model::STATE_SONGS, |b, i| SongStateRow {
            song_key: bigint(b, "song_key", i),
            duration: number_at::<Float64Type>(b, "duration", i).unwrap(),
            song_id: text_at(b, "song_id", i).unwrap(),
            artist_id: text_at(b, "artist_id", i).unwrap(),
        }),
        songplays: read_rows(out, &model::STATE_SONGPLAYS, |b, i| SongplayStateRow {
            songplay_id: bigint(b, "songplay_id", i),
            song_key: bigint(b, "song_key", i),
            duration: number_at::<Float64Type>(b, "duration", i).unwrap(),
        }),
    }
}
