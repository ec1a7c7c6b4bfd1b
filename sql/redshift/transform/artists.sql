-- Fills the staged table of artists, from the valid records.
--
-- Usage: after the checks, in the order of the command in staging.sql.

\set ON_ERROR_STOP on

-- For each artist a record with both coordinates is preferred, then one with a location, then the smallest by song_id,
-- name, location, latitude and longitude, null last.
CREATE TEMP TABLE picked_artists AS
SELECT artist_id, name, location, latitude, longitude, song_id
FROM (
    SELECT
        artist_id, name, location, latitude, longitude, song_id,
        ROW_NUMBER() OVER (
            PARTITION BY artist_id || CHR(1)
            ORDER BY
                CASE WHEN latitude IS NOT NULL AND longitude IS NOT NULL THEN 0 ELSE 1 END,
                CASE WHEN OCTET_LENGTH(location) > 0 THEN 0 ELSE 1 END,
                song_id || CHR(1), name || CHR(1), location || CHR(1) NULLS LAST, latitude NULLS LAST,
                longitude NULLS LAST
        ) AS rn
    FROM (
        SELECT
            v.artist_id, v.artist_name AS name, v.artist_location AS location, v.artist_latitude AS latitude,
            v.artist_longitude AS longitude, v.song_id
        FROM valid_songs v
    ) AS candidates
) AS ranked
WHERE rn = 1;

INSERT INTO staged_artists (artist_id, name, location, latitude, longitude)
SELECT artist_id, name, location, latitude, longitude
FROM picked_artists;

INSERT INTO staged_state_artists (artist_id, song_id)
SELECT artist_id, song_id
FROM picked_artists;
