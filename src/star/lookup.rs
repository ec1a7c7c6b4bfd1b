//! The song lookup: from an event's song, artist and length to the song that was played.
//!
//! It is made in shards, so that a large catalogue keeps more than one thread busy.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::fnv::song_key;
use super::records::{DictText, EventBatch, SongBatch};
use super::schema::LEDGER_SONGS;
use super::text_array;
use crate::error::{Error, Result};

/// Shards of the lookup; a power of two.
pub const SHARDS: usize = 16;

/// Bits of the filter a song.
const FILTER_BITS: usize = 16;

/// What an event and a song must have in common.
#[derive(Clone, Copy, PartialEq)]
struct MatchKey<'a> {
    title: &'a str,
    artist_name: &'a str,
    duration: f64,
}

impl<'a> MatchKey<'a> {
    fn of(songs: &'a SongBatch, row: usize) -> Self {
        Self {
            title: songs.title.value(row),
            artist_name: songs.artist_name.value(row),
            duration: songs.duration.value(row),
        }
    }

    fn hash(&self) -> u64 {
        let duration = positive_zero(self.duration).to_bits();
        FixedState::default().hash_one((self.title, self.artist_name, duration))
    }

    fn song_key(&self) -> i64 {
        song_key(self.title, self.artist_name)
    }
}

/// Returns a duration that has the same bits as every equal one: adding zero makes -0.0 the 0.0 that it equals.
fn positive_zero(duration: f64) -> f64 {
    duration + 0.0
}

fn shard_of(hash: u64) -> usize {
    // The table of a shard takes the bits at both ends.
    (hash >> 32) as usize % SHARDS
}

/// The hash of each song's key.
pub fn hashes(songs: &SongBatch) -> Vec<u64> {
    (0..songs.rows())
        .map(|row| MatchKey::of(songs, row).hash())
        .collect()
}

/// A song record: its batch and the row in it.
type RecordRef = (u32, u32);

/// What is found under one key.
#[derive(Debug)]
struct LookupEntry {
    hash: u64,
    /// A record with the key.
    key: RecordRef,
    /// The record whose ids count.
    ids: RecordRef,
}

/// The songs whose keys fall to one shard.
#[derive(Debug)]
pub struct LookupShard {
    /// Numbers of entries, by the hash of their key.
    entries: HashTable<u32>,
    titles: StringArray,
    artist_names: StringArray,
    durations: Vec<f64>,
    song_keys: Vec<i64>,
    /// The record of each entry whose ids count.
    ids: Vec<RecordRef>,
}

impl LookupShard {
    /// The songs of `batches` that fall to shard `number`, below [`SHARDS`]; `hashes` are theirs. Of
    /// several records with the same key the one with the smallest song_id counts, then the one with
    /// the smallest artist_id.
    ///
    /// # Errors
    /// A column of the songs holds more than Arrow can (2 GiB).
    pub fn new(batches: &[SongBatch], hashes: &[Vec<u64>], number: usize) -> Result<Self> {
        let mut entries: HashTable<u32> = HashTable::new();
        let mut found: Vec<LookupEntry> = Vec::new();
        for (batch, (songs, hashes)) in batches.iter().zip(hashes).enumerate() {
            let ours = hashes.iter().enumerate();
            for (row, &hash) in ours.filter(|&(_, &hash)| shard_of(hash) == number) {
                let key = MatchKey::of(songs, row);
                let place = (batch as u32, row as u32);
                let same = |&entry: &u32| {
                    let other = found.get(entry as usize);
                    other.is_some_and(|other| key_at(batches, other.key) == Some(key))
                };
                let rehash = |&entry: &u32| found.get(entry as usize).map_or(0, |f| f.hash);
                match entries.entry(hash, same, rehash) {
                    Entry::Occupied(entry) => {
                        if let Some(other) = found.get_mut(*entry.get() as usize)
                            && ids_at(batches, place) < ids_at(batches, other.ids)
                        {
                            other.ids = place;
                        }
                    }
                    Entry::Vacant(room) => {
                        room.insert(found.len() as u32);
                        found.push(LookupEntry {
                            hash,
                            key: place,
                            ids: place,
                        });
                    }
                }
            }
        }
        let keys = || found.iter().filter_map(|found| key_at(batches, found.key));
        Ok(Self {
            titles: text_array(keys().map(|key| Some(key.title)))?,
            artist_names: text_array(keys().map(|key| Some(key.artist_name)))?,
            durations: keys().map(|key| key.duration).collect(),
            song_keys: keys().map(|key| key.song_key()).collect(),
            ids: found.iter().map(|found| found.ids).collect(),
            entries,
        })
    }

