//! The merge state, and the history of loads.

use super::limits::{
    ID_BYTES, NAME_BYTES, OBJECT_KIND_BYTES, OBJECT_NAME_BYTES, RUN_ID_BYTES, USER_NAME_BYTES,
};
use super::records::EVENT_KEY;
use crate::model::column::ColumnType::{BigInt, Double, Integer, Timestamp, Varchar};
use crate::model::column::EngineValue::{
    KeptRecords, LoadSeconds, LoadedAt, LoadedBy, ObjectKind, ObjectName, ObjectVersion,
    RejectedBytes, RejectedRecords, Run,
};
use crate::model::column::ValueSource::{Engine, Field, Hash};
use crate::model::column::{ColumnSchema, column};
use crate::model::rule::OrderTerm::Ascending;
use crate::model::rule::{PickRule, TableRule};
use crate::model::table::{Distribution, RedshiftLayout, TableSchema};

/// The event from which each row of `users` was taken.
pub static STATE_USERS: TableSchema = TableSchema {
    name: "state_users",
    former_names: &["ledger_users"],
    dir: "merge_state/users",
    description: "Each row identifies the event from which the row of a user in users was taken. Only a later event, or a \
                  delivery of the same event that is smaller by the rule of users, replaces that row.",
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
    redshift: RedshiftLayout::replicated("user_id", ""),
};

/// The song record from which each row of `artists` was taken.
pub static STATE_ARTISTS: TableSchema = TableSchema {
    name: "state_artists",
    former_names: &["ledger_artists"],
    dir: "merge_state/artists",
    description: "Each row names the song of the record from which the row of an artist in artists was taken.",
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
    redshift: RedshiftLayout::replicated("artist_id", ""),
};

/// The song that matches each distinct title, artist name and duration of all song records. A duration of -0.0 is
/// stored as 0.0.
pub static STATE_SONGS: TableSchema = TableSchema {
    name: "state_songs",
    former_names: &["ledger_songs"],
    dir: "merge_state/songs",
    description: "Each row is the song that matches a title, an artist name and a duration. song_key is \
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
        explanation: "Plays are matched with the songs of this table. Of several songs with the same key the one with the \
                      smallest song_id is taken, then the one with the smallest artist_id.",
    }),
    redshift: RedshiftLayout::replicated("song_key", ""),
};

/// The key by which the song of each songplay is looked up in [`STATE_SONGS`]. An event without song, artist
/// or length has no row.
pub static STATE_SONGPLAYS: TableSchema = TableSchema {
    name: "state_songplays",
    former_names: &["ledger_songplays"],
    dir: "merge_state/songplays",
    description: "Each row has the key by which the song of a play is found if the song is loaded later than the play. There is \
                  at most one row for a play. The table has no primary key, because it is only read by full scans.",
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

const KIND: ColumnSchema = column(
    "kind",
    Varchar(OBJECT_KIND_BYTES),
    Engine(ObjectKind),
    "What the object contains: song or log.",
);
const OBJECT: ColumnSchema = column(
    "object",
    Varchar(OBJECT_NAME_BYTES),
    Engine(ObjectName),
    "The object: its URL, or the absolute path of the file with all symbolic links resolved.",
);
const ETAG: ColumnSchema = column(
    "etag",
    Varchar(NAME_BYTES),
    Engine(ObjectVersion),
    "The version of its content: the ETag in S3, the size and the modification time of a file.",
);
const ROWS: ColumnSchema = column(
    "rows",
    BigInt,
    Engine(KeptRecords),
    "The number of valid songs or NextSong events in the object. Repeated deliveries of an event count each time, although \
     the event is one row of songplays.",
);
const REJECTED_RECORDS: ColumnSchema = column(
    "rejected_records",
    BigInt,
    Engine(RejectedRecords),
    "The number of rejected records in the object.",
);
const REJECTED_BYTES: ColumnSchema = column(
    "rejected_bytes",
    BigInt,
    Engine(RejectedBytes),
    "The bytes of the object that the rejected records cover, after decompression.",
);

/// The objects that the dataset is built from.
pub static SOURCE_OBJECTS: TableSchema = TableSchema {
    name: "source_objects",
    former_names: &[],
    dir: "merge_state/source_objects",
    description: "Each row is a song object or a log object that the dataset was built from.",
    columns: &[KIND, OBJECT, ETAG, ROWS, REJECTED_RECORDS, REJECTED_BYTES],
    key_len: 0,
    references: &[],
    rule: TableRule::SourceObjects,
    redshift: RedshiftLayout::replicated("object", ""),
};

// The engine inside Redshift writes no dataset, but its loads are in the history. It does not know the object of a record.
const LOADED_ROWS: ColumnSchema = ColumnSchema {
    description: "The number of valid songs or NextSong events in the object. Repeated deliveries of an event count each \
                  time, although the event is one row of songplays. Of a run with --engine redshift, the first object of \
                  each kind has the number of all records of that kind, and the others have 0.",
    ..ROWS
};
const LOADED_REJECTED_RECORDS: ColumnSchema = ColumnSchema {
    description: "The number of rejected records in the object. Of a run with --engine redshift, only those that COPY has \
                  rejected are counted for their object, and the others for the first object of their kind.",
    ..REJECTED_RECORDS
};
const LOADED_REJECTED_BYTES: ColumnSchema = ColumnSchema {
    description: "The bytes of the object that the rejected records cover, after decompression. Null for a run with \
                  --engine redshift.",
    ..REJECTED_BYTES
};

/// The objects that were loaded into a warehouse.
pub static LOAD_HISTORY: TableSchema = TableSchema {
    name: "load_history",
    former_names: &["loads"],
    dir: "",
    description: "Each row is an object of a run that was loaded. It is written in the transaction of the load.",
    columns: &[
        column(
            "run",
            Varchar(RUN_ID_BYTES),
            Engine(Run),
            "The id of the run that wrote the dataset.",
        ),
        OBJECT,
        ETAG,
        LOADED_ROWS,
        column(
            "loaded_at",
            Timestamp,
            Engine(LoadedAt),
            "The time of the load, in UTC. All rows of a load have the same.",
        ),
        // Version 0.1.0 recorded only logs, without what follows.
        KIND.added_later(Some("log")),
        LOADED_REJECTED_RECORDS.or_null().added_later(None),
        LOADED_REJECTED_BYTES.or_null().added_later(None),
        column(
            "loaded_by",
            Varchar(USER_NAME_BYTES),
            Engine(LoadedBy),
            "The user of the warehouse who loaded it.",
        )
        .or_null()
        .added_later(None),
        column(
            "load_seconds",
            Double,
            Engine(LoadSeconds),
            "The duration of the transaction of the load, up to this row, in seconds. All rows of a load have the same.",
        )
        .or_null()
        .added_later(None),
    ],
    key_len: 0,
    references: &[],
    rule: TableRule::LoadHistory,
    redshift: RedshiftLayout::replicated("loaded_at", ""),
};
