//! Raw records: as JSON for the engine, and as the texts that COPY stages.

use std::collections::BTreeMap;

/// A value of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// The value in JSON.
    pub json: String,
    /// The text that COPY stages; `None` for null.
    pub staged: Option<String>,
}

/// Returns a string.
pub fn text(value: &str) -> Cell {
    Cell {
        json: serde_json::to_string(value).unwrap(),
        staged: Some(value.to_owned()),
    }
}

/// Returns a number, a boolean, an object or an array, which is staged as it is written.
pub fn json(value: &str) -> Cell {
    Cell {
        json: value.to_owned(),
        staged: Some(value.to_owned()),
    }
}

pub fn null() -> Cell {
    Cell {
        json: "null".to_owned(),
        staged: None,
    }
}

/// A record: the values of its keys.
#[derive(Debug, Clone, Default)]
pub struct RawRecord(pub BTreeMap<&'static str, Cell>);

impl RawRecord {
    /// Returns the record with a value for a key.
    pub fn with(mut self, key: &'static str, value: Cell) -> Self {
        self.0.insert(key, value);
        self
    }

    /// Returns the record without a key.
    pub fn without(mut self, key: &str) -> Self {
        self.0.remove(key);
        self
    }

    /// Returns the record as a line of JSON.
    pub fn line(&self) -> String {
        let members = self.0.iter();
        let members: Vec<_> = members
            .map(|(key, value)| format!("\"{key}\":{}", value.json))
            .collect();
        format!("{{{}}}\n", members.join(","))
    }
}

/// Returns a valid event. Events with different numbers differ in the item of the session.
pub fn event(number: usize) -> RawRecord {
    let values = [
        ("artist", text("Artist")),
        ("auth", text("Logged In")),
        ("firstName", text("Ann")),
        ("gender", text("F")),
        ("itemInSession", json(&number.to_string())),
        ("lastName", text("Lee")),
        ("length", json("231.81016")),
        ("level", text("free")),
        ("location", text("Paris, \"FR\"")),
        ("method", text("PUT")),
        ("page", text("NextSong")),
        ("registration", json("1540919166796.0")),
        ("sessionId", json("38")),
        ("song", text("Title")),
        ("status", json("200")),
        ("ts", json("1541106106796")),
        ("userAgent", text("Mozilla/5.0")),
        ("userId", text("8")),
    ];
    RawRecord(values.into_iter().collect())
}

/// Returns a valid song. Songs with different numbers have different ids.
pub fn song(number: usize) -> RawRecord {
    let values = [
        ("artist_id", text(&format!("AR{number}"))),
        ("artist_latitude", json("35.14968")),
        ("artist_location", text("Memphis, TN")),
        ("artist_longitude", json("-90.04892")),
        ("artist_name", text("Artist")),
        ("duration", json("231.81016")),
        ("num_songs", json("1")),
        ("song_id", text(&format!("SO{number}"))),
        ("title", text("Title")),
        ("year", json("2003")),
    ];
    RawRecord(values.into_iter().collect())
}

/// A generator of numbers that look random (xorshift), the same in every run.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// Returns a number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    /// Returns one of some values.
    pub fn choose<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len() as u64) as usize]
    }
}
