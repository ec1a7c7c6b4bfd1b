//! The tables of the star schema.

use super::limits::{
    ID_BYTES, LOCATION_BYTES, NAME_BYTES, SHORT_TEXT_BYTES, TITLE_BYTES, USER_AGENT_BYTES,
};
use super::records::EVENT_KEY;
use crate::model::column::CalendarPart::{Day, Hour, Month, Week, Weekday, Year};
use crate::model::column::ColumnType::{BigInt, Double, Integer, SmallInt, Timestamp, Varchar};
use crate::model::column::ValueSource::{CalendarPart, Field, Hash, Lookup};
use crate::model::column::column;
use crate::model::rule::OrderTerm::{AllPresent, Ascending, Descending, NonEmpty};
use crate::model::rule::{FactRule, LookupRule, PickRule, TableRule};
use crate::model::table::{Distribution, RedshiftLayout, Reference, TableSchema};

/// The fact table: one row for each distinct `NextSong` event.
pub static SONGPLAYS: TableSchema = TableSchema {
    name: "songplays",
    former_names: &[],
    dir: "songplays",
    description: "Each row is a play: a distinct NextSong event.",
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

/// One row for each user, as of the latest event.
pub static USERS: TableSchema = TableSchema {
    name: "users",
    former_names: &[],
    dir: "users",
    description: "Each row is a user who played a song, as of the latest event.",
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
                      by level, first_name, last_name and gender, null last. A late batch does not overwrite a newer level.",
    }),
    redshift: RedshiftLayout::replicated("user_id", ""),
};

/// One row for each song.
pub static SONGS: TableSchema = TableSchema {
    name: "songs",
    former_names: &[],
    dir: "songs",
    description: "Each row is a song that the song metadata describes.",
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
        explanation: "For each song the record that is smallest by title, artist_id, year and duration is taken, null last.",
    }),
    redshift: RedshiftLayout::replicated("song_id", ""),
};

/// One row for each artist.
pub static ARTISTS: TableSchema = TableSchema {
    name: "artists",
    former_names: &[],
    dir: "artists",
    description: "Each row is an artist of a song in the song metadata.",
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
                      smallest by song_id, name, location, latitude and longitude, null last.",
    }),
    redshift: RedshiftLayout::replicated(
        "artist_id",
        "The table is small and is joined with many others: with a copy on every node no rows need to be redistributed.",
    ),
};

/// One row for each distinct start time.
pub static TIME: TableSchema = TableSchema {
    name: "time",
    former_names: &[],
    dir: "time",
    description: "Each row is a distinct start time of a play, in UTC.",
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

const fn reference(name: &'static str, column: &'static str, table: &'static str) -> Reference {
    Reference {
        name,
        column,
        table,
    }
}
