//! The built-in model: the star schema of the music streaming company Sparkify.

use super::column::CalendarPart::{Day, Hour, Month, Week, Weekday, Year};
use super::column::ColumnType::{BigInt, Double, Integer, SmallInt, Timestamp, Varchar};
use super::column::ValueSource::{CalendarPart, Engine, Field, Hash, Lookup};
use super::column::{ColumnSchema, column};
use super::record::{FieldType, RecordFilter, RecordSchema, optional, required};
use super::rule::OrderTerm::{AllPresent, Ascending, Descending, NonEmpty};
use super::rule::{FactRule, LookupRule, PickRule, TableRule};
use super::star::Model;
use super::table::{Distribution, RedshiftLayout, Reference, TableSchema};

/// The star schema of Sparkify.
pub static SPARKIFY: Model = Model {
    name: "sparkify",
    records: &[&SONG_RECORD, &EVENT_RECORD],
    star: &[&SONGPLAYS, &USERS, &SONGS, &ARTISTS, &TIME],
    merge_state: &[
        &SOURCE_OBJECTS,
        &STATE_USERS,
        &STATE_ARTISTS,
        &STATE_SONGS,
        &STATE_SONGPLAYS,
    ],
    load_history: &LOAD_HISTORY,
};

// The limits of VARCHAR columns, in bytes. The decoder uses the same limits to reject longer texts.
const ID_BYTES: usize = 32;
const SHORT_TEXT_BYTES: usize = 16;
const NAME_BYTES: usize = 256;
const TITLE_BYTES: usize = 1024;
const LOCATION_BYTES: usize = 512;
const USER_AGENT_BYTES: usize = 1024;
const RUN_ID_BYTES: usize = 64;
const OBJECT_NAME_BYTES: usize = 4096;

/// `0001-01-01T00:00:00.000Z` in milliseconds since 1970.
const MIN_TS_MS: i64 = -62_135_596_800_000;
/// `9999-12-31T23:59:59.999Z` in milliseconds since 1970.
const MAX_TS_MS: i64 = 253_402_300_799_999;

const fn text(max_bytes: usize) -> FieldType {
    FieldType::Text { max_bytes }
}

const fn dict_text(max_bytes: usize) -> FieldType {
    FieldType::DictText { max_bytes }
}

/// The metadata of a song.
pub static SONG_RECORD: RecordSchema = RecordSchema {
    name: "song",
    description: "The metadata of a song.",
    fields: &[
        required("song_id", text(ID_BYTES)),
        required("title", text(TITLE_BYTES)),
        required("artist_id", text(ID_BYTES)),
        required("artist_name", text(TITLE_BYTES)),
        optional("artist_location", text(TITLE_BYTES)),
        optional("artist_latitude", FieldType::Double),
        optional("artist_longitude", FieldType::Double),
        optional("year", FieldType::Int32),
        required("duration", FieldType::Double),
    ],
    filter: None,
    unused_keys: &["num_songs"],
};

/// An event of the activity log. `song`, `artist` and `length` are used only to look up the song. They are
/// stored in no column, so their size is not limited.
pub static EVENT_RECORD: RecordSchema = RecordSchema {
    name: "event",
    description: "An event of the activity log.",
    fields: &[
        required(
            "ts",
            FieldType::Int64 {
                min: MIN_TS_MS,
                max: MAX_TS_MS,
            },
        ),
        required("userId", FieldType::Int32),
        required("sessionId", FieldType::Int32),
        required("itemInSession", FieldType::Int32),
        required("level", dict_text(SHORT_TEXT_BYTES)),
        optional("firstName", dict_text(NAME_BYTES)),
        optional("lastName", dict_text(NAME_BYTES)),
        optional("gender", dict_text(SHORT_TEXT_BYTES)),
        optional("location", dict_text(LOCATION_BYTES)),
        optional("userAgent", dict_text(USER_AGENT_BYTES)),
        optional("song", text(usize::MAX)),
        optional("artist", text(usize::MAX)),
        optional("length", FieldType::Double),
    ],
    filter: Some(RecordFilter {
        key: "page",
        value: "NextSong",
    }),
    unused_keys: &["auth", "method", "registration", "status"],
};

