//! Reads a published folder back into the rows of the reference.

use std::fs::{self, File};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sparkify::star::schema::{self, Table};

use crate::reference::{
    Artist, Ledger, LedgerArtist, LedgerObject, LedgerSong, LedgerSongplay, LedgerUser, Song,
    Songplay, Time, User,
};

/// The files of a folder, in order of their names.
pub fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    // Numbers outgrow their five digits when splits are a few bytes.
    files.sort_by_key(|f| (f.as_os_str().len(), f.clone()));
    files
}

/// All rows of a table, part by part; every part must have exactly the table's columns and types.
fn batches(out: &Path, table: &Table) -> Vec<RecordBatch> {
    let mut all = Vec::new();
    for file in files(&out.join(table.dir)) {
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

fn rows<T>(out: &Path, table: &Table, row: impl Fn(&RecordBatch, usize) -> T) -> Vec<T> {
    let batches = batches(out, table);
    batches
        .iter()
        .flat_map(|b| (0..b.num_rows()).map(|i| row(b, i)).collect::<Vec<_>>())
        .collect()
}

fn number<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str, row: usize) -> Option<T::Native> {
    let column = batch.column_by_name(name).unwrap().as_primitive::<T>();
    column.is_valid(row).then(|| column.value(row))
}

fn text(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.is_valid(row).then(|| column.value(row).to_owned())
}

pub fn songplays(out: &Path) -> Vec<Songplay> {
    rows(out, &schema::SONGPLAYS, |b, i| Songplay {
        songplay_id: number::<Int64Type>(b, "songplay_id", i).unwrap(),
        start_time: number::<TimestampMicrosecondType>(b, "start_time", i).unwrap(),
        user_id: number::<Int32Type>(b, "user_id", i).unwrap(),
        level: text(b, "level", i).unwrap(),
        song_id: text(b, "song_id", i),
        artist_id: text(b, "artist_id", i),
        session_id: number::<Int32Type>(b, "session_id", i).unwrap(),
        location: text(b, "location", i),
        user_agent: text(b, "user_agent", i),
    })
}

pub fn users(out: &Path) -> Vec<User> {
    rows(out, &schema::USERS, |b, i| User {
        user_id: number::<Int32Type>(b, "user_id", i).unwrap(),
        first_name: text(b, "first_name", i),
        last_name: text(b, "last_name", i),
        gender: text(b, "gender", i),
        level: text(b, "level", i).unwrap(),
    })
}

pub fn songs(out: &Path) -> Vec<Song> {
    rows(out, &schema::SONGS, |b, i| Song {
        song_id: text(b, "song_id", i).unwrap(),
        title: text(b, "title", i).unwrap(),
        artist_id: text(b, "artist_id", i).unwrap(),
        year: number::<Int32Type>(b, "year", i),
        duration: number::<Float64Type>(b, "duration", i).unwrap(),
    })
}

pub fn artists(out: &Path) -> Vec<Artist> {
    rows(out, &schema::ARTISTS, |b, i| Artist {
        artist_id: text(b, "artist_id", i).unwrap(),
        name: text(b, "name", i).unwrap(),
        location: text(b, "location", i),
        latitude: number::<Float64Type>(b, "latitude", i),
        longitude: number::<Float64Type>(b, "longitude", i),
    })
}

pub fn time(out: &Path) -> Vec<Time> {
    let small = |b: &RecordBatch, name, i| number::<Int16Type>(b, name, i).unwrap();
    rows(out, &schema::TIME, |b, i| Time {
        start_time: number::<TimestampMicrosecondType>(b, "start_time", i).unwrap(),
        hour: small(b, "hour", i),
        day: small(b, "day", i),
        week: small(b, "week", i),
        month: small(b, "month", i),
        year: small(b, "year", i),
        weekday: small(b, "weekday", i),
    })
}

pub fn ledger(out: &Path) -> Ledger {
    let bigint = |b: &RecordBatch, name, i| number::<Int64Type>(b, name, i).unwrap();
    let integer = |b: &RecordBatch, name, i| number::<Int32Type>(b, name, i).unwrap();
    Ledger {
        objects: rows(out, &schema::SOURCE_OBJECTS, |b, i| LedgerObject {
            object: text(b, "object", i).unwrap(),
            etag: text(b, "etag", i).unwrap(),
            rows: bigint(b, "rows", i),
        }),
        users: rows(out, &schema::STATE_USERS, |b, i| LedgerUser {
            user_id: integer(b, "user_id", i),
            start_time: number::<TimestampMicrosecondType>(b, "start_time", i).unwrap(),
            session_id: integer(b, "session_id", i),
            item_in_session: integer(b, "item_in_session", i),
        }),
        artists: rows(out, &schema::STATE_ARTISTS, |b, i| LedgerArtist {
            artist_id: text(b, "artist_id", i).unwrap(),
            song_id: text(b, "song_id", i).unwrap(),
        }),
        songs: rows(out, &schema::STATE_SONGS, |b, i| LedgerSong {
            song_key: bigint(b, "song_key", i),
            duration: number::<Float64Type>(b, "duration", i).unwrap(),
            song_id: text(b, "song_id", i).unwrap(),
            artist_id: text(b, "artist_id", i).unwrap(),
        }),
        songplays: rows(out, &schema::STATE_SONGPLAYS, |b, i| LedgerSongplay {
            songplay_id: bigint(b, "songplay_id", i),
            song_key: bigint(b, "song_key", i),
            duration: number::<Float64Type>(b, "duration", i).unwrap(),
        }),
    }
}
