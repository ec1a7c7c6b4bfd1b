//! Builds the `songs` and `artists` dimensions: selects one song record for each key.
//!
//! The selection depends on the contents of the records, never on their origin.

use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};

use super::sort_order::{NullsLast, TotalOrderF64};
use super::text_array::text_array;
use super::typed_batches::SongBatch;
use crate::error::{Error, Result};
use crate::model::sparkify::{ARTISTS, SONGS, STATE_ARTISTS};

/// A song record: its batch and the row in it.
type SongRecordRef<'a> = (&'a SongBatch, usize);

fn text_value(array: &StringArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

fn double_value(array: &Float64Array, row: usize) -> Option<f64> {
    array.is_valid(row).then(|| array.value(row))
}

/// Returns one row for each key, sorted by key: the first row by `precedence`.
fn distinct_on<'a>(
    batches: &'a [SongBatch],
    key: impl Fn(SongRecordRef<'a>) -> &'a str,
    precedence: impl Fn(SongRecordRef<'a>, SongRecordRef<'a>) -> Ordering,
) -> Vec<SongRecordRef<'a>> {
    let mut rows: Vec<SongRecordRef<'a>> = batches
        .iter()
        .flat_map(|b| (0..b.num_rows()).map(move |row| (b, row)))
        .collect();
    rows.sort_unstable_by(|&a, &b| key(a).cmp(key(b)).then_with(|| precedence(a, b)));
    rows.dedup_by(|&mut later, &mut first| key(later) == key(first));
    rows
}

/// Builds the `songs` table, sorted by `song_id`. Of several records of one song it has the smallest by
/// (title, artist_id, year, duration), null last.
///
/// # Errors
/// Returns an error if a column of the table exceeds the limit of Arrow (2 GiB).
pub fn build_songs(batches: &[SongBatch]) -> Result<RecordBatch> {
    let year = |(b, row): SongRecordRef<'_>| b.year.is_valid(row).then(|| b.year.value(row));
    let precedence = |a: SongRecordRef<'_>, b: SongRecordRef<'_>| {
        let ((ab, ar), (bb, br)) = (a, b);
        ab.title
            .value(ar)
            .cmp(bb.title.value(br))
            .then_with(|| ab.artist_id.value(ar).cmp(bb.artist_id.value(br)))
            .then_with(|| NullsLast::from(year(a)).cmp(&NullsLast::from(year(b))))
            .then_with(|| ab.duration.value(ar).total_cmp(&bb.duration.value(br)))
    };
    let rows = distinct_on(batches, |(b, row)| b.song_id.value(row), precedence);
    let columns: Vec<ArrayRef> = vec![
        text_column(&rows, |b| &b.song_id)?,
        text_column(&rows, |b| &b.title)?,
        text_column(&rows, |b| &b.artist_id)?,
        Arc::new(rows.iter().map(|&row| year(row)).collect::<Int32Array>()),
        double_column(&rows, |b| &b.duration),
    ];
    RecordBatch::try_new(SONGS.arrow_schema(), columns).map_err(Error::from_arrow)
}

/// Builds the `artists` table and its merge state, sorted by `artist_id`. Of several song records of one
/// artist, records with both coordinates take precedence, then those with a non-empty location, then the
/// smallest by (song_id, name, location, latitude, longitude), null last.
///
/// # Errors
/// Returns an error if a column of the table exceeds the limit of Arrow (2 GiB).
pub fn build_artists<'a>(batches: &'a [SongBatch]) -> Result<[RecordBatch; 2]> {
    let location_rank = |(b, row): SongRecordRef<'_>| {
        let has_coordinates = b.artist_latitude.is_valid(row) && b.artist_longitude.is_valid(row);
        let has_location = text_value(&b.artist_location, row).is_some_and(|l| !l.is_empty());
        (Reverse(has_coordinates), Reverse(has_location))
    };
    let location_key = |(b, row): SongRecordRef<'a>| {
        (
            NullsLast::from(text_value(&b.artist_location, row)),
            NullsLast::from(double_value(&b.artist_latitude, row).map(TotalOrderF64)),
            NullsLast::from(double_value(&b.artist_longitude, row).map(TotalOrderF64)),
        )
    };
    let precedence = |a: SongRecordRef<'a>, b: SongRecordRef<'a>| {
        let ((ab, ar), (bb, br)) = (a, b);
        location_rank(a)
            .cmp(&location_rank(b))
            .then_with(|| ab.song_id.value(ar).cmp(bb.song_id.value(br)))
            .then_with(|| ab.artist_name.value(ar).cmp(bb.artist_name.value(br)))
            .then_with(|| location_key(a).cmp(&location_key(b)))
    };
    let rows = distinct_on(batches, |(b, row)| b.artist_id.value(row), precedence);
    let artist_id = text_column(&rows, |b| &b.artist_id)?;
    let state_columns = vec![Arc::clone(&artist_id), text_column(&rows, |b| &b.song_id)?];
    let columns: Vec<ArrayRef> = vec![
        artist_id,
        text_column(&rows, |b| &b.artist_name)?,
        text_column(&rows, |b| &b.artist_location)?,
        double_column(&rows, |b| &b.artist_latitude),
        double_column(&rows, |b| &b.artist_longitude),
    ];
    Ok([
        RecordBatch::try_new(ARTISTS.arrow_schema(), columns).map_err(Error::from_arrow)?,
        RecordBatch::try_new(STATE_ARTISTS.arrow_schema(), state_columns)
            .map_err(Error::from_arrow)?,
    ])
}

fn text_column(
    rows: &[SongRecordRef<'_>],
    column: impl Fn(&SongBatch) -> &StringArray,
) -> Result<ArrayRef> {
    let values = rows.iter().map(|&(b, row)| text_value(column(b), row));
    Ok(Arc::new(text_array(values)?))
}

fn double_column(
    rows: &[SongRecordRef<'_>],
    column: impl Fn(&SongBatch) -> &Float64Array,
) -> ArrayRef {
    Arc::new(
        rows.iter()
            .map(|&(b, row)| double_value(column(b), row))
            .collect::<Float64Array>(),
    )
}