/// The fact table: one row for each distinct `NextSong` event.
pub static SONGPLAYS: TableSchema = TableSchema {
    name: "songplays",
    dir: "songplays",
    description: "The plays: one row for each distinct NextSong event.",
    columns: &[
        column(
            "songplay_id",
            BigInt,
            Hash(EVENT_KEY),
            "The play: a hash of the user, the time, the session and the item in the session. It is the same in every run and \
             for every delivery of the event.",
        ),
        column("start_time", Timestamp, Field("ts"), "When the play began, in UTC."),
        column("user_id", Integer, Field("userId"), "The user who played the song."),
        column(
            "level",
            Varchar(SHORT_TEXT_BYTES),
            Field("level"),
            "The subscription level of the user at the time of the play, as logged, such as free or paid.",
        ),
        column(
            "song_id",
            Varchar(ID_BYTES),
            Lookup("song_id"),
            "The song with the title, the artist name and the duration that the event has. It is null if no song record \
             matches; the play is a row nevertheless.",
        )
        .or_null(),
        column(
            "artist_id",
            Varchar(ID_BYTES),
            Lookup("artist_id"),
            "The artist of that song; null if song_id is null.",
        )
        .or_null(),
        column(
            "session_id",
            Integer,
            Field("sessionId"),
            "The session in which the user played the song, as numbered by the log.",
        ),
        column(
            "location",
            Varchar(LOCATION_BYTES),
            Field("location"),
            "The location of the user at the time of the play, as logged; null if the event has none.",
        )
        .or_null(),
        column(
            "user_agent",
            Varchar(USER_AGENT_BYTES),
            Field("userAgent"),
            "The user agent, as logged, which tells browser and operating system; null if the event has none.",
        )
        .or_null(),
    ],
    key_len: 1,
    references: &[
        reference("songplays_time", "start_time", "time"),
        reference("songplays_user", "user_id", "users"),
        reference("songplays_song", "song_id", "songs"),
        reference("songplays_artist", "artist_id", "artists"),
    ],
    rule: TableRule::Fact(FactRule {
        record: "event",
        order: &[
            Ascending("level"),
            Ascending("location"),
            Ascending("user_agent"),
            Ascending("song_key"),
            Ascending("duration"),
        ],
        lookup: LookupRule {
            table: "state_songs",
            equal: &[("song", "title"), ("artist", "artist_name"), ("length", "duration")],
            keys: "state_songplays",
        },
        explanation: "Of several deliveries of an event the smallest is taken, by level, location, user_agent, song_key \
                      and duration, null last.",
    }),
    redshift: RedshiftLayout {
        distribution: Distribution::Key("start_time"),
        sort_key: "start_time",
        reason: "Nearly every query selects a time range. The sort key lets it skip blocks. The distribution key lets the \
                 join with time run without redistribution, and its many distinct values keep the slices even.",
    },
};

/// The fields that identify an event.
const EVENT_KEY: &[&str] = &["userId", "ts", "sessionId", "itemInSession"];

/// One row for each user, as of the latest event.
pub static USERS: TableSchema = TableSchema {
    name: "users",
    dir: "users",
    description: "The users: one row for each user who played a song, as of the latest event.",
    columns: &[
        column(
            "user_id",
            Integer,
            Field("userId"),
            "The user, as numbered by the log.",
        ),
        column(
            "first_name",
            Varchar(NAME_BYTES),
            Field("firstName"),
            "The first name in the latest event; null if that event has none.",
        )
        .or_null(),
        column(
            "last_name",
            Varchar(NAME_BYTES),
            Field("lastName"),
            "The last name in the latest event; null if that event has none.",
        )
        .or_null(),
        column(
            "gender",
            Varchar(SHORT_TEXT_BYTES),
            Field("gender"),
            "The gender in the latest event, such as F or M; null if that event has none.",
        )
        .or_null(),
        column(
            "level",
            Varchar(SHORT_TEXT_BYTES),
            Field("level"),
            "The subscription level in the latest event, such as free or paid. The level at the time of a play is in songplays.",
        ),
    ],
    key_len: 1,
    references: &[],
    rule: TableRule::Pick(PickRule {
        record: "event",
        order: &[
            Descending("start_time"),
            Descending("session_id"),
            Descending("item_in_session"),
            Ascending("level"),
            Ascending("first_name"),
            Ascending("last_name"),
            Ascending("gender"),
        ],
        state: Some("state_users"),
        explanation: "Each user has the values of the latest event, and of several deliveries of that event the smallest \
                      by level and names, null last. A late batch does not overwrite a newer level.",
    }),
    redshift: replicated("user_id", ""),
};

