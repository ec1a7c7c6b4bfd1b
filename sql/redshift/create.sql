-- The star and its ledger in Amazon Redshift.
--
-- By hand: psql -1 -f sql/redshift/create.sql
--
-- VARCHAR counts bytes. Keys are informational: Redshift enforces none, the load does. Encodings are left
-- to Redshift, for COPY chooses none for Parquet.

CREATE TABLE IF NOT EXISTS artists (
    artist_id VARCHAR(32) NOT NULL PRIMARY KEY,
    name      VARCHAR(1024) NOT NULL,
    location  VARCHAR(1024),
    latitude  DOUBLE PRECISION,
    longitude DOUBLE PRECISION
)
-- Small, and joined from everywhere: a copy on every node saves sending rows around.
DISTSTYLE ALL SORTKEY (artist_id) ENCODE AUTO;

CREATE TABLE IF NOT EXISTS songs (
    song_id   VARCHAR(32) NOT NULL PRIMARY KEY,
    title     VARCHAR(1024) NOT NULL,
    artist_id VARCHAR(32) NOT NULL REFERENCES artists (artist_id),
    year      INTEGER,
    duration  DOUBLE PRECISION NOT NULL
)
DISTSTYLE ALL SORTKEY (song_id) ENCODE AUTO;

CREATE TABLE IF NOT EXISTS users (
    user_id    INTEGER NOT NULL PRIMARY KEY,
    first_name VARCHAR(256),
    last_name  VARCHAR(256),
    gender     VARCHAR(16),
    level      VARCHAR(16) NOT NULL
)
DISTSTYLE ALL SORTKEY (user_id) ENCODE AUTO;

CREATE TABLE IF NOT EXISTS time (
    start_time TIMESTAMP NOT NULL PRIMARY KEY,
    hour       SMALLINT NOT NULL,
    day        SMALLINT NOT NULL,
    week       SMALLINT NOT NULL,
    month      SMALLINT NOT NULL,
    year       SMALLINT NOT NULL,
    weekday    SMALLINT NOT NULL
)
-- Nearly as long as songplays: a row and the plays of that moment are on one slice, in one order.
DISTSTYLE KEY DISTKEY (start_time) SORTKEY (start_time) ENCODE AUTO;

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
-- Nearly every question is about a range of time: sorted by it, whole blocks are skipped; spread by it, the
-- join with time sends nothing, and many moments keep the slices even.
DISTSTYLE KEY DISTKEY (start_time) SORTKEY (start_time) ENCODE AUTO;

-- The ledger: what a later load needs to know of the earlier ones.

-- The event that each row of users is from: only a later one replaces it.
CREATE TABLE IF NOT EXISTS state_users (
    user_id         INTEGER NOT NULL PRIMARY KEY,
    start_time      TIMESTAMP NOT NULL,
    session_id      INTEGER NOT NULL,
    item_in_session INTEGER NOT NULL
)
DISTSTYLE ALL SORTKEY (user_id) ENCODE AUTO;

-- The song record that each row of artists is from.
CREATE TABLE IF NOT EXISTS state_artists (
    artist_id VARCHAR(32) NOT NULL PRIMARY KEY,
    song_id   VARCHAR(32) NOT NULL
)
DISTSTYLE ALL SORTKEY (artist_id) ENCODE AUTO;

-- The song that is found by a title, an artist's name and a duration. song_key is
-- fnv_hash(artist_name, fnv_hash(0::smallint, fnv_hash(title))): the zero keeps title and artist apart. The duration
-- is compared and not hashed, because FNV_HASH of a DOUBLE PRECISION is not documented.
CREATE TABLE IF NOT EXISTS state_songs (
    song_key  BIGINT NOT NULL,
    duration  DOUBLE PRECISION NOT NULL,
    song_id   VARCHAR(32) NOT NULL,
    artist_id VARCHAR(32) NOT NULL,
    PRIMARY KEY (song_key, duration)
)
DISTSTYLE ALL SORTKEY (song_key) ENCODE AUTO;

-- What the song of each songplay is found by, should it come later than the play.
CREATE TABLE IF NOT EXISTS state_songplays (
    songplay_id BIGINT NOT NULL,
    song_key    BIGINT NOT NULL,
    duration    DOUBLE PRECISION NOT NULL
)
DISTSTYLE EVEN SORTKEY (song_key) ENCODE AUTO;

-- What was loaded: each log object of each run, written in the transaction that loads it.
CREATE TABLE IF NOT EXISTS load_history (
    run       VARCHAR(64) NOT NULL,
    object    VARCHAR(4096) NOT NULL,
    etag      VARCHAR(256) NOT NULL,
    rows      BIGINT NOT NULL,
    loaded_at TIMESTAMP NOT NULL
)
DISTSTYLE ALL SORTKEY (loaded_at) ENCODE AUTO;
