//! The song lookup: from an event's song, artist and length to the song that was played.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int32Array, StringArray};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::records::{EventBatch, Repeated, SongBatch};
use super::text_array;
use crate::error::{Error, Result};

/// What an event and a song must have in common.
#[derive(Clone, Copy, PartialEq)]
struct Key<'a> {
    title: &'a str,
    artist_name: &'a str,
    duration: f64,
}

/// A key, and the song_id and artist_id that it finds.
type Entry<'a> = (Key<'a>, (&'a str, &'a str));

impl Key<'_> {
    fn hash(&self) -> u64 {
        let duration = bits(self.duration);
        FixedState::default().hash_one((self.title, self.artist_name, duration))
    }
}

/// The bits of a duration, the same for equal ones: adding zero makes -0.0 the 0.0 that it equals.
fn bits(duration: f64) -> u64 {
    (duration + 0.0).to_bits()
}

/// All songs by title, artist name and duration.
#[derive(Debug)]
pub struct SongLookup {
    /// Entry numbers, by the hash of their key.
    entries: HashTable<u32>,
    titles: StringArray,
    artist_names: StringArray,
    durations: Vec<f64>,
    /// All durations once more: most events end there, before their texts are hashed.
    known: HashSet<u64, FixedState>,
    song_ids: ArrayRef,
    /// The number of each entry's artist in `artist_ids`: an artist has many songs.
    artists: Vec<i32>,
    artist_ids: ArrayRef,
}

impl SongLookup {
    /// Of several records with the same key the one with the smallest song_id counts, then the one
    /// with the smallest artist_id.
    ///
    /// # Errors
    /// A column of the songs holds more than Arrow can (2 GiB).
    pub fn new(batches: &[SongBatch]) -> Result<Self> {
        let mut found: Vec<Entry<'_>> = Vec::new();
        let mut entries: HashTable<u32> = HashTable::new();
        for batch in batches {
            for row in 0..batch.rows() {
                let key = Key {
                    title: batch.title.value(row),
                    artist_name: batch.artist_name.value(row),
                    duration: batch.duration.value(row),
                };
                let ids = (batch.song_id.value(row), batch.artist_id.value(row));
                let at = |&entry: &u32| found.get(entry as usize).map(|(k, _)| *k);
                match entries
                    .find(key.hash(), |entry| at(entry) == Some(key))
                    .copied()
                {
                    Some(entry) => {
                        if let Some((_, best)) = found.get_mut(entry as usize) {
                            *best = ids.min(*best);
                        }
                    }
                    None => {
                        let entry = found.len() as u32;
                        found.push((key, ids));
                        let hash =
                            |&entry: &u32| found.get(entry as usize).map_or(0, |(k, _)| k.hash());
                        entries.insert_unique(key.hash(), entry, hash);
                    }
                }
            }
        }
        let mut numbers: HashMap<&str, i32, FixedState> = HashMap::default();
        let mut artist_ids = Vec::new();
        let artists = found
            .iter()
            .map(|(_, (_, artist_id))| {
                *numbers.entry(artist_id).or_insert_with(|| {
                    artist_ids.push(*artist_id);
                    artist_ids.len() as i32 - 1
                })
            })
            .collect();
        let texts =
            |part: for<'e> fn(&Entry<'e>) -> &'e str| text_array(found.iter().map(part).map(Some));
        Ok(Self {
            titles: texts(|(key, _)| key.title)?,
            artist_names: texts(|(key, _)| key.artist_name)?,
            durations: found.iter().map(|(key, _)| key.duration).collect(),
            known: found.iter().map(|(key, _)| bits(key.duration)).collect(),
            song_ids: Arc::new(texts(|(_, ids)| ids.0)?),
            artist_ids: Arc::new(text_array(artist_ids.into_iter().map(Some))?),
            artists,
            entries,
        })
    }

    fn find(&self, key: Key<'_>) -> Option<i32> {
        if !self.known.contains(&bits(key.duration)) {
            return None;
        }
        let same = |&entry: &u32| {
            let entry = entry as usize;
            self.durations.get(entry) == Some(&key.duration)
                && self.titles.value(entry) == key.title
                && self.artist_names.value(entry) == key.artist_name
        };
        self.entries
            .find(key.hash(), same)
            .map(|&entry| entry as i32)
    }

    /// The song_id and artist_id of each event's song, null where none matches.
    ///
    /// # Errors
    /// None that a caller can cause: Arrow checks what this module promises.
    pub fn match_songs(&self, events: &EventBatch) -> Result<(Repeated, Repeated)> {
        let whole = |row| {
            events.song.is_valid(row) && events.artist.is_valid(row) && events.length.is_valid(row)
        };
        let keys: Int32Array = (0..events.rows())
            .map(|row| {
                if !whole(row) {
                    return None;
                }
                self.find(Key {
                    title: events.song.value(row),
                    artist_name: events.artist.value(row),
                    duration: events.length.value(row),
                })
            })
            .collect();
        let artist = |entry: Option<i32>| self.artists.get(entry? as usize).copied();
        let artists: Int32Array = keys.iter().map(artist).collect();
        let ids = |keys: Int32Array, values: &ArrayRef| {
            Repeated::try_new(keys, Arc::clone(values)).map_err(Error::arrow)
        };
        Ok((ids(keys, &self.song_ids)?, ids(artists, &self.artist_ids)?))
    }
}