/// One row for each song.
pub static SONGS: TableSchema = TableSchema {
    name: "songs",
    dir: "songs",
    description: "The songs: one row for each song of the catalog.",
    columns: &[
        column(
            "song_id",
            Varchar(ID_BYTES),
            Field("song_id"),
            "The song, by its id in the song metadata.",
        ),
        column(
            "title",
            Varchar(TITLE_BYTES),
            Field("title"),
            "The title of the song.",
        ),
        column(
            "artist_id",
            Varchar(ID_BYTES),
            Field("artist_id"),
            "The artist of the song.",
        ),
        column(
            "year",
            Integer,
            Field("year"),
            "The year of release; 0 or null if the song metadata does not know it.",
        )
        .or_null(),
        column(
            "duration",
            Double,
            Field("duration"),
            "The duration of the song, in seconds.",
        ),
    ],
    key_len: 1,
    references: &[reference("songs_artist", "artist_id", "artists")],
    rule: TableRule::Pick(PickRule {
        record: "song",
        order: &[
            Ascending("title"),
            Ascending("artist_id"),
            Ascending("year"),
            Ascending("duration"),
        ],
        state: None,
        explanation: "For each song the record that is smallest by title, artist, year and duration is taken, null last.",
    }),
    redshift: replicated("song_id", ""),
};

/// One row for each artist.
pub static ARTISTS: TableSchema = TableSchema {
    name: "artists",
    dir: "artists",
    description: "The artists: one row for each artist of a song.",
    columns: &[
        column(
            "artist_id",
            Varchar(ID_BYTES),
            Field("artist_id"),
            "The artist, by the id in the song metadata.",
        ),
        column(
            "name",
            Varchar(TITLE_BYTES),
            Field("artist_name"),
            "The name of the artist, as the chosen song record spells it.",
        ),
        column(
            "location",
            Varchar(TITLE_BYTES),
            Field("artist_location"),
            "Where the artist is from, as free text. It may be an empty text, and is null if the record has none.",
        )
        .or_null(),
        column(
            "latitude",
            Double,
            Field("artist_latitude"),
            "The latitude of the location, in degrees north; null if it is unknown.",
        )
        .or_null(),
        column(
            "longitude",
            Double,
            Field("artist_longitude"),
            "The longitude of the location, in degrees east; null if it is unknown.",
        )
        .or_null(),
    ],
    key_len: 1,
    references: &[],
    rule: TableRule::Pick(PickRule {
        record: "song",
        order: &[
            AllPresent(&["latitude", "longitude"]),
            NonEmpty("location"),
            Ascending("song_id"),
            Ascending("name"),
            Ascending("location"),
            Ascending("latitude"),
            Ascending("longitude"),
        ],
        state: Some("state_artists"),
        explanation: "For each artist a record with both coordinates is preferred, then one with a location, then the \
                      smallest by song_id, name, location and coordinates, null last.",
    }),
    redshift: replicated(
        "artist_id",
        "The table is small and is joined with many others: with a copy on every node no rows need to be redistributed.",
    ),
};

/// One row for each distinct start time.
pub static TIME: TableSchema = TableSchema {
    name: "time",
    dir: "time",
    description: "The calendar: one row for each distinct start time, in UTC.",
    columns: &[
        column(
            "start_time",
            Timestamp,
            Field("ts"),
            "The start time of one or more plays, in UTC.",
        ),
        column(
            "hour",
            SmallInt,
            CalendarPart("ts", Hour),
            "The hour of the day, 0 to 23.",
        ),
        column(
            "day",
            SmallInt,
            CalendarPart("ts", Day),
            "The day of the month, 1 to 31.",
        ),
        column(
            "week",
            SmallInt,
            CalendarPart("ts", Week),
            "The week by ISO 8601, 1 to 53. The first and the last days of a year may belong to a week of another year.",
        ),
        column(
            "month",
            SmallInt,
            CalendarPart("ts", Month),
            "The month of the year, 1 to 12.",
        ),
        column(
            "year",
            SmallInt,
            CalendarPart("ts", Year),
            "The calendar year, 1 to 9999.",
        ),
        column(
            "weekday",
            SmallInt,
            CalendarPart("ts", Weekday),
            "The day of the week: 0 is Sunday and 6 is Saturday.",
        ),
    ],
    key_len: 1,
    references: &[],
    rule: TableRule::Calendar,
    redshift: RedshiftLayout {
        distribution: Distribution::Key("start_time"),
        sort_key: "start_time",
        reason: "The table has nearly as many rows as songplays: a row is on the same slice as its plays, in the same order.",
    },
};

