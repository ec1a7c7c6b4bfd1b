-- Counts the raw records and lists the rejected ones.
--
-- Usage: after the checks; staging.sql has the whole command.
--
-- psql goes on whatever the counts are, so read them before you commit.

\set ON_ERROR_STOP on

-- The records of each kind: staged = filtered + rejected + valid. Valid records that are repeated deliveries of an
-- event are one distinct record.
SELECT
    'song' AS name,
    (SELECT COUNT(*) FROM staging_songs) AS staged,
    CAST(0 AS BIGINT) AS filtered,
    (SELECT COUNT(*) FROM rejected_songs) AS rejected,
    (SELECT COUNT(*) FROM valid_songs) AS valid,
    (SELECT COUNT(*) FROM valid_songs) AS distinct_records
UNION ALL
SELECT
    'event' AS name,
    (SELECT COUNT(*) FROM staging_events) AS staged,
    (SELECT COUNT(CASE WHEN page = 'NextSong' AND OCTET_LENGTH(page) = 8 THEN NULL ELSE 1 END) FROM staging_events) AS filtered,
    (SELECT COUNT(*) FROM rejected_events) AS rejected,
    (SELECT COUNT(*) FROM valid_events) AS valid,
    (SELECT COUNT(DISTINCT songplay_id) FROM valid_events) AS distinct_records;

SELECT
    reject_reason, reject_key, reject_detail, artist_id, artist_latitude, artist_location, artist_longitude,
    artist_name, duration, num_songs, song_id, title, year
FROM rejected_songs;

SELECT
    reject_reason, reject_key, reject_detail, artist, auth, firstname, gender, iteminsession, lastname, length,
    level, location, method, page, registration, sessionid, song, status, ts, useragent, userid
FROM rejected_events;
