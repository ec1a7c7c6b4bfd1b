//! Defines all columns in one place: the five tables of the star schema, the merge state and the two kinds
//! of records that they are built from. Parquet files, DDL and decoder are derived from these definitions.

use std::sync::Arc;

use arrow_schema::{DataType, Field as ArrowField, Schema, SchemaRef, TimeUnit};

use crate::decode::record_schema::{FieldType, RecordField, RecordFilter, RecordSchema};

/// The type of a column, by its name in Redshift and PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// 64-bit integer.
    BigInt,
    /// 32-bit integer.
    Integer,
    /// 16-bit integer.
    SmallInt,
    /// IEEE double.
    Double,
    /// Microseconds since 1970, without a time zone.
    Timestamp,
    /// Text of at most this number of UTF-8 bytes.
    Varchar(usize),
}

impl ColumnType {
    /// Returns the Arrow type, which determines the Parquet type. Redshift's COPY requires exactly these
    /// Parquet types.
    pub fn data_type(self) -> DataType {
        match self {
            Self::BigInt => DataType::Int64,
            Self::Integer => DataType::Int32,
            Self::SmallInt => DataType::Int16,
            Self::Double => DataType::Float64,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Varchar(_) => DataType::Utf8,
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnSchema {
    /// The name of the column.
    pub name: &'static str,
    /// The type of the column.
    pub ty: ColumnType,
    /// Whether the column may be null.
    pub nullable: bool,
}

/// A table of the star schema or of the merge state.
#[derive(Debug, PartialEq, Eq)]
pub struct TableSchema {
    /// The name of the table.
    pub name: &'static str,
    /// The directory of its Parquet parts in a dataset.
    pub dir: &'static str,
    /// The columns, in order. The first is the primary key; that of [`STATE_SONGS`] is the first two.
    pub columns: &'static [ColumnSchema],
}

impl TableSchema {
    /// Returns the schema of the table's record batches and Parquet files.
    pub fn arrow_schema(&self) -> SchemaRef {
        let field = |c: &ColumnSchema| ArrowField::new(c.name, c.ty.data_type(), c.nullable);
        Arc::new(Schema::new(
            self.columns.iter().map(field).collect::<Vec<_>>(),
        ))
    }
}

const fn column(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema {
        name,
        ty,
        nullable: false,
    }
}

const fn nullable(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema {
        name,
        ty,
        nullable: true,
    }
}

// The limits of VARCHAR columns, in bytes. The decoder uses the same limits to reject longer texts.
const ID_BYTES: usize = 32;
const SHORT_TEXT_BYTES: usize = 16;
const NAME_BYTES: usize = 256;
const TITLE_BYTES: usize = 1024;
const LOCATION_BYTES: usize = 512;
const USER_AGENT_BYTES: usize = 1024;
const OBJECT_NAME_BYTES: usize = 4096;

use ColumnType::{BigInt, Double, Integer, SmallInt, Timestamp, Varchar};

/// The fact table: one row for each distinct `NextSong` event.
pub static SONGPLAYS: TableSchema = TableSchema {
    name: "songplays",
    dir: "songplays",
    columns: &[
        column("songplay_id", BigInt),
        column("start_time", Timestamp),
        column("user_id", Integer),
        column("level", Varchar(SHORT_TEXT_BYTES)),
        nullable("song_id", Varchar(ID_BYTES)),
        nullable("artist_id", Varchar(ID_BYTES)),
        column("session_id", Integer),
        nullable("location", Varchar(LOCATION_BYTES)),
        nullable("user_agent", Varchar(USER_AGENT_BYTES)),
    ],
};

/// One row for each user, as of the latest event.
pub static USERS: TableSchema = TableSchema {
    name: "users",
    dir: "users",
    columns: &[
        column("user_id", Integer),
        nullable("first_name", Varchar(NAME_BYTES)),
        nullable("last_name", Varchar(NAME_BYTES)),
        nullable("gender", Varchar(SHORT_TEXT_BYTES)),
        column("level", Varchar(SHORT_TEXT_BYTES)),
    ],
};

/// One row for each song.
pub static SONGS: TableSchema = TableSchema {
    name: "songs",
    dir: "songs",
    columns: &[
        column("song_id", Varchar(ID_BYTES)),
        column("title", Varchar(TITLE_BYTES)),
        column("artist_id", Varchar(ID_BYTES)),
        nullable("year", Integer),
        column("duration", Double),
    ],
};

/// One row for each artist.
pub static ARTISTS: TableSchema = TableSchema {
    name: "artists",
    dir: "artists",
    columns: &[
        column("artist_id", Varchar(ID_BYTES)),
        column("name", Varchar(TITLE_BYTES)),
        nullable("location", Varchar(TITLE_BYTES)),
        nullable("latitude", Double),
        nullable("longitude", Double),
    ],
};

/// One row for each distinct start time.
pub static TIME: TableSchema = TableSchema {
    name: "time",
    dir: "time",
    columns: &[
        column("start_time", Timestamp),
        column("hour", SmallInt),
        column("day", SmallInt),
        column("week", SmallInt),
        column("month", SmallInt),
        column("year", SmallInt),
        column("weekday", SmallInt),
    ],
};

/// All tables of the star schema, the fact table first.
pub static STAR_TABLES: [&TableSchema; 5] = [&SONGPLAYS, &USERS, &SONGS, &ARTISTS, &TIME];

/// The log objects that the dataset is built from.
pub static SOURCE_OBJECTS: TableSchema = TableSchema {
    name: "source_objects",
    dir: "merge_state/source_objects",
    columns: &[
        column("object", Varchar(OBJECT_NAME_BYTES)),
        column("etag", Varchar(NAME_BYTES)),
        column("rows", BigInt),
    ],
};

/// The event from which each row of `users` was taken.
pub static STATE_USERS: TableSchema = TableSchema {
    name: "state_users",
    dir: "merge_state/users",
    columns: &[
        column("user_id", Integer),
        column("start_time", Timestamp),
        column("session_id", Integer),
        column("item_in_session", Integer),
    ],
};

/// The song record from which each row of `artists` was taken.
pub static STATE_ARTISTS: TableSchema = TableSchema {
    name: "state_artists",
    dir: "merge_state/artists",
    columns: &[
        column("artist_id", Varchar(ID_BYTES)),
        column("song_id", Varchar(ID_BYTES)),
    ],
};

/// The song that matches each distinct title, artist name and duration of all song records. `song_key` is a
/// hash of the texts; a duration of -0.0 is stored as 0.0.
pub static STATE_SONGS: TableSchema = TableSchema {
    name: "state_songs",
    dir: "merge_state/songs",
    columns: &[
        column("song_key", BigInt),
        column("duration", Double),
        column("song_id", Varchar(ID_BYTES)),
        column("artist_id", Varchar(ID_BYTES)),
    ],
};

/// The key by which the song of each songplay is looked up in [`STATE_SONGS`]. An event without song, artist
/// or length has no row.
pub static STATE_SONGPLAYS: TableSchema = TableSchema {
    name: "state_songplays",
    dir: "merge_state/songplays",
    columns: &[
        column("songplay_id", BigInt),
        column("song_key", BigInt),
        column("duration", Double),
    ],
};

/// The merge state: what a later load needs to know of an earlier one, and the star schema does not contain.
pub static MERGE_STATE_TABLES: [&TableSchema; 5] = [
    &SOURCE_OBJECTS,
    &STATE_USERS,
    &STATE_ARTISTS,
    &STATE_SONGS,
    &STATE_SONGPLAYS,
];

/// Returns all tables that a run writes as Parquet.
pub fn all_tables() -> impl Iterator<Item = &'static TableSchema> {
    STAR_TABLES.into_iter().chain(MERGE_STATE_TABLES)
}

const fn required(key: &'static str, ty: FieldType) -> RecordField {
    RecordField {
        key,
        ty,
        required: true,
    }
}

const fn optional(key: &'static str, ty: FieldType) -> RecordField {
    RecordField {
        key,
        ty,
        required: false,
    }
}

const fn text(max_bytes: usize) -> FieldType {
    FieldType::Text { max_bytes }
}

const fn dict_text(max_bytes: usize) -> FieldType {
    FieldType::DictText { max_bytes }
}

/// `0001-01-01T00:00:00.000Z` in milliseconds since 1970.
const MIN_TS_MS: i64 = -62_135_596_800_000;
/// `9999-12-31T23:59:59.999Z` in milliseconds since 1970.
const MAX_TS_MS: i64 = 253_402_300_799_999;

/// The metadata of a song.
pub static SONG_RECORD: RecordSchema = RecordSchema {
    known_keys: &[
        "song_id",
        "title",
        "artist_id",
        "artist_name",
        "artist_location",
        "artist_latitude",
        "artist_longitude",
        "year",
        "duration",
        "num_songs",
    ],
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
};

/// An event of the activity log. `song`, `artist` and `length` are used only to look up the song. They are
/// stored in no column, so their size is not limited.
pub static EVENT_RECORD: RecordSchema = RecordSchema {
    known_keys: &[
        "artist",
        "auth",
        "firstName",
        "gender",
        "itemInSession",
        "lastName",
        "length",
        "level",
        "location",
        "method",
        "page",
        "registration",
        "sessionId",
        "song",
        "status",
        "ts",
        "userAgent",
        "userId",
    ],
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
};
