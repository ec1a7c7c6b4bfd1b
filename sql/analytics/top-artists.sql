-- Which artists are played most?
--
-- Considered: artist_id IS NOT NULL
-- Left out: plays without a known artist
--
-- artist_id, name  the artist
-- plays            plays of the artist's songs
-- songs            number of the artist's songs that were played
-- users            users who played at least one of them
--
-- Ties are ordered by users, descending, then by artist_id.
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v limit=10 -f sql/analytics/top-artists.sql

SELECT
    p.artist_id,
    a.name,
    p.plays,
    p.songs,
    p.users
FROM (
    SELECT
        artist_id,
        COUNT(*) AS plays,
        COUNT(DISTINCT song_id) AS songs,
        COUNT(DISTINCT user_id) AS users
    FROM songplays
    WHERE
        start_time >= CAST(:'since' AS TIMESTAMP)
        AND start_time < CAST(:'until' AS TIMESTAMP)
        AND artist_id IS NOT NULL
    GROUP BY artist_id
) AS p
JOIN artists a ON a.artist_id = p.artist_id
ORDER BY p.plays DESC, p.users DESC, p.artist_id
LIMIT :limit;
