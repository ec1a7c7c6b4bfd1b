//! Looks up the song of an event by its song, artist and length.
//!
//! The lookup is built in shards, so that several threads can build it for a large catalog.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::bloom_filter::BloomFilter;
use super::fnv::song_key;
use super::text_array::text_array;
use super::typed_batches::{DictText, EventBatch, SongBatch};
use crate::error::{Error, Result};
use crate::model::sparkify::STATE_SONGS;

/// The number of shards of the lookup; a power of two.
pub const LOOKUP_SHARDS: usize = 16;

/// The values that an event and its song must have in common.
#[derive(Clone, Copy, PartialEq)]
struct MatchKey<'a> {
    title: &'a str,
    artist_name: &'a str,
    duration: f64,
}

impl<'a> MatchKey<'a> {
    fn from_song(songs: &'a SongBatch, row: usize) -> Self {
        Self {
            title: songs.title.value(row),
            artist_name: songs.artist_name.value(row),
            duration: songs.duration.value(row),
        }
    }

    fn hash(&self) -> u64 {
        let duration = normalize_zero(self.duration).to_bits();
        FixedState::default().hash_one((self.title, self.artist_name, duration))
    }

    fn song_key(&self) -> i64 {
        song_key(self.title, self.artist_name)
    }
}

/// Returns a duration that has the same bits as every equal duration: adding zero turns -0.0 into 0.0.
fn normalize_zero(duration: f64) -> f64 {
    duration + 0.0
}

fn shard_index(hash: u64) -> usize {
    // The hash table of a shard uses the bits at both ends.
    (hash >> 32) as usize % LOOKUP_SHARDS
}

/// Returns the hash of the key of each song.
pub fn hash_keys(songs: &SongBatch) -> Vec<u64> {
    (0..songs.num_rows())
        .map(|row| MatchKey::from_song(songs, row).hash())
        .collect()
}

/// The position of a song record.
#[derive(Debug, Clone, Copy)]
struct RecordRef {
    /// The index of its batch.
    batch: u32,
    row: u32,
}

impl RecordRef {
    /// Returns the key of the record, which is in `batches`.
    fn key(self, batches: &[SongBatch]) -> MatchKey<'_> {
        MatchKey::from_song(&batches[self.batch as usize], self.row as usize)
    }

    /// Returns the song_id and the artist_id of the record, which is in `batches`.
    fn ids(self, batches: &[SongBatch]) -> (&str, &str) {
        let (songs, row) = (&batches[self.batch as usize], self.row as usize);
        (songs.song_id.value(row), songs.artist_id.value(row))
    }
}

/// The result for one key.
#[derive(Debug)]
struct SongLookupEntry {
    hash: u64,
    /// A record with this key.
    key_record: RecordRef,
    /// The record whose ids are the result.
    id_record: RecordRef,
}

/// The songs whose keys belong to one shard.
#[derive(Debug)]
pub struct SongLookupShard {
    /// The indexes of the entries, by the hash of their key.
    entry_table: HashTable<u32>,
    titles: StringArray,
    artist_names: StringArray,
    durations: Vec<f64>,
    song_keys: Vec<i64>,
    /// For each entry the record whose ids are the result.
    id_records: Vec<RecordRef>,
}

impl SongLookupShard {
    /// Builds shard `shard`, below [`LOOKUP_SHARDS`], from the songs of `batches` and their `hashes`. Of
    /// several records with the same key, the result is the one with the smallest song_id, then the
    /// smallest artist_id.
    ///
    /// # Errors
    /// Returns an error if a column of the songs exceeds the limit of Arrow (2 GiB).
    pub fn new(batches: &[SongBatch], hashes: &[Vec<u64>], shard: usize) -> Result<Self> {
        let mut entry_table: HashTable<u32> = HashTable::new();
        let mut entries: Vec<SongLookupEntry> = Vec::new();
        for (batch, (songs, hashes)) in batches.iter().zip(hashes).enumerate() {
            let rows = hashes.iter().enumerate();
            for (row, &hash) in rows.filter(|&(_, &hash)| shard_index(hash) == shard) {
                let key = MatchKey::from_song(songs, row);
                let record = RecordRef {
                    batch: batch as u32,
                    row: row as u32,
                };
                let has_same_key =
                    |&entry: &u32| entries[entry as usize].key_record.key(batches) == key;
                let rehash = |&entry: &u32| entries[entry as usize].hash;
                match entry_table.entry(hash, has_same_key, rehash) {
                    Entry::Occupied(entry) => {
                        let other = &mut entries[*entry.get() as usize];
                        if record.ids(batches) < other.id_record.ids(batches) {
                            other.id_record = record;
                        }
                    }
                    Entry::Vacant(slot) => {
                        slot.insert(entries.len() as u32);
                        entries.push(SongLookupEntry {
                            hash,
                            key_record: record,
                            id_record: record,
                        });
                    }
                }
            }
        }
        let keys = || entries.iter().map(|entry| entry.key_record.key(batches));
        Ok(Self {
            titles: text_array(keys().map(|key| Some(key.title)))?,
            artist_names: text_array(keys().map(|key| Some(key.artist_name)))?,
            durations: keys().map(|key| key.duration).collect(),
            song_keys: keys().map(|key| key.song_key()).collect(),
            id_records: entries.iter().map(|entry| entry.id_record).collect(),
            entry_table,
        })
    }