    fn find(&self, hash: u64, key: MatchKey<'_>) -> Option<u32> {
        let same = |&entry: &u32| {
            let entry = entry as usize;
            self.durations.get(entry) == Some(&key.duration)
                && self.titles.value(entry) == key.title
                && self.artist_names.value(entry) == key.artist_name
        };
        self.entries.find(hash, same).copied()
    }
}

fn key_at(batches: &[SongBatch], (batch, row): RecordRef) -> Option<MatchKey<'_>> {
    let songs = batches.get(batch as usize)?;
    Some(MatchKey::of(songs, row as usize))
}

fn ids_at(batches: &[SongBatch], (batch, row): RecordRef) -> Option<(&str, &str)> {
    let songs = batches.get(batch as usize)?;
    let row = row as usize;
    Some((songs.song_id.value(row), songs.artist_id.value(row)))
}

/// The song_id and artist_id of each entry, shard after shard.
fn ids<'a>(
    batches: &'a [SongBatch],
    shards: &'a [LookupShard],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let places = shards.iter().flat_map(|shard| &shard.ids);
    places.map(|&place| ids_at(batches, place).unwrap_or_default())
}

/// The song_id of each entry.
#[derive(Debug)]
pub struct SongIds(Arc<StringArray>);

impl SongIds {
    /// Those of all `shards` of `batches`.
    ///
    /// # Errors
    /// They are more than Arrow can hold (2 GiB).
    pub fn new(batches: &[SongBatch], shards: &[LookupShard]) -> Result<Self> {
        let ids = ids(batches, shards).map(|(song_id, _)| Some(song_id));
        Ok(Self(Arc::new(text_array(ids)?)))
    }
}

/// The artist_id of each entry: its number among the distinct ones, for an artist has many songs.
#[derive(Debug)]
pub struct ArtistIds {
    numbers: Vec<i32>,
    distinct: Arc<StringArray>,
}

impl ArtistIds {
    /// Those of all `shards` of `batches`.
    ///
    /// # Errors
    /// They are more than Arrow can hold (2 GiB).
    pub fn new(batches: &[SongBatch], shards: &[LookupShard]) -> Result<Self> {
        let mut known: HashMap<&str, i32, FixedState> = HashMap::default();
        let mut distinct = Vec::new();
        let numbers = ids(batches, shards).map(|(_, artist_id)| {
            *known.entry(artist_id).or_insert_with(|| {
                distinct.push(artist_id);
                distinct.len() as i32 - 1
            })
        });
        Ok(Self {
            numbers: numbers.collect(),
            distinct: Arc::new(text_array(distinct.into_iter().map(Some))?),
        })
    }
}

/// All songs by title, artist name and duration.
#[derive(Debug)]
pub struct SongLookup {
    shards: Vec<LookupShard>,
    /// The number of each shard's first entry among all.
    firsts: Vec<i32>,
    /// A bit for each hash that a duration has: most events of unknown songs end there, before
    /// their texts are hashed.
    durations: Vec<u64>,
    /// The song_key of each entry.
    song_keys: Vec<i64>,
    songs: SongIds,
    artists: ArtistIds,
}