/// The event from which each row of `users` was taken.
pub static STATE_USERS: TableSchema = TableSchema {
    name: "state_users",
    dir: "merge_state/users",
    description: "The event from which each row of users was taken. Only a later event replaces the row.",
    columns: &[
        column("user_id", Integer, Field("userId"), "The user."),
        column(
            "start_time",
            Timestamp,
            Field("ts"),
            "The time of the event, in UTC.",
        ),
        column(
            "session_id",
            Integer,
            Field("sessionId"),
            "The session of the event.",
        ),
        column(
            "item_in_session",
            Integer,
            Field("itemInSession"),
            "The number of the event in its session.",
        ),
    ],
    key_len: 1,
    references: &[],
    rule: TableRule::PickState { of: "users" },
    redshift: replicated("user_id", ""),
};

/// The song record from which each row of `artists` was taken.
pub static STATE_ARTISTS: TableSchema = TableSchema {
    name: "state_artists",
    dir: "merge_state/artists",
    description: "The song record from which each row of artists was taken.",
    columns: &[
        column(
            "artist_id",
            Varchar(ID_BYTES),
            Field("artist_id"),
            "The artist.",
        ),
        column(
            "song_id",
            Varchar(ID_BYTES),
            Field("song_id"),
            "The song of the record.",
        ),
    ],
    key_len: 1,
    references: &[],
    rule: TableRule::PickState { of: "artists" },
    redshift: replicated("artist_id", ""),
};

/// The song that matches each distinct title, artist name and duration of all song records. A duration of -0.0 is
/// stored as 0.0.
pub static STATE_SONGS: TableSchema = TableSchema {
    name: "state_songs",
    dir: "merge_state/songs",
    description: "The song that matches a title, an artist name and a duration. song_key is \
                  fnv_hash(artist_name, fnv_hash(0::smallint, fnv_hash(title))), where the zero separates title and artist. \
                  The duration is compared and not hashed, because FNV_HASH of a DOUBLE PRECISION is not documented.",
    columns: &[
        column(
            "song_key",
            BigInt,
            Hash(&["title", "artist_name"]),
            "Hash of the title and the artist name.",
        ),
        column(
            "duration",
            Double,
            Field("duration"),
            "The duration of the song, in seconds.",
        ),
        column("song_id", Varchar(ID_BYTES), Field("song_id"), "The song."),
        column(
            "artist_id",
            Varchar(ID_BYTES),
            Field("artist_id"),
            "The artist of the song.",
        ),
    ],
    key_len: 2,
    references: &[],
    rule: TableRule::Pick(PickRule {
        record: "song",
        order: &[Ascending("song_id"), Ascending("artist_id")],
        state: None,
        explanation: "The songs that plays are matched with. Of several songs with the same key the one with the smallest \
                      song_id is taken, then the one with the smallest artist_id.",
    }),
    redshift: replicated("song_key", ""),
};

/// The key by which the song of each songplay is looked up in [`STATE_SONGS`]. An event without song, artist
/// or length has no row.
pub static STATE_SONGPLAYS: TableSchema = TableSchema {
    name: "state_songplays",
    dir: "merge_state/songplays",
    description: "The key by which the song of each songplay is found if the song is loaded later than the play. There is at \
                  most one row for a songplay. The table has no primary key, because it is only read by full scans.",
    columns: &[
        column("songplay_id", BigInt, Hash(EVENT_KEY), "The play."),
        column(
            "song_key",
            BigInt,
            Hash(&["song", "artist"]),
            "Hash of the title and the artist name that the event has.",
        ),
        column(
            "duration",
            Double,
            Field("length"),
            "The duration that the event has, in seconds.",
        ),
    ],
    key_len: 0,
    references: &[],
    rule: TableRule::LookupKeys { of: "songplays" },
    redshift: RedshiftLayout {
        distribution: Distribution::Even,
        sort_key: "song_key",
        reason: "",
    },
};

