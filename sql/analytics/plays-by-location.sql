-- Where do people listen?
--
-- location  location of the user at the time of the play; null if the log has none
-- plays     all plays at the location, whether their song is known or not
-- users     users with at least one play at the location
--
-- Ties are ordered by users, descending, then by name.
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v limit=10 -f sql/analytics/plays-by-location.sql

SELECT
    location,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS users
FROM songplays
WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
GROUP BY location
ORDER BY plays DESC, users DESC, location
LIMIT :limit;
