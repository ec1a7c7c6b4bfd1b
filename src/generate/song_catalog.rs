//! A catalogue: any number of songs, none of them stored. A song is worked out from its number each
//! time it is asked for, so a million of them take no memory and a play finds its song's text
//! without a lookup.

use super::random::Rng;
use super::text::{push, push_hundred_thousandths, push_identifier, push_number};
use super::vocabulary::{ADJECTIVES, BANDS, EDITIONS, GIVEN, NOUNS, REGIONS, STRANGERS, TOWNS};

/// Tags of the random streams, one for each thing that is worked out.
const TITLE: u64 = 1;
const LENGTH: u64 = 2;
const SINGER: u64 = 3;
const NAME: u64 = 4;
const PLACE: u64 = 5;
const RELEASE: u64 = 6;
const SONG_ID: u64 = 7;
const ARTIST_ID: u64 = 8;

/// How many songs users hear that the catalogue does not have.
const STRANGE_SONGS: u64 = 250_000;

/// Songs 0 to `songs`, and as many beyond as are asked for, each with an artist of its own.
pub(super) struct SongCatalog {
    seed: u64,
    pub songs: u64,
    /// Artists 0 to `artists` share the songs.
    pub artists: u64,
    last_names: &'static [&'static str],
}

/// How a slash is written: by Python's `json`, and by PHP's `json_encode`.
pub(super) const PYTHON_SLASH: &str = "/";
pub(super) const PHP_SLASH: &str = "\\/";

impl SongCatalog {
    /// The songs that have a song object.
    pub fn known(seed: u64, songs: u64) -> Self {
        Self {
            seed,
            songs,
            artists: songs - songs / 3,
            last_names: BANDS,
        }
    }

    /// The songs that are played but have no song object. None has the artist name of a known one.
    pub fn unknown(seed: u64) -> Self {
        Self {
            seed: !seed,
            songs: STRANGE_SONGS,
            artists: STRANGE_SONGS / 4,
            last_names: STRANGERS,
        }
    }

    /// The artist of a song.
    pub fn artist(&self, song: u64) -> u64 {
        match song.checked_sub(self.songs) {
            None => self.of(SINGER, song).below(self.artists),
            Some(beyond) => self.artists + beyond,
        }
    }

    /// Appends a title as JSON text, without its quotes.
    pub fn push_title(&self, out: &mut Vec<u8>, song: u64, slash: &str) {
        let mut random = self.of(TITLE, song);
        let shape = random.below(8);
        if shape < 5 {
            push(out, random.pick(ADJECTIVES));
            out.push(b' ');
        }
        push(out, random.pick(NOUNS));
        if shape > 2 {
            push(
                out,
                if shape.is_multiple_of(2) {
                    " of the "
                } else {
                    " & "
                },
            );
            push(out, random.pick(ADJECTIVES));
            out.push(b' ');
            push(out, random.pick(NOUNS));
        }
        if random.chance(20) {
            let edition = random.pick(EDITIONS);
            match edition.split_once("{/}") {
                None => push(out, edition),
                Some((left, right)) => [left, slash, right].iter().for_each(|part| push(out, part)),
            }
        }
    }

    /// Appends the name of an artist as JSON text, without its quotes.
    pub fn push_artist_name(&self, out: &mut Vec<u8>, artist: u64) {
        let mut random = self.of(NAME, artist);
        match random.below(6) {
            0 => push(out, "The "),
            1 => {
                push(out, random.pick(GIVEN));
                push(out, " & the ");
            }
            _ => {
                push(out, random.pick(ADJECTIVES));
                out.push(b' ');
            }
        }
        push(out, random.pick(ADJECTIVES));
        out.push(b' ');
        push(out, random.pick(self.last_names));
    }

    /// Appends the length of a song in seconds.
    pub fn push_length(&self, out: &mut Vec<u8>, song: u64) {
        let mut random = self.of(LENGTH, song);
        let long = if random.chance(4) { 60_000_000 } else { 1 };
        push_hundred_thousandths(
            out,
            2_500_000 + random.below(20_000_000) + random.below(20_000_000) + random.below(long),
        );
    }

    /// Appends a song object as Python's `json.dumps` writes it.
    pub fn push_song(&self, out: &mut Vec<u8>, song: u64) {
        let artist = self.artist(song);
        push(out, r#"{"num_songs": 1, "artist_id": ""#);
        self.push_id(out, "AR", ARTIST_ID, artist);
        out.push(b'"');
        self.push_place(out, artist);
        push(out, r#", "artist_name": ""#);
        self.push_artist_name(out, artist);
        push(out, r#"", "song_id": ""#);
        self.push_id(out, "SO", SONG_ID, song);
        push(out, r#"", "title": ""#);
        self.push_title(out, song, PYTHON_SLASH);
        push(out, r#"", "duration": "#);
        self.push_length(out, song);
        push(out, r#", "year": "#);
        let mut random = self.of(RELEASE, song);
        let year = if random.chance(45) {
            0
        } else {
            1955 + random.below(56)
        };
        push_number(out, year);
        out.push(b'}');
    }

    /// Coordinates and location: an artist may have either, both or none.
    fn push_place(&self, out: &mut Vec<u8>, artist: u64) {
        let mut random = self.of(PLACE, artist);
        let located = random.chance(35);
        for (key, reach) in [
            (r#", "artist_latitude": "#, 6_900_000),
            (r#", "artist_longitude": "#, 17_900_000),
        ] {
            push(out, key);
            if !located {
                push(out, "null");
                continue;
            }
            if random.chance(50) {
                out.push(b'-');
            }
            push_hundred_thousandths(out, 1 + random.below(reach));
        }
        push(out, r#", "artist_location": ""#);
        if random.chance(if located { 95 } else { 30 }) {
            push(out, random.pick(TOWNS));
            push(out, ", ");
            push(out, random.pick(REGIONS));
        }
        out.push(b'"');
    }

    fn push_id(&self, out: &mut Vec<u8>, prefix: &str, kind: u64, nth: u64) {
        let letters = self.of(kind, nth).next().to_le_bytes();
        let [a, b, c, d, e, ..] = letters;
        push_identifier(out, prefix, [a, b, c, d, e], self.scattered(nth));
    }

    /// A number below 2^40 for each below 2^40, all different: an odd factor modulo a power of two
    /// loses nothing.
    pub fn scattered(&self, nth: u64) -> u64 {
        (nth.wrapping_mul(0x5_DEEC_E66D) ^ self.seed) & ((1 << 40) - 1)
    }

    fn of(&self, kind: u64, nth: u64) -> Rng {
        Rng::of(self.seed, kind, nth)
    }
}
