-- Creates the star schema, the merge state and the load history in PostgreSQL.
--
-- Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/postgres/create.sql
--
-- Text is compared bytewise (COLLATE "C"), because the choice between two records must not depend on a locale. The
-- lengths are the same as in Redshift, where they count bytes; here they count characters. Foreign keys are enforced.
--
-- The merge state, in the tables state_*, is what a later load needs to know about earlier loads.

-- Each row is an artist of a song in the song metadata.
CREATE TABLE IF NOT EXISTS artists (
    artist_id VARCHAR(32) COLLATE "C" NOT NULL PRIMARY KEY,
    name      VARCHAR(1024) COLLATE "C" NOT NULL,
    location  VARCHAR(1024) COLLATE "C",
    latitude  DOUBLE PRECISION,
    longitude DOUBLE PRECISION
);

-- Each row is a song that the song metadata describes.
CREATE TABLE IF NOT EXISTS songs (
    song_id   VARCHAR(32) COLLATE "C" NOT NULL PRIMARY KEY,
    title     VARCHAR(1024) COLLATE "C" NOT NULL,
    artist_id VARCHAR(32) COLLATE "C" NOT NULL,
    year      INTEGER,
    duration  DOUBLE PRECISION NOT NULL,
    CONSTRAINT songs_artist FOREIGN KEY (artist_id) REFERENCES artists
);

-- Each row is a user who played a song, as of the latest event.
CREATE TABLE IF NOT EXISTS users (
    user_id    INTEGER NOT NULL PRIMARY KEY,
    first_name VARCHAR(256) COLLATE "C",
    last_name  VARCHAR(256) COLLATE "C",
    gender     VARCHAR(16) COLLATE "C",
    level      VARCHAR(16) COLLATE "C" NOT NULL
);

-- Each row is a distinct start time of a play, in UTC.
CREATE TABLE IF NOT EXISTS time (
    start_time TIMESTAMP NOT NULL PRIMARY KEY,
    hour       SMALLINT NOT NULL,
    day        SMALLINT NOT NULL,
    week       SMALLINT NOT NULL,
    month      SMALLINT NOT NULL,
    year       SMALLINT NOT NULL,
    weekday    SMALLINT NOT NULL
);

-- Each row is a play: a distinct NextSong event.
CREATE TABLE IF NOT EXISTS songplays (
    songplay_id BIGINT NOT NULL PRIMARY KEY,
    start_time  TIMESTAMP NOT NULL,
    user_id     INTEGER NOT NULL,
    level       VARCHAR(16) COLLATE "C" NOT NULL,
    song_id     VARCHAR(32) COLLATE "C",
    artist_id   VARCHAR(32) COLLATE "C",
    session_id  INTEGER NOT NULL,
    location    VARCHAR(512) COLLATE "C",
    user_agent  VARCHAR(1024) COLLATE "C",
    CONSTRAINT songplays_time FOREIGN KEY (start_time) REFERENCES time,
    CONSTRAINT songplays_user FOREIGN KEY (user_id) REFERENCES users,
    CONSTRAINT songplays_song FOREIGN KEY (song_id) REFERENCES songs,
    CONSTRAINT songplays_artist FOREIGN KEY (artist_id) REFERENCES artists
);

-- Most queries select a time range, and songplays are loaded roughly in order of time.
CREATE INDEX IF NOT EXISTS songplays_start_time ON songplays USING brin (start_time);

-- Each row identifies the event from which the row of a user in users was taken. Only a later event, or a delivery of
-- the same event that is smaller by the rule of users, replaces that row.
CREATE TABLE IF NOT EXISTS state_users (
    user_id         INTEGER NOT NULL PRIMARY KEY,
    start_time      TIMESTAMP NOT NULL,
    session_id      INTEGER NOT NULL,
    item_in_session INTEGER NOT NULL
);

-- Each row names the song of the record from which the row of an artist in artists was taken.
CREATE TABLE IF NOT EXISTS state_artists (
    artist_id VARCHAR(32) COLLATE "C" NOT NULL PRIMARY KEY,
    song_id   VARCHAR(32) COLLATE "C" NOT NULL
);

-- Each row is the song that matches a title, an artist name and a duration. song_key is fnv_hash(artist_name,
-- fnv_hash(0::smallint, fnv_hash(title))), where the zero separates title and artist. The duration is compared and not
-- hashed, because FNV_HASH of a DOUBLE PRECISION is not documented.
CREATE TABLE IF NOT EXISTS state_songs (
    song_key  BIGINT NOT NULL,
    duration  DOUBLE PRECISION NOT NULL,
    song_id   VARCHAR(32) COLLATE "C" NOT NULL,
    artist_id VARCHAR(32) COLLATE "C" NOT NULL,
    PRIMARY KEY (song_key, duration)
);

-- Each row has the key by which the song of a play is found if the song is loaded later than the play. There is at most
-- one row for a play. The table has no primary key, because it is only read by full scans.
CREATE TABLE IF NOT EXISTS state_songplays (
    songplay_id BIGINT NOT NULL,
    song_key    BIGINT NOT NULL,
    duration    DOUBLE PRECISION NOT NULL
);

-- Logical replication of a table without a primary key identifies rows by all of their columns.
ALTER TABLE state_songplays REPLICA IDENTITY FULL;

-- Each row is an object of a run that was loaded. It is written in the transaction of the load.
CREATE TABLE IF NOT EXISTS load_history (
    run              VARCHAR(64) COLLATE "C" NOT NULL,
    object           VARCHAR(4096) COLLATE "C" NOT NULL,
    etag             VARCHAR(256) COLLATE "C" NOT NULL,
    rows             BIGINT NOT NULL,
    loaded_at        TIMESTAMP NOT NULL,
    kind             VARCHAR(16) COLLATE "C" NOT NULL,
    rejected_records BIGINT,
    rejected_bytes   BIGINT,
    loaded_by        VARCHAR(128) COLLATE "C",
    load_seconds     DOUBLE PRECISION
);

-- Logical replication of a table without a primary key identifies rows by all of their columns.
ALTER TABLE load_history REPLICA IDENTITY FULL;