    fn find(&self, hash: u64, key: MatchKey<'_>) -> Option<u32> {
        let has_same_key = |&entry: &u32| {
            let entry = entry as usize;
            self.durations[entry] == key.duration
                && self.titles.value(entry) == key.title
                && self.artist_names.value(entry) == key.artist_name
        };
        self.entry_table.find(hash, has_same_key).copied()
    }
}

/// Returns the song_id and artist_id of each entry, shard after shard.
fn entry_ids<'a>(
    batches: &'a [SongBatch],
    shards: &'a [SongLookupShard],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let records = shards.iter().flat_map(|shard| &shard.id_records);
    records.map(|record| record.ids(batches))
}

/// The song_id of each entry.
#[derive(Debug)]
pub struct SongIds(Arc<StringArray>);

impl SongIds {
    /// Returns the ids of the entries of all `shards`, whose records are in `batches`.
    ///
    /// # Errors
    /// Returns an error if the ids exceed the limit of Arrow (2 GiB).
    pub fn new(batches: &[SongBatch], shards: &[SongLookupShard]) -> Result<Self> {
        let ids = entry_ids(batches, shards).map(|(song_id, _)| Some(song_id));
        Ok(Self(Arc::new(text_array(ids)?)))
    }
}

/// The artist_id of each entry, dictionary-encoded because an artist has many songs.
#[derive(Debug)]
pub struct ArtistIds {
    keys: Vec<i32>,
    values: Arc<StringArray>,
}

impl ArtistIds {
    /// Returns the ids of the entries of all `shards`, whose records are in `batches`.
    ///
    /// # Errors
    /// Returns an error if the ids exceed the limit of Arrow (2 GiB).
    pub fn new(batches: &[SongBatch], shards: &[SongLookupShard]) -> Result<Self> {
        let mut key_by_id: HashMap<&str, i32, FixedState> = HashMap::default();
        let mut values = Vec::new();
        let keys = entry_ids(batches, shards).map(|(_, artist_id)| {
            *key_by_id.entry(artist_id).or_insert_with(|| {
                values.push(artist_id);
                values.len() as i32 - 1
            })
        });
        Ok(Self {
            keys: keys.collect(),
            values: Arc::new(text_array(values.into_iter().map(Some))?),
        })
    }
}

/// All songs by title, artist name and duration.
#[derive(Debug)]
pub struct SongLookup {
    shards: Vec<SongLookupShard>,
    /// The index of the first entry of each shard among all entries.
    first_entries: Vec<i32>,
    /// The durations of all songs. The filter rejects most events of unknown songs before their texts are
    /// hashed.
    duration_filter: BloomFilter,
    /// The song_key of each entry.
    song_keys: Vec<i64>,
    songs: SongIds,
    artists: ArtistIds,
}

impl SongLookup {
    /// Returns the lookup of all `shards`, in order, with the ids of their entries.
    pub fn new(songs: SongIds, artists: ArtistIds, mut shards: Vec<SongLookupShard>) -> Self {
        let count: usize = shards.iter().map(|shard| shard.id_records.len()).sum();
        let mut duration_filter = BloomFilter::new(count);
        for &duration in shards.iter().flat_map(|shard| &shard.durations) {
            duration_filter.insert(hash_duration(duration));
        }
        let mut first = 0;
        let firsts = shards.iter().map(|shard| {
            let shard_first = first;
            first += shard.id_records.len() as i32;
            shard_first
        });
        Self {
            first_entries: firsts.collect(),
            duration_filter,
            song_keys: shards
                .iter_mut()
                .flat_map(|shard| std::mem::take(&mut shard.song_keys))
                .collect(),
            songs,
            artists,
            shards,
        }
    }

