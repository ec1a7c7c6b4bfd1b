-- Which songs are played most?
--
-- Considered: song_id IS NOT NULL
-- Left out: plays without a known song
--
-- song_id, title  the song
-- artist          name of the artist
-- plays           plays of the song
-- users           users who played the song
--
-- Ties are ordered by users, descending, then by song_id.
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v limit=10 -f sql/analytics/top-songs.sql

SELECT
    p.song_id,
    g.title,
    a.name AS artist,
    p.plays,
    p.users
FROM (
    SELECT
        song_id,
        COUNT(*) AS plays,
        COUNT(DISTINCT user_id) AS users
    FROM songplays
    WHERE
        start_time >= CAST(:'since' AS TIMESTAMP)
        AND start_time < CAST(:'until' AS TIMESTAMP)
        AND song_id IS NOT NULL
    GROUP BY song_id
) AS p
JOIN songs g ON g.song_id = p.song_id
JOIN artists a ON a.artist_id = g.artist_id
ORDER BY p.plays DESC, p.users DESC, p.song_id
LIMIT :limit;
