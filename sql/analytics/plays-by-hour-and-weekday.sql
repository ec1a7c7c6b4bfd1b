-- How do the hours of the day differ between the days of the week?
--
-- hour                hour of the day in the time zone tz, 0 to 23; hours without plays are omitted
-- sunday to saturday  all plays in that hour on that day of the week, whether their song is known or not
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v tz=UTC -f sql/analytics/plays-by-hour-and-weekday.sql

SELECT
    hour,
    SUM(CASE weekday WHEN 0 THEN 1 ELSE 0 END) AS sunday,
    SUM(CASE weekday WHEN 1 THEN 1 ELSE 0 END) AS monday,
    SUM(CASE weekday WHEN 2 THEN 1 ELSE 0 END) AS tuesday,
    SUM(CASE weekday WHEN 3 THEN 1 ELSE 0 END) AS wednesday,
    SUM(CASE weekday WHEN 4 THEN 1 ELSE 0 END) AS thursday,
    SUM(CASE weekday WHEN 5 THEN 1 ELSE 0 END) AS friday,
    SUM(CASE weekday WHEN 6 THEN 1 ELSE 0 END) AS saturday
FROM (
    SELECT
        CAST(EXTRACT(HOUR FROM start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz') AS INTEGER) AS hour,
        CAST(EXTRACT(DOW FROM start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz') AS INTEGER) AS weekday
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
) AS p
GROUP BY hour
ORDER BY hour;