    fn find(&self, key: MatchKey<'_>) -> Option<i32> {
        if !self
            .duration_filter
            .may_contain(hash_duration(key.duration))
        {
            return None;
        }
        let hash = key.hash();
        let shard = shard_index(hash);
        let entry = self.shards[shard].find(hash, key)?;
        Some(self.first_entries[shard] + entry as i32)
    }

    /// Returns the songs of `events`, whose songplay_ids are `ids`.
    ///
    /// # Errors
    /// Returns an error only on a bug in this module: Arrow checks its input.
    pub fn match_songs(&self, events: &EventBatch, ids: &[i64]) -> Result<SongMatches> {
        assert_eq!(events.num_rows(), ids.len(), "each event has an id");
        let mut keyed = KeyedEvents::with_capacity(ids.len());
        let entries: Int32Array = (0..events.num_rows())
            .zip(ids)
            .map(|(row, &id)| {
                if !events.has_song_key(row) {
                    return None;
                }
                let key = MatchKey {
                    title: events.song.value(row),
                    artist_name: events.artist.value(row),
                    duration: events.length.value(row),
                };
                let entry = self.find(key);
                keyed.songplay_ids.push(id);
                keyed.song_keys.push(match entry {
                    Some(entry) => self.song_keys[entry as usize],
                    None => key.song_key(),
                });
                keyed.durations.push(normalize_zero(key.duration));
                entry
            })
            .collect();
        let artist = |entry: Option<i32>| Some(self.artists.keys[entry? as usize]);
        let artists: Int32Array = entries.iter().map(artist).collect();
        let dict_array = |keys: Int32Array, values: &Arc<StringArray>| {
            DictText::try_new(keys, Arc::clone(values) as ArrayRef).map_err(Error::from_arrow)
        };
        Ok(SongMatches {
            artist_id: dict_array(artists, &self.artists.values)?,
            song_id: dict_array(entries, &self.songs.0)?,
            keyed,
        })
    }

    /// Returns the rows of [`STATE_SONGS`], sorted by song_key and duration. If different texts have the same
    /// hash, the song with the smallest ids is kept.
    ///
    /// # Errors
    /// Returns an error if a column of the table exceeds the limit of Arrow (2 GiB).
    pub fn build_merge_state(&self) -> Result<RecordBatch> {
        let (songs, artists) = (&self.songs.0, &self.artists);
        let ids = songs.iter().zip(&artists.keys);
        let ids = ids.map(|(song, &artist)| (song, artists.values.value(artist as usize)));
        let durations = self.shards.iter().flat_map(|shard| &shard.durations);
        let keys = self.song_keys.iter().copied().zip(durations.copied());
        let mut rows: Vec<_> = keys.zip(ids).collect();
        rows.sort_unstable_by(|(a, a_ids), (b, b_ids)| {
            let by_key = a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1));
            by_key.then_with(|| a_ids.cmp(b_ids))
        });
        rows.dedup_by_key(|&mut (key, _)| key);
        let keys = || rows.iter().map(|&(key, _)| key);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(keys().map(|(song_key, _)| song_key).collect::<Int64Array>()),
            Arc::new(
                keys()
                    .map(|(_, duration)| Some(duration))
                    .collect::<Float64Array>(),
            ),
            Arc::new(text_array(rows.iter().map(|&(_, (song, _))| song))?),
            Arc::new(text_array(rows.iter().map(|&(_, (_, id))| Some(id)))?),
        ];
        RecordBatch::try_new(STATE_SONGS.arrow_schema(), columns).map_err(Error::from_arrow)
    }
}

/// The songs of some events.
#[derive(Debug)]
pub struct SongMatches {
    /// The song_id of the song of each event; null if no song matches.
    pub song_id: DictText,
    /// The artist_id of the same song.
    pub artist_id: DictText,
    /// The events that can have a song.
    pub keyed: KeyedEvents,
}

/// The keyed events: those that have song, artist and length.
#[derive(Debug)]
pub struct KeyedEvents {
    /// Their songplay_ids.
    pub songplay_ids: Vec<i64>,
    /// The song_key of each event.
    pub song_keys: Vec<i64>,
    /// The duration of each event, with 0.0 in place of -0.0.
    pub durations: Vec<f64>,
}

impl KeyedEvents {
    fn with_capacity(events: usize) -> Self {
        Self {
            songplay_ids: Vec::with_capacity(events),
            song_keys: Vec::with_capacity(events),
            durations: Vec::with_capacity(events),
        }
    }
}

/// Returns the hash of a duration, which equal durations share.
fn hash_duration(duration: f64) -> u64 {
    FixedState::default().hash_one(normalize_zero(duration).to_bits())
}
