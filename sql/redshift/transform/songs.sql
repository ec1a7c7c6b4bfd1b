-- Fills the staged table of songs, from the valid records.
--
-- Usage: after the checks, in the order of the command in staging.sql.

\set ON_ERROR_STOP on

-- For each song the record that is smallest by title, artist_id, year and duration is taken, null last.
INSERT INTO staged_songs (song_id, title, artist_id, year, duration)
SELECT song_id, title, artist_id, year, duration
FROM (
    SELECT
        song_id, title, artist_id, year, duration,
        ROW_NUMBER() OVER (
            PARTITION BY song_id || CHR(1)
            ORDER BY
                title || CHR(1), artist_id || CHR(1), year NULLS LAST, duration
        ) AS rn
    FROM (
        SELECT
            v.song_id, v.title, v.artist_id, v.year, v.duration
        FROM valid_songs v
    ) AS candidates
) AS ranked
WHERE rn = 1;
