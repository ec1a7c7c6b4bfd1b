//! The `songplays` fact: one row a kept event.

use std::sync::Arc;

use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Int64Array, PrimitiveArray, RecordBatch};
use arrow_schema::{Field, Schema};

use super::lookup::SongLookup;
use super::records::EventBatch;
use super::schema::{Column, SONGPLAYS};
use crate::error::{Error, Result};

/// The `songplay_id` of each event.
pub fn songplay_ids(events: &EventBatch) -> Vec<i64> {
    let keys = events.user_id.values().iter().zip(events.ts.values());
    let places = events
        .session_id
        .values()
        .iter()
        .zip(events.item_in_session.values());
    keys.zip(places)
        .map(|((&user, &ts), (&session, &item))| songplay_id(user, ts, session, item))
        .collect()
}

/// The rows of [`SONGPLAYS`] made from `events`, whose ids are `ids`. Repeating text is
/// dictionary-encoded in memory.
///
/// # Errors
/// None that a caller can cause: Arrow checks what this module promises.
pub fn songplays(events: &EventBatch, ids: Vec<i64>, songs: &SongLookup) -> Result<RecordBatch> {
    let start_time: PrimitiveArray<TimestampMicrosecondType> = events
        .ts()
        .iter()
        .map(|ms| ms * 1000)
        .collect::<Vec<_>>()
        .into();
    let (song_id, artist_id) = songs.match_songs(events)?;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(start_time),
        Arc::new(events.user_id.clone()),
        Arc::new(events.level.clone()),
        Arc::new(song_id),
        Arc::new(artist_id),
        Arc::new(events.session_id.clone()),
        Arc::new(events.location.clone()),
        Arc::new(events.user_agent.clone()),
    ];
    let field = |(column, array): (&Column, &ArrayRef)| {
        Field::new(column.name, array.data_type().clone(), column.nullable)
    };
    let fields: Vec<_> = SONGPLAYS.columns.iter().zip(&columns).map(field).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::arrow)
}

/// How many rows of [`songplays`] have a song.
pub fn matched(rows: &RecordBatch) -> u64 {
    rows.column_by_name("song_id")
        .map_or(0, |c| (c.len() - c.null_count()) as u64)
}

/// The key of an event, as Redshift computes it:
/// `fnv_hash(item_in_session::int, fnv_hash(session_id::int, fnv_hash(ts::bigint, fnv_hash(user_id::int))))`.
#[inline]
fn songplay_id(user_id: i32, ts: i64, session_id: i32, item_in_session: i32) -> i64 {
    let hash = fnv_hash(&user_id.to_le_bytes(), FNV_BASIS);
    let hash = fnv_hash(&ts.to_le_bytes(), hash);
    let hash = fnv_hash(&session_id.to_le_bytes(), hash);
    fnv_hash(&item_in_session.to_le_bytes(), hash).cast_signed()
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// 64-bit FNV-1a, begun from `seed`: Redshift's `FNV_HASH(value, seed)`
/// (Amazon Redshift Database Developer Guide, "FNV_HASH function").
#[inline]
fn fnv_hash(value: &[u8], seed: u64) -> u64 {
    value.iter().fold(seed, |hash, &b| {
        (hash ^ u64::from(b)).wrapping_mul(FNV_PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two values that AWS prints on the page of FNV_HASH.
    #[test]
    fn hashes_as_redshift_documents_it() {
        let hash = |bytes: &[u8]| fnv_hash(bytes, FNV_BASIS).cast_signed();
        assert_eq!(hash(&1i32.to_le_bytes()), -5_968_735_742_475_085_980);
        assert_eq!(hash(&1i64.to_le_bytes()), -8_517_097_267_634_966_620);
    }
}
