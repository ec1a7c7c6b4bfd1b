-- On which days of the week are songs played?
--
-- weekday        day of the week in the time zone tz, 0 (Sunday) to 6; days without plays are omitted
-- name           name of the day
-- plays          all plays on that day of the week, whether their song is known or not
-- days           number of such days with at least one play: a range can have more Mondays than Sundays
-- plays_per_day  average number of plays on these days
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v tz=UTC -f sql/analytics/plays-by-weekday.sql

SELECT
    weekday,
    CASE weekday
        WHEN 0 THEN 'Sunday'
        WHEN 1 THEN 'Monday'
        WHEN 2 THEN 'Tuesday'
        WHEN 3 THEN 'Wednesday'
        WHEN 4 THEN 'Thursday'
        WHEN 5 THEN 'Friday'
        WHEN 6 THEN 'Saturday'
    END AS name,
    COUNT(*) AS plays,
    COUNT(DISTINCT day) AS days,
    CAST(1.0 * COUNT(*) / COUNT(DISTINCT day) AS DECIMAL(18, 1)) AS plays_per_day
FROM (
    SELECT
        CAST(EXTRACT(DOW FROM start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz') AS INTEGER) AS weekday,
        CAST(start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz' AS DATE) AS day
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
) AS p
GROUP BY weekday
ORDER BY weekday;