const OBJECT: ColumnSchema = column(
    "object",
    Varchar(OBJECT_NAME_BYTES),
    Engine,
    "The log object: its URL, or the absolute path of the file with all symbolic links resolved.",
);
const ETAG: ColumnSchema = column(
    "etag",
    Varchar(NAME_BYTES),
    Engine,
    "The version of its content: the ETag in S3, the size and the modification time of a file.",
);
const ROWS: ColumnSchema = column(
    "rows",
    BigInt,
    Engine,
    "The number of events that were kept from it, before duplicates were removed.",
);

/// The log objects that the dataset is built from.
pub static SOURCE_OBJECTS: TableSchema = TableSchema {
    name: "source_objects",
    dir: "merge_state/source_objects",
    description: "The log objects that the dataset was built from.",
    columns: &[OBJECT, ETAG, ROWS],
    key_len: 0,
    references: &[],
    rule: TableRule::SourceObjects,
    redshift: replicated("object", ""),
};

/// The log objects that were loaded into a warehouse.
pub static LOAD_HISTORY: TableSchema = TableSchema {
    name: "load_history",
    dir: "",
    description: "The load history has a row for each log object of each run, written in the transaction that loads it.",
    columns: &[
        column(
            "run",
            Varchar(RUN_ID_BYTES),
            Engine,
            "The id of the run that wrote the dataset.",
        ),
        OBJECT,
        ETAG,
        ROWS,
        column(
            "loaded_at",
            Timestamp,
            Engine,
            "The time of the load, in UTC. All rows of a load have the same.",
        ),
    ],
    key_len: 0,
    references: &[],
    rule: TableRule::LoadHistory,
    redshift: replicated("loaded_at", ""),
};

const fn reference(name: &'static str, column: &'static str, table: &'static str) -> Reference {
    Reference {
        name,
        column,
        table,
    }
}

