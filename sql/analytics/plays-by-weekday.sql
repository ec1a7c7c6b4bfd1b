-- On which days of the week are songs played?
--
-- weekday        day of the week in UTC, 0 (Sunday) to 6; days without plays are omitted
-- name           name of the day
-- plays          all plays on that day of the week, whether their song is known or not
-- days           number of such days with at least one play: a range can have more Mondays than Sundays
-- plays_per_day  average number of plays on these days
--
-- Usage: psql -v from=2018-11-01 -v to=2018-12-01 -f sql/analytics/plays-by-weekday.sql

SELECT
    t.weekday,
    CASE t.weekday
        WHEN 0 THEN 'Sunday'
        WHEN 1 THEN 'Monday'
        WHEN 2 THEN 'Tuesday'
        WHEN 3 THEN 'Wednesday'
        WHEN 4 THEN 'Thursday'
        WHEN 5 THEN 'Friday'
        WHEN 6 THEN 'Saturday'
    END AS name,
    COUNT(*) AS plays,
    COUNT(DISTINCT CAST(s.start_time AS DATE)) AS days,
    CAST(1.0 * COUNT(*) / COUNT(DISTINCT CAST(s.start_time AS DATE)) AS DECIMAL(18, 1)) AS plays_per_day
FROM songplays s
JOIN time t ON t.start_time = s.start_time
WHERE s.start_time >= CAST(:'from' AS TIMESTAMP) AND s.start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY t.weekday
ORDER BY t.weekday;
