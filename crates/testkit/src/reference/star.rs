//! Computes the five tables from all accepted song records and all kept events.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Datelike, Timelike};

use super::output::{Artist, Song, Songplay, Time, User};
use super::rows::{KeptEvent, SongRecord};

/// Computes 64-bit FNV-1a as Redshift's `FNV_HASH` does: a seed replaces the offset basis.
pub fn fnv_hash(bytes: &[u8], seed: u64) -> u64 {
    bytes.iter().fold(seed, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

pub const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// Computes `fnv_hash(artist_name, fnv_hash(0::smallint, fnv_hash(title)))` as Redshift does.
pub fn song_key(title: &str, artist_name: &str) -> i64 {
    let hash = fnv_hash(title.as_bytes(), FNV_BASIS);
    let hash = fnv_hash(&[0, 0], hash);
    fnv_hash(artist_name.as_bytes(), hash).cast_signed()
}

pub fn songplay_id(event: &KeptEvent) -> i64 {
    let hash = fnv_hash(&event.user_id.to_le_bytes(), FNV_BASIS);
    let hash = fnv_hash(&event.ts.to_le_bytes(), hash);
    let hash = fnv_hash(&event.session_id.to_le_bytes(), hash);
    let hash = fnv_hash(&event.item_in_session.to_le_bytes(), hash);
    hash.cast_signed()
}

pub fn start_time(event: &KeptEvent) -> i64 {
    event.ts * 1000
}

/// Returns one event for each songplay_id, in input order: the smallest by (level, location, user agent, song
/// key), with null last. Events that tie are equal in all columns of songplays, unless two different events
/// share an id: then the smallest by (start time, user, session) is kept. If events still tie, the first one
/// is kept.
pub fn deduplicate(events: &[KeptEvent]) -> Vec<KeptEvent> {
    let mut best: HashMap<i64, usize> = HashMap::new();
    for (number, event) in events.iter().enumerate() {
        let current = best.entry(songplay_id(event)).or_insert(number);
        if cmp_content(event, &events[*current]) == Ordering::Less {
            *current = number;
        }
    }
    let mut numbers: Vec<usize> = best.into_values().collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .map(|number| events[number].clone())
        .collect()
}

fn cmp_content(a: &KeptEvent, b: &KeptEvent) -> Ordering {
    let song = |event: &KeptEvent| {
        let (title, artist) = (event.song.as_ref()?, event.artist.as_ref()?);
        Some((song_key(title, artist), event.length?))
    };
    (a.level.as_bytes().cmp(b.level.as_bytes()))
        .then_with(|| cmp_nulls_last(&a.location, &b.location, Ord::cmp))
        .then_with(|| cmp_nulls_last(&a.user_agent, &b.user_agent, Ord::cmp))
        .then_with(|| {
            cmp_nulls_last(&song(a), &song(b), |a, b| {
                // No length is NaN, and both zeros are equal.
                a.partial_cmp(b).expect("no length is NaN")
            })
        })
        .then(a.ts.cmp(&b.ts))
        .then(a.user_id.cmp(&b.user_id))
        .then(a.session_id.cmp(&b.session_id))
}

/// Returns the songplays of events, each of which has an id of its own.
pub fn songplays(songs: &[SongRecord], events: &[KeptEvent]) -> Vec<Songplay> {
    // -0.0 equals 0.0 but has other bits; adding 0.0 makes them the same.
    let bits = |seconds: f64| (seconds + 0.0).to_bits();

    // Maps title, artist and duration to the song_id and artist_id of the smallest match.
    let mut lookup: HashMap<(&str, &str, u64), (&str, &str)> = HashMap::new();
    for song in songs {
        let key = (
            song.title.as_str(),
            song.artist_name.as_str(),
            bits(song.duration),
        );
        let found = (song.song_id.as_str(), song.artist_id.as_str());
        lookup
            .entry(key)
            .and_modify(|best| *best = (*best).min(found))
            .or_insert(found);
    }

    let find = |event: &KeptEvent| {
        let song = event.song.as_deref()?;
        let artist = event.artist.as_deref()?;
        lookup.get(&(song, artist, bits(event.length?))).copied()
    };
    events
        .iter()
        .map(|event| {
            let found = find(event);
            Songplay {
                songplay_id: songplay_id(event),
                start_time: start_time(event),
                user_id: event.user_id,
                level: event.level.clone(),
                song_id: found.map(|(song_id, _)| song_id.to_string()),
                artist_id: found.map(|(_, artist_id)| artist_id.to_string()),
                session_id: event.session_id,
                location: event.location.clone(),
                user_agent: event.user_agent.clone(),
            }
        })
        .collect()
}

/// Returns the event of each user that provides its columns, sorted by user: the latest event, and among ties
/// the smallest by (level, first name, last name, gender), with null last.
pub fn latest_events(events: &[KeptEvent]) -> Vec<&KeptEvent> {
    let recency = |event: &KeptEvent| (event.ts, event.session_id, event.item_in_session);
    let order = |a: &KeptEvent, b: &KeptEvent| {
        (recency(b).cmp(&recency(a)))
            .then_with(|| a.level.cmp(&b.level))
            .then_with(|| cmp_nulls_last(&a.first_name, &b.first_name, Ord::cmp))
            .then_with(|| cmp_nulls_last(&a.last_name, &b.last_name, Ord::cmp))
            .then_with(|| cmp_nulls_last(&a.gender, &b.gender, Ord::cmp))
    };
    let mut latest: BTreeMap<i32, &KeptEvent> = BTreeMap::new();
    for event in events {
        let best = latest.entry(event.user_id).or_insert(event);
        if order(event, best) == Ordering::Less {
            *best = event;
        }
    }
    latest.into_values().collect()
}

pub fn users(events: &[KeptEvent]) -> Vec<User> {
    latest_events(events)
        .into_iter()
        .map(|event| User {
            user_id: event.user_id,
            first_name: event.first_name.clone(),
            last_name: event.last_name.clone(),
            gender: event.gender.clone(),
            level: event.level.clone(),
        })
        .collect()
}

/// Returns the smallest record of each key by `order`, sorted by key.
fn smallest_by_key(
    songs: &[SongRecord],
    key: impl Fn(&SongRecord) -> &str,
    order: impl Fn(&SongRecord, &SongRecord) -> Ordering,
) -> Vec<&SongRecord> {
    let mut best: BTreeMap<&str, &SongRecord> = BTreeMap::new();
    for song in songs {
        let current = best.entry(key(song)).or_insert(song);
        if order(song, current) == Ordering::Less {
            *current = song;
        }
    }
    best.into_values().collect()
}

/// Compares options, with null last.
fn cmp_nulls_last<T>(a: &Option<T>, b: &Option<T>, order: impl Fn(&T, &T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => order(a, b),
        _ => a.is_none().cmp(&b.is_none()),
    }
}

/// Returns 0.0 for -0.0, and every other value unchanged.
pub fn normalize_negative_zero(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

/// Compares doubles, none of which is NaN: -0.0 equals 0.0.
fn cmp_doubles(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).expect("no JSON number is NaN")
}

pub fn songs(songs: &[SongRecord]) -> Vec<Song> {
    let order = |a: &SongRecord, b: &SongRecord| {
        (a.title.cmp(&b.title))
            .then_with(|| a.artist_id.cmp(&b.artist_id))
            .then_with(|| cmp_nulls_last(&a.year, &b.year, Ord::cmp))
            .then_with(|| cmp_doubles(&a.duration, &b.duration))
    };
    smallest_by_key(songs, |song| &song.song_id, order)
        .into_iter()
        .map(|song| Song {
            song_id: song.song_id.clone(),
            title: song.title.clone(),
            artist_id: song.artist_id.clone(),
            year: song.year,
            duration: normalize_negative_zero(song.duration),
        })
        .collect()
}

/// Returns the record of each artist that provides its columns, sorted by artist.
pub fn preferred_artist_records(songs: &[SongRecord]) -> Vec<&SongRecord> {
    let lacks_coordinates =
        |s: &SongRecord| s.artist_latitude.is_none() || s.artist_longitude.is_none();
    let lacks_location =
        |s: &SongRecord| s.artist_location.as_deref().unwrap_or_default().is_empty();
    let order = |a: &SongRecord, b: &SongRecord| {
        // `false` sorts before `true`, so records with coordinates come first.
        (lacks_coordinates(a).cmp(&lacks_coordinates(b)))
            .then_with(|| lacks_location(a).cmp(&lacks_location(b)))
            .then_with(|| a.song_id.cmp(&b.song_id))
            .then_with(|| a.artist_name.cmp(&b.artist_name))
            // The remaining columns only make the choice independent of the input order.
            .then_with(|| cmp_nulls_last(&a.artist_location, &b.artist_location, Ord::cmp))
            .then_with(|| cmp_nulls_last(&a.artist_latitude, &b.artist_latitude, cmp_doubles))
            .then_with(|| cmp_nulls_last(&a.artist_longitude, &b.artist_longitude, cmp_doubles))
    };
    smallest_by_key(songs, |song| &song.artist_id, order)
}

pub fn artists(songs: &[SongRecord]) -> Vec<Artist> {
    preferred_artist_records(songs)
        .into_iter()
        .map(|song| Artist {
            artist_id: song.artist_id.clone(),
            name: song.artist_name.clone(),
            location: song.artist_location.clone(),
            latitude: song.artist_latitude.map(normalize_negative_zero),
            longitude: song.artist_longitude.map(normalize_negative_zero),
        })
        .collect()
}

pub fn time(events: &[KeptEvent]) -> Vec<Time> {
    let starts: BTreeSet<i64> = events.iter().map(start_time).collect();
    starts
        .into_iter()
        .map(|start_time| {
            let at = DateTime::from_timestamp_micros(start_time)
                .expect("the year was checked to be 1 to 9999");
            Time {
                start_time,
                hour: at.hour() as i16,
                day: at.day() as i16,
                week: at.iso_week().week() as i16,
                month: at.month() as i16,
                year: at.year() as i16,
                weekday: at.weekday().num_days_from_sunday() as i16,
            }
        })
        .collect()
}
