-- Where do people listen?
--
-- location  where the user was at the time of the play, as the log has it; null where it has none
-- plays     all plays from there, whether their song is known or not
-- users     users with a play from there
--
-- Of locations with as many plays those with more users come first, then by name.
--
-- By hand: psql -v from=2018-11-01 -v to=2018-12-01 -v limit=10 -f sql/analytics/plays-by-location.sql

SELECT
    location,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS users
FROM songplays
WHERE start_time >= CAST(:'from' AS TIMESTAMP) AND start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY location
ORDER BY plays DESC, users DESC, location
LIMIT :limit;