/// Returns the layout of a table that each node has a copy of.
const fn replicated(sort_key: &'static str, reason: &'static str) -> RedshiftLayout {
    RedshiftLayout {
        distribution: Distribution::All,
        sort_key,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{OrderTerm, ValueSource};

    fn all_tables() -> impl Iterator<Item = &'static TableSchema> {
        SPARKIFY.dataset_tables().chain([SPARKIFY.load_history])
    }

    #[test]
    fn names_are_distinct() {
        let mut tables = BTreeSet::new();
        let mut dirs = BTreeSet::new();
        for table in all_tables() {
            assert!(tables.insert(table.name), "{}", table.name);
            assert!(dirs.insert(table.dir), "{}", table.dir);
            let columns: BTreeSet<_> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
        }
    }

    /// A column has a type that can hold the values of its field, and is nullable if the field is.
    #[test]
    fn columns_fit_their_fields() {
        for table in all_tables() {
            let field = |key: &str| {
                let record = SPARKIFY.record_of(table).unwrap();
                *record.fields.iter().find(|field| field.key == key).unwrap()
            };
            for column in table.columns {
                let context = format!("{}.{}", table.name, column.name);
                match column.source {
                    ValueSource::Field(key) => {
                        let field = field(key);
                        let fits = match (field.ty, column.ty) {
                            (
                                FieldType::Text { max_bytes } | FieldType::DictText { max_bytes },
                                Varchar(bytes),
                            ) => bytes == max_bytes,
                            (FieldType::Int32, Integer) | (FieldType::Double, Double) => true,
                            (FieldType::Int64 { .. }, BigInt | Timestamp) => true,
                            _ => false,
                        };
                        assert!(fits, "{context}");
                        // A row of the keys of a lookup exists only if all values are there.
                        let is_key = matches!(table.rule, TableRule::LookupKeys { .. });
                        assert_eq!(column.nullable, !field.required && !is_key, "{context}");
                    }
                    ValueSource::Hash(keys) => {
                        assert!(keys.iter().all(|key| field(key).key == *key));
                        assert_eq!((column.ty, column.nullable), (BigInt, false), "{context}");
                    }
                    ValueSource::CalendarPart(key, _) => {
                        assert!(
                            matches!(field(key).ty, FieldType::Int64 { .. }),
                            "{context}"
                        );
                        assert_eq!((column.ty, column.nullable), (SmallInt, false), "{context}");
                    }
                    ValueSource::Lookup(name) => {
                        let looked_up = SPARKIFY.lookup().0.column(name).unwrap();
                        assert_eq!(
                            (column.ty, column.nullable),
                            (looked_up.ty, true),
                            "{context}"
                        );
                    }
                    ValueSource::Engine => {
                        assert!(SPARKIFY.record_of(table).is_none(), "{context}")
                    }
                }
            }
        }
    }

    #[test]
    fn references_point_to_primary_keys() {
        for table in all_tables() {
            for reference in table.references {
                let column = table.column(reference.column).unwrap();
                let [key] = SPARKIFY.table(reference.table).key() else {
                    panic!("{} has a primary key of one column", reference.table)
                };
                assert_eq!(column.ty, key.ty, "{}", reference.name);
            }
            assert!(
                table.column(table.redshift.sort_key).is_some(),
                "{}",
                table.name
            );
        }
    }

    /// A later load must be able to repeat each choice.
    #[test]
    fn every_order_is_in_a_table_and_its_state() {
        let names = |table: &TableSchema| -> Vec<&str> {
            table.columns.iter().map(|column| column.name).collect()
        };
        for table in all_tables() {
            let (order, state, key) = match table.rule {
                TableRule::Pick(rule) => (rule.order, rule.state, table.key()),
                TableRule::Fact(rule) => (rule.order, Some(rule.lookup.keys), table.key()),
                _ => continue,
            };
            let mut known = names(table);
            if let Some(state) = state {
                let state = SPARKIFY.table(state);
                assert_eq!(
                    state.columns[..key.len()]
                        .iter()
                        .map(|c| c.name)
                        .collect::<Vec<_>>(),
                    key.iter().map(|c| c.name).collect::<Vec<_>>()
                );
                known.extend(names(state));
            }
            for name in order.iter().flat_map(OrderTerm::columns) {
                assert!(known.contains(name), "{}: {name}", table.name);
            }
        }
    }

    #[test]
    fn lookup_keys_are_the_primary_key_of_the_lookup_table() {
        let (fact, rule) = SPARKIFY.fact();
        let (table, lookup_rule) = SPARKIFY.lookup();
        assert_eq!(lookup_rule.state, None);
        let keys = SPARKIFY.table(rule.lookup.keys);
        let key = |column: &ColumnSchema| (column.name, column.ty);
        let found: Vec<_> = keys.columns[fact.key_len..].iter().map(key).collect();
        assert_eq!(found, table.key().iter().map(key).collect::<Vec<_>>());
    }

    /// The choice between deliveries would otherwise not determine the row.
    #[test]
    fn deliveries_differ_only_in_the_order_and_the_lookup() {
        let (fact, rule) = SPARKIFY.fact();
        let [key] = fact.key() else {
            panic!("the key has one column")
        };
        let ValueSource::Hash(hashed) = key.source else {
            panic!("the key is a hash")
        };
        for column in fact.values() {
            let is_determined = match column.source {
                ValueSource::Field(field) | ValueSource::CalendarPart(field, _) => {
                    hashed.contains(&field)
                        || rule
                            .order
                            .iter()
                            .any(|term| term.columns().contains(&column.name))
                }
                ValueSource::Lookup(_) => true,
                ValueSource::Hash(_) | ValueSource::Engine => false,
            };
            assert!(is_determined, "{}", column.name);
        }
    }

    #[test]
    fn load_history_has_the_columns_of_source_objects() {
        let [_, source @ .., loaded_at] = SPARKIFY.load_history.columns else {
            panic!("the history has more than one column")
        };
        assert_eq!(source, SPARKIFY.source_objects().columns);
        assert_eq!(loaded_at.ty, Timestamp);
    }

    #[test]
    fn tables_follow_those_they_refer_to() {
        let tables = SPARKIFY.warehouse_tables_by_dependency();
        let position = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
        assert_eq!(tables.len(), SPARKIFY.warehouse_tables().count());
        for table in &tables {
            for reference in table.references {
                assert!(
                    position(reference.table) < position(table.name),
                    "{}",
                    reference.name
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "a name in the model belongs to a table of the model")]
    fn unknown_table_fails_loudly() {
        SPARKIFY.table("nothing");
    }

    #[test]
    #[should_panic(expected = "a name in the model belongs to a record of the model")]
    fn unknown_record_fails_loudly() {
        SPARKIFY.record("nothing");
    }
}
