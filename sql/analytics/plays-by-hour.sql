-- At which hours of the day are songs played?
--
-- hour   hour of the day in the time zone tz, 0 to 23; hours without plays are omitted
-- plays  all plays in that hour on any day, whether their song is known or not
-- users  users with at least one play in that hour
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v tz=UTC -f sql/analytics/plays-by-hour.sql

SELECT
    hour,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS users
FROM (
    SELECT
        user_id,
        CAST(EXTRACT(HOUR FROM start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz') AS INTEGER) AS hour
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
) AS p
GROUP BY hour
ORDER BY hour;
