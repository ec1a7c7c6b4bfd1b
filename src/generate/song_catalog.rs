//! Derives any number of songs from their numbers. No song is stored, so a million songs take no memory, and a play gets
//! the text of its song without a lookup.

use super::json_text::{push, push_hundred_thousandths, push_identifier, push_number};
use super::random::Rng;
use super::vocabulary::{
    ADJECTIVES, CITIES, FIRST_NAMES, KNOWN_ARTISTS, NOUNS, REGIONS, TITLE_SUFFIXES, UNKNOWN_ARTISTS,
};

/// Tags of the random streams, one for each derived value.
const TITLE_STREAM: u64 = 1;
const DURATION_STREAM: u64 = 2;
const SONG_ARTIST_STREAM: u64 = 3;
const ARTIST_NAME_STREAM: u64 = 4;
const LOCATION_STREAM: u64 = 5;
const YEAR_STREAM: u64 = 6;
const SONG_ID_STREAM: u64 = 7;
const ARTIST_ID_STREAM: u64 = 8;

/// Number of songs that are played but have no song object.
const UNKNOWN_SONGS: u64 = 250_000;

/// The songs below number `songs`. Every song number beyond is valid too, and has an artist of its own.
pub(super) struct SongCatalog {
    seed: u64,
    pub songs: u64,
    /// Number of artists that share the songs below `songs`.
    pub artists: u64,
    artist_nouns: &'static [&'static str],
}

/// A slash in the JSON of Python's `json`.
pub(super) const PYTHON_SLASH: &str = "/";
/// A slash in the JSON of PHP's `json_encode`.
pub(super) const PHP_SLASH: &str = "\\/";

impl SongCatalog {
    /// Creates the catalog of the songs that have a song object.
    pub(super) fn known(seed: u64, songs: u64) -> Self {
        Self {
            seed,
            songs,
            artists: songs - songs / 3,
            artist_nouns: KNOWN_ARTISTS,
        }
    }

    /// Creates the catalog of the songs that are played but have no song object. Their artist names are never those of
    /// known songs.
    pub(super) fn unknown(seed: u64) -> Self {
        Self {
            seed: !seed,
            songs: UNKNOWN_SONGS,
            artists: UNKNOWN_SONGS / 4,
            artist_nouns: UNKNOWN_ARTISTS,
        }
    }

    /// Returns the number of the artist of a song.
    pub(super) fn artist_of(&self, song: u64) -> u64 {
        match song.checked_sub(self.songs) {
            None => self.rng(SONG_ARTIST_STREAM, song).below(self.artists),
            Some(beyond) => self.artists + beyond,
        }
    }

    /// Appends a title as JSON text, without its quotes.
    pub(super) fn push_title(&self, out: &mut Vec<u8>, song: u64, slash: &str) {
        let mut rng = self.rng(TITLE_STREAM, song);
        let shape = rng.below(8);
        if shape < 5 {
            push(out, rng.choose(ADJECTIVES));
            out.push(b' ');
        }
        push(out, rng.choose(NOUNS));
        if shape > 2 {
            push(
                out,
                if shape.is_multiple_of(2) {
                    " of the "
                } else {
                    " & "
                },
            );
            push(out, rng.choose(ADJECTIVES));
            out.push(b' ');
            push(out, rng.choose(NOUNS));
        }
        if rng.chance(20) {
            let suffix = rng.choose(TITLE_SUFFIXES);
            match suffix.split_once("{/}") {
                None => push(out, suffix),
                Some((left, right)) => [left, slash, right].iter().for_each(|part| push(out, part)),
            }
        }
    }

    /// Appends the name of an artist as JSON text, without its quotes.
    pub(super) fn push_artist_name(&self, out: &mut Vec<u8>, artist: u64) {
        let mut rng = self.rng(ARTIST_NAME_STREAM, artist);
        match rng.below(6) {
            0 => push(out, "The "),
            1 => {
                push(out, rng.choose(FIRST_NAMES));
                push(out, " & the ");
            }
            _ => {
                push(out, rng.choose(ADJECTIVES));
                out.push(b' ');
            }
        }
        push(out, rng.choose(ADJECTIVES));
        out.push(b' ');
        push(out, rng.choose(self.artist_nouns));
    }

    /// Appends the duration of a song in seconds.
    pub(super) fn push_duration(&self, out: &mut Vec<u8>, song: u64) {
        let mut rng = self.rng(DURATION_STREAM, song);
        let extra = if rng.chance(4) { 60_000_000 } else { 1 };
        push_hundred_thousandths(
            out,
            2_500_000 + rng.below(20_000_000) + rng.below(20_000_000) + rng.below(extra),
        );
    }

    /// Appends a song object in the format of Python's `json.dumps`.
    pub(super) fn push_song(&self, out: &mut Vec<u8>, song: u64) {
        let artist = self.artist_of(song);
        push(out, r#"{"num_songs": 1, "artist_id": ""#);
        self.push_id(out, "AR", ARTIST_ID_STREAM, artist);
        out.push(b'"');
        self.push_location(out, artist);
        push(out, r#", "artist_name": ""#);
        self.push_artist_name(out, artist);
        push(out, r#"", "song_id": ""#);
        self.push_id(out, "SO", SONG_ID_STREAM, song);
        push(out, r#"", "title": ""#);
        self.push_title(out, song, PYTHON_SLASH);
        push(out, r#"", "duration": "#);
        self.push_duration(out, song);
        push(out, r#", "year": "#);
        let mut rng = self.rng(YEAR_STREAM, song);
        let year = if rng.chance(45) {
            0
        } else {
            1955 + rng.below(56)
        };
        push_number(out, year);
        out.push(b'}');
    }

    /// Appends coordinates and location. An artist may have either, both or none.
    fn push_location(&self, out: &mut Vec<u8>, artist: u64) {
        let mut rng = self.rng(LOCATION_STREAM, artist);
        let has_coordinates = rng.chance(35);
        for (key, max) in [
            (r#", "artist_latitude": "#, 6_900_000),
            (r#", "artist_longitude": "#, 17_900_000),
        ] {
            push(out, key);
            if !has_coordinates {
                push(out, "null");
                continue;
            }
            if rng.chance(50) {
                out.push(b'-');
            }
            push_hundred_thousandths(out, 1 + rng.below(max));
        }
        push(out, r#", "artist_location": ""#);
        if rng.chance(if has_coordinates { 95 } else { 30 }) {
            push(out, rng.choose(CITIES));
            push(out, ", ");
            push(out, rng.choose(REGIONS));
        }
        out.push(b'"');
    }

    fn push_id(&self, out: &mut Vec<u8>, prefix: &str, stream: u64, nth: u64) {
        let letters = self.rng(stream, nth).next_u64().to_le_bytes();
        let [a, b, c, d, e, ..] = letters;
        push_identifier(out, prefix, [a, b, c, d, e], self.scramble(nth));
    }

    /// Maps each number below 2^40 to a different number below 2^40. The mapping is a permutation, because multiplication
    /// by an odd factor is invertible modulo a power of two.
    pub(super) fn scramble(&self, nth: u64) -> u64 {
        (nth.wrapping_mul(0x5_DEEC_E66D) ^ self.seed) & ((1 << 40) - 1)
    }

    fn rng(&self, stream: u64, nth: u64) -> Rng {
        Rng::new(self.seed, stream, nth)
    }
}
