-- Creates the star schema, the merge state and the load history in Amazon Redshift.
--
-- Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/redshift/create.sql
--
-- VARCHAR lengths count bytes. Redshift does not enforce keys, so the load does. The column encodings are left to
-- Redshift (ENCODE AUTO), because a COPY of Parquet does not choose any.
--
-- The merge state, in the tables state_*, is what a later load needs to know about earlier loads.

-- Each row is an artist of a song in the song metadata.
CREATE TABLE IF NOT EXISTS artists (
    artist_id VARCHAR(32) NOT NULL PRIMARY KEY,
    name      VARCHAR(1024) NOT NULL,
    location  VARCHAR(1024),
    latitude  DOUBLE PRECISION,
    longitude DOUBLE PRECISION
)
-- The table is small and is joined with many others: with a copy on every node no rows need to be redistributed.
DISTSTYLE ALL SORTKEY (artist_id) ENCODE AUTO;

-- Each row is a song that the song metadata describes.
CREATE TABLE IF NOT EXISTS songs (
    song_id   VARCHAR(32) NOT NULL PRIMARY KEY,
    title     VARCHAR(1024) NOT NULL,
    artist_id VARCHAR(32) NOT NULL REFERENCES artists (artist_id),
    year      INTEGER,
    duration  DOUBLE PRECISION NOT NULL
)
DISTSTYLE ALL SORTKEY (song_id) ENCODE AUTO;

-- Each row is a user who played a song, as of the latest event.
CREATE TABLE IF NOT EXISTS users (
    user_id    INTEGER NOT NULL PRIMARY KEY,
    first_name VARCHAR(256),
    last_name  VARCHAR(256),
    gender     VARCHAR(16),
    level      VARCHAR(16) NOT NULL
)
DISTSTYLE ALL SORTKEY (user_id) ENCODE AUTO;

-- Each row is a distinct start time of a play, in UTC.
CREATE TABLE IF NOT EXISTS time (
    start_time TIMESTAMP NOT NULL PRIMARY KEY,
    hour       SMALLINT NOT NULL,
    day        SMALLINT NOT NULL,
    week       SMALLINT NOT NULL,
    month      SMALLINT NOT NULL,
    year       SMALLINT NOT NULL,
    weekday    SMALLINT NOT NULL
)
-- The table has nearly as many rows as songplays: a row is on the same slice as its plays, in the same order.
DISTSTYLE KEY DISTKEY (start_time) SORTKEY (start_time) ENCODE AUTO;

-- Each row is a play: a distinct NextSong event.
CREATE TABLE IF NOT EXISTS songplays (
    songplay_id BIGINT NOT NULL PRIMARY KEY,
    start_time  TIMESTAMP NOT NULL REFERENCES time (start_time),
    user_id     INTEGER NOT NULL REFERENCES users (user_id),
    level       VARCHAR(16) NOT NULL,
    song_id     VARCHAR(32) REFERENCES songs (song_id),
    artist_id   VARCHAR(32) REFERENCES artists (artist_id),
    session_id  INTEGER NOT NULL,
    location    VARCHAR(512),
    user_agent  VARCHAR(1024)
)
-- Nearly every query selects a time range. The sort key lets it skip blocks. The distribution key lets the join with
-- time run without redistribution, and its many distinct values keep the slices even.
DISTSTYLE KEY DISTKEY (start_time) SORTKEY (start_time) ENCODE AUTO;

-- Each row identifies the event from which the row of a user in users was taken. Only a later event, or a delivery of
-- the same event that is smaller by the rule of users, replaces that row.
CREATE TABLE IF NOT EXISTS state_users (
    user_id         INTEGER NOT NULL PRIMARY KEY,
    start_time      TIMESTAMP NOT NULL,
    session_id      INTEGER NOT NULL,
    item_in_session INTEGER NOT NULL
)
DISTSTYLE ALL SORTKEY (user_id) ENCODE AUTO;

-- Each row names the song of the record from which the row of an artist in artists was taken.
CREATE TABLE IF NOT EXISTS state_artists (
    artist_id VARCHAR(32) NOT NULL PRIMARY KEY,
    song_id   VARCHAR(32) NOT NULL
)
DISTSTYLE ALL SORTKEY (artist_id) ENCODE AUTO;

-- Each row is the song that matches a title, an artist name and a duration. song_key is fnv_hash(artist_name,
-- fnv_hash(0::smallint, fnv_hash(title))), where the zero separates title and artist. The duration is compared and not
-- hashed, because FNV_HASH of a DOUBLE PRECISION is not documented.
CREATE TABLE IF NOT EXISTS state_songs (
    song_key  BIGINT NOT NULL,
    duration  DOUBLE PRECISION NOT NULL,
    song_id   VARCHAR(32) NOT NULL,
    artist_id VARCHAR(32) NOT NULL,
    PRIMARY KEY (song_key, duration)
)
DISTSTYLE ALL SORTKEY (song_key) ENCODE AUTO;

-- Each row has the key by which the song of a play is found if the song is loaded later than the play. There is at most
-- one row for a play. The table has no primary key, because it is only read by full scans.
CREATE TABLE IF NOT EXISTS state_songplays (
    songplay_id BIGINT NOT NULL,
    song_key    BIGINT NOT NULL,
    duration    DOUBLE PRECISION NOT NULL
)
DISTSTYLE EVEN SORTKEY (song_key) ENCODE AUTO;

-- Each row is an object of a run that was loaded. It is written in the transaction of the load.
CREATE TABLE IF NOT EXISTS load_history (
    run              VARCHAR(64) NOT NULL,
    object           VARCHAR(4096) NOT NULL,
    etag             VARCHAR(256) NOT NULL,
    rows             BIGINT NOT NULL,
    loaded_at        TIMESTAMP NOT NULL,
    kind             VARCHAR(16) NOT NULL,
    rejected_records BIGINT,
    rejected_bytes   BIGINT,
    loaded_by        VARCHAR(128),
    load_seconds     DOUBLE PRECISION
)
DISTSTYLE ALL SORTKEY (loaded_at) ENCODE AUTO;
