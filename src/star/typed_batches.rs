//! Provides typed access to the columns of decoded record batches.

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, DictionaryArray, Float64Array, Int32Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray,
};

use crate::error::{Error, Result};

/// Dictionary-encoded text, for columns with many repeated values.
pub(crate) type DictText = DictionaryArray<Int32Type>;

/// A batch of song records, decoded by [`SONG_RECORD`](crate::model::sparkify::SONG_RECORD). Its doubles have 0.0 in
/// place of -0.0, so that a choice between equal values cannot depend on their order.
#[derive(Debug, Clone)]
pub struct SongBatch {
    pub(super) song_id: StringArray,
    pub(super) title: StringArray,
    pub(super) artist_id: StringArray,
    pub(super) artist_name: StringArray,
    pub(super) artist_location: StringArray,
    pub(super) artist_latitude: Float64Array,
    pub(super) artist_longitude: Float64Array,
    pub(super) year: Int32Array,
    pub(super) duration: Float64Array,
}

impl SongBatch {
    /// Returns the columns of a batch that was decoded by [`SONG_RECORD`](crate::model::sparkify::SONG_RECORD).
    ///
    /// # Errors
    /// Returns an error if a column is missing or has another type.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        Ok(Self {
            song_id: text_column(batch, "song_id")?,
            title: text_column(batch, "title")?,
            artist_id: text_column(batch, "artist_id")?,
            artist_name: text_column(batch, "artist_name")?,
            artist_location: text_column(batch, "artist_location")?,
            artist_latitude: double_column(batch, "artist_latitude")?,
            artist_longitude: double_column(batch, "artist_longitude")?,
            year: primitive_column::<Int32Type>(batch, "year")?,
            duration: double_column(batch, "duration")?,
        })
    }

    /// Returns the number of records.
    pub fn num_rows(&self) -> usize {
        self.song_id.len()
    }
}

/// A batch of kept events in input order, decoded by [`EVENT_RECORD`](crate::model::sparkify::EVENT_RECORD).
#[derive(Debug, Clone)]
pub struct EventBatch {
    pub(super) ts: Int64Array,
    pub(super) user_id: Int32Array,
    pub(super) session_id: Int32Array,
    pub(super) item_in_session: Int32Array,
    pub(super) level: DictText,
    pub(super) first_name: DictText,
    pub(super) last_name: DictText,
    pub(super) gender: DictText,
    pub(super) location: DictText,
    pub(super) user_agent: DictText,
    pub(super) song: StringArray,
    pub(super) artist: StringArray,
    pub(super) length: Float64Array,
}

impl EventBatch {
    /// Returns the columns of a batch that was decoded by [`EVENT_RECORD`](crate::model::sparkify::EVENT_RECORD).
    ///
    /// # Errors
    /// Returns an error if a column is missing or has another type.
    pub fn new(batch: &RecordBatch) -> Result<Self> {
        Ok(Self {
            ts: primitive_column::<Int64Type>(batch, "ts")?,
            user_id: primitive_column::<Int32Type>(batch, "userId")?,
            session_id: primitive_column::<Int32Type>(batch, "sessionId")?,
            item_in_session: primitive_column::<Int32Type>(batch, "itemInSession")?,
            level: dict_text_column(batch, "level")?,
            first_name: dict_text_column(batch, "firstName")?,
            last_name: dict_text_column(batch, "lastName")?,
            gender: dict_text_column(batch, "gender")?,
            location: dict_text_column(batch, "location")?,
            user_agent: dict_text_column(batch, "userAgent")?,
            song: text_column(batch, "song")?,
            artist: text_column(batch, "artist")?,
            length: primitive_column::<Float64Type>(batch, "length")?,
        })
    }

    /// Returns the number of events.
    pub fn num_rows(&self) -> usize {
        self.ts.len()
    }

    /// Returns true if an event has song, artist and length, so that it can match a song.
    pub(super) fn has_song_key(&self, row: usize) -> bool {
        self.song.is_valid(row) && self.artist.is_valid(row) && self.length.is_valid(row)
    }

    /// Returns the `ts` of each event, in milliseconds since 1970.
    pub fn ts(&self) -> &[i64] {
        self.ts.values()
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a dyn Array> {
    Ok(batch
        .column_by_name(name)
        .ok_or_else(|| decoded_column_mismatch(name))?
        .as_ref())
}

fn decoded_column_mismatch(name: &str) -> Error {
    Error::failed(format!(
        "decoded column {name} is missing or has another type"
    ))
    .with_hint("this is a bug in sparkify: please report it")
}

fn text_column(batch: &RecordBatch, name: &str) -> Result<StringArray> {
    column(batch, name)?
        .as_string_opt::<i32>()
        .cloned()
        .ok_or_else(|| decoded_column_mismatch(name))
}

fn primitive_column<T: ArrowPrimitiveType>(
    batch: &RecordBatch,
    name: &str,
) -> Result<PrimitiveArray<T>> {
    column(batch, name)?
        .as_primitive_opt::<T>()
        .cloned()
        .ok_or_else(|| decoded_column_mismatch(name))
}

/// Returns a column of doubles, in which 0.0 is in place of -0.0.
fn double_column(batch: &RecordBatch, name: &str) -> Result<Float64Array> {
    Ok(primitive_column::<Float64Type>(batch, name)?.unary(|value| value + 0.0))
}

fn dict_text_column(batch: &RecordBatch, name: &str) -> Result<DictText> {
    column(batch, name)?
        .as_dictionary_opt::<Int32Type>()
        .cloned()
        .ok_or_else(|| decoded_column_mismatch(name))
}

/// Returns the distinct texts of a dictionary-encoded column.
pub(super) fn dict_values(column: &DictText) -> &StringArray {
    column.values().as_string()
}

/// Returns the text of a row; `None` for a null.
pub(super) fn dict_value(column: &DictText, row: usize) -> Option<&str> {
    let key = column.key(row)?;
    Some(dict_values(column).value(key))
}
