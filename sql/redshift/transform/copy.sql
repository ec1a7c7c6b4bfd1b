-- Copies raw records from JSON into their tables, as text.
--
-- Usage: after staging.sql; staging.sql has the whole command.
--
-- For objects that are compressed, add GZIP, BZIP2 or ZSTD after MANIFEST, with a COPY for each kind. For a bucket in
-- another region, add REGION 'NAME'. The first record that COPY cannot read fails it. With MAXERROR n it reads on until
-- there are n of them, and the query after each COPY lists them. With COMPUPDATE OFF it does not load a sample first to
-- choose how columns are compressed: the tables are read only a few times.

\set ON_ERROR_STOP on

COPY staging_objects
FROM :'source_list' IAM_ROLE :iam_role
FORMAT AS JSON 'auto' MANIFEST COMPUPDATE OFF;

COPY staging_songs (
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs, song_id,
    title, year
)
FROM :'songs_manifest' IAM_ROLE :iam_role
FORMAT AS JSON :'songs_jsonpaths' MANIFEST COMPUPDATE OFF;

SELECT
    RTRIM(filename) AS object,
    line_number AS line,
    RTRIM(colname) AS column_name,
    err_code AS error_code,
    RTRIM(err_reason) AS message,
    RTRIM(raw_line) AS raw_text
FROM stl_load_errors
WHERE query = pg_last_copy_id()
ORDER BY object, line;

COPY staging_events (
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page, registration,
    sessionid, song, status, ts, useragent, userid
)
FROM :'events_manifest' IAM_ROLE :iam_role
FORMAT AS JSON :'events_jsonpaths' MANIFEST COMPUPDATE OFF;

SELECT
    RTRIM(filename) AS object,
    line_number AS line,
    RTRIM(colname) AS column_name,
    err_code AS error_code,
    RTRIM(err_reason) AS message,
    RTRIM(raw_line) AS raw_text
FROM stl_load_errors
WHERE query = pg_last_copy_id()
ORDER BY object, line;
