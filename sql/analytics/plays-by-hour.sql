-- At which hours of the day are songs played?
--
-- hour   hour of the day in UTC, 0 to 23; hours without plays are omitted
-- plays  all plays in that hour on any day, whether their song is known or not
-- users  users with at least one play in that hour
--
-- Usage: psql -v from=2018-11-01 -v to=2018-12-01 -f sql/analytics/plays-by-hour.sql

SELECT
    t.hour,
    COUNT(*) AS plays,
    COUNT(DISTINCT s.user_id) AS users
FROM songplays s
JOIN time t ON t.start_time = s.start_time
WHERE s.start_time >= CAST(:'from' AS TIMESTAMP) AND s.start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY t.hour
ORDER BY t.hour;
