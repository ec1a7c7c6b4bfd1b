-- How do the hours of the day differ between the days of the week?
--
-- hour                hour of the day in UTC, 0 to 23; hours without plays are omitted
-- sunday to saturday  all plays in that hour on that day of the week, whether their song is known or not
--
-- Usage: psql -v from=2018-11-01 -v to=2018-12-01 -f sql/analytics/plays-by-hour-and-weekday.sql

SELECT
    t.hour,
    SUM(CASE t.weekday WHEN 0 THEN 1 ELSE 0 END) AS sunday,
    SUM(CASE t.weekday WHEN 1 THEN 1 ELSE 0 END) AS monday,
    SUM(CASE t.weekday WHEN 2 THEN 1 ELSE 0 END) AS tuesday,
    SUM(CASE t.weekday WHEN 3 THEN 1 ELSE 0 END) AS wednesday,
    SUM(CASE t.weekday WHEN 4 THEN 1 ELSE 0 END) AS thursday,
    SUM(CASE t.weekday WHEN 5 THEN 1 ELSE 0 END) AS friday,
    SUM(CASE t.weekday WHEN 6 THEN 1 ELSE 0 END) AS saturday
FROM songplays s
JOIN time t ON t.start_time = s.start_time
WHERE s.start_time >= CAST(:'from' AS TIMESTAMP) AND s.start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY t.hour
ORDER BY t.hour;