impl SongLookup {
    /// The lookup of all `shards`, in order, with the ids that they find.
    pub fn new(songs: SongIds, artists: ArtistIds, mut shards: Vec<LookupShard>) -> Self {
        let count: usize = shards.iter().map(|shard| shard.ids.len()).sum();
        let mut durations = vec![0; (count * FILTER_BITS / 64).next_power_of_two()];
        for &duration in shards.iter().flat_map(|shard| &shard.durations) {
            let (word, bit) = filter_bit(&durations, duration);
            if let Some(word) = durations.get_mut(word) {
                *word |= bit;
            }
        }
        let mut first = 0;
        let firsts = shards.iter().map(|shard| {
            let ours = first;
            first += shard.ids.len() as i32;
            ours
        });
        Self {
            firsts: firsts.collect(),
            durations,
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
        let (word, bit) = filter_bit(&self.durations, key.duration);
        if self.durations.get(word)? & bit == 0 {
            return None;
        }
        let hash = key.hash();
        let number = shard_of(hash);
        let entry = self.shards.get(number)?.find(hash, key)?;
        Some(self.firsts.get(number)? + entry as i32)
    }

    /// The songs of events, whose songplay_ids are `ids`.
    ///
    /// # Errors
    /// None that a caller can cause: Arrow checks what this module promises.
    pub fn match_songs(&self, events: &EventBatch, ids: &[i64]) -> Result<SongMatches> {
        let whole = |row| {
            events.song.is_valid(row) && events.artist.is_valid(row) && events.length.is_valid(row)
        };
        let mut keyed = Vec::with_capacity(ids.len());
        let mut song_keys = Vec::with_capacity(ids.len());
        let mut durations = Vec::with_capacity(ids.len());
        let entries: Int32Array = (0..events.rows())
            .zip(ids)
            .map(|(row, &id)| {
                if !whole(row) {
                    return None;
                }
                let key = MatchKey {
                    title: events.song.value(row),
                    artist_name: events.artist.value(row),
                    duration: events.length.value(row),
                };
                let entry = self.find(key);
                let known = entry.and_then(|entry| self.song_keys.get(entry as usize));
                keyed.push(id);
                song_keys.push(known.copied().unwrap_or_else(|| key.song_key()));
                durations.push(positive_zero(key.duration));
                entry
            })
            .collect();
        let artist = |entry: Option<i32>| self.artists.numbers.get(entry? as usize).copied();
        let artists: Int32Array = entries.iter().map(artist).collect();
        let repeated = |keys: Int32Array, values: &Arc<StringArray>| {
            DictText::try_new(keys, Arc::clone(values) as ArrayRef).map_err(Error::arrow)
        };
        Ok(SongMatches {
            artist_id: repeated(artists, &self.artists.distinct)?,
            song_id: repeated(entries, &self.songs.0)?,
            keyed,
            song_keys,
            durations,
        })
    }

    /// Returns the rows of [`LEDGER_SONGS`], sorted by song_key and duration. Where the hash of different texts is
    /// the same, the song with the smallest ids stays.
    ///
    /// # Errors
    /// The table is larger than Arrow can hold (2 GiB of one column).
    pub fn ledger(&self) -> Result<RecordBatch> {
        let (songs, artists) = (&self.songs.0, &self.artists);
        let ids = songs.iter().zip(&artists.numbers);
        let ids = ids.map(|(song, &artist)| (song, artists.distinct.value(artist as usize)));
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
        RecordBatch::try_new(LEDGER_SONGS.arrow(), columns).map_err(Error::arrow)
    }
}

/// The songs of some events.
#[derive(Debug)]
pub struct SongMatches {
    /// The song_id of each event's song, null where none matches.
    pub song_id: DictText,
    /// The artist_id of that.
    pub artist_id: DictText,
    /// The songplay_ids of the events that can have a song: song, artist and length are there.
    pub keyed: Vec<i64>,
    /// The song_key of each of them.
    pub song_keys: Vec<i64>,
    /// The duration of each of them, where -0.0 is 0.0.
    pub durations: Vec<f64>,
}

/// The word and the bit of a duration in a filter of a power of two of words.
fn filter_bit(filter: &[u64], duration: f64) -> (usize, u64) {
    let hash = FixedState::default().hash_one(positive_zero(duration).to_bits());
    ((hash >> 32) as usize & (filter.len() - 1), 1 << (hash & 63))
}
