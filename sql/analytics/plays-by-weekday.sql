-- On which days of the week are songs played?
--
-- weekday        0 to 6 from Sunday, UTC; days of the week without a play are not there
-- name           its name
-- plays          all plays on that day of the week, whether their song is known or not
-- days           how many such days have a play: a range can hold more Mondays than Sundays
-- plays_per_day  plays on each of them, on average
--
-- By hand: psql -v from=2018-11-01 -v to=2018-12-01 -f sql/analytics/plays-by-weekday.sql

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
