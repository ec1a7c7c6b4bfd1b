-- Creates the tables of raw records, for a load of JSON that Redshift itself transforms.
--
-- Run all files of a load by one call of psql, because they need one session. The first error ends psql. Without
-- commit.sql nothing is changed: run the command without it first, and read the counts and the rejected records.
--
-- Usage:
-- psql -v run=ID \
--     -v iam_role=default \
--     -v source_list=s3://BUCKET/PREFIX/source_objects.manifest \
--     -v songs_manifest=s3://BUCKET/PREFIX/songs.manifest \
--     -v songs_jsonpaths=s3://BUCKET/PREFIX/songs.jsonpaths \
--     -v events_manifest=s3://BUCKET/PREFIX/logs.manifest \
--     -v events_jsonpaths=s3://BUCKET/PREFIX/logs.jsonpaths \
--     -f sql/redshift/stage.sql \
--     -f sql/redshift/transform/staging.sql \
--     -f sql/redshift/transform/copy.sql \
--     -f sql/redshift/transform/check_songs.sql \
--     -f sql/redshift/transform/check_events.sql \
--     -f sql/redshift/transform/count.sql \
--     -f sql/redshift/transform/artists.sql \
--     -f sql/redshift/transform/songs.sql \
--     -f sql/redshift/transform/users.sql \
--     -f sql/redshift/transform/time.sql \
--     -f sql/redshift/transform/songplays.sql \
--     -f sql/redshift/transform/source_objects.sql \
--     -f sql/redshift/count.sql \
--     -f sql/redshift/merge.sql \
--     -f sql/redshift/verify.sql \
--     -f sql/redshift/commit.sql
--
-- ID is any text of at most 64 bytes that load_history does not have yet. The variable iam_role is default or, with
-- quotes of its own, the ARN of a role: -v iam_role="'arn:aws:iam::123456789012:role/NAME'".
--
-- Each manifest lists JSON objects of one kind: {"entries":[{"url":"s3://...","mandatory":true}]}. The paths have the
-- order of the columns: {"jsonpaths":["$['artist']",...]}. The source list has a JSON object for each object, with its
-- kind, object, etag.

\set ON_ERROR_STOP on

-- The raw records: all values as text, null if a record lacks the key. They are distributed evenly, because by default
-- each node has a whole copy of a table until that is large.
CREATE TEMP TABLE staging_songs (
    artist_id        VARCHAR(65535),
    artist_latitude  VARCHAR(65535),
    artist_location  VARCHAR(65535),
    artist_longitude VARCHAR(65535),
    artist_name      VARCHAR(65535),
    duration         VARCHAR(65535),
    num_songs        VARCHAR(65535),
    song_id          VARCHAR(65535),
    title            VARCHAR(65535),
    year             VARCHAR(65535)
)
DISTSTYLE EVEN;

CREATE TEMP TABLE staging_events (
    artist        VARCHAR(65535),
    auth          VARCHAR(65535),
    firstname     VARCHAR(65535),
    gender        VARCHAR(65535),
    iteminsession VARCHAR(65535),
    lastname      VARCHAR(65535),
    length        VARCHAR(65535),
    level         VARCHAR(65535),
    location      VARCHAR(65535),
    method        VARCHAR(65535),
    page          VARCHAR(65535),
    registration  VARCHAR(65535),
    sessionid     VARCHAR(65535),
    song          VARCHAR(65535),
    status        VARCHAR(65535),
    ts            VARCHAR(65535),
    useragent     VARCHAR(65535),
    userid        VARCHAR(65535)
)
DISTSTYLE EVEN;

-- The objects that the records are copied from.
CREATE TEMP TABLE staging_objects (
    kind   VARCHAR(16) NOT NULL,
    object VARCHAR(4096) NOT NULL,
    etag   VARCHAR(256) NOT NULL
)
DISTSTYLE EVEN;

-- The number of records of each object that COPY could not read. sparkify fills it; with psql it stays empty.
CREATE TEMP TABLE copy_rejects (
    kind             VARCHAR(16) NOT NULL,
    object           VARCHAR(4096) NOT NULL,
    rejected_records BIGINT NOT NULL
);
