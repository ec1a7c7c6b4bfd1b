-- How do free and paid plays compare, month by month?
--
-- The level is the user's level at the time of the play. Plays count whether their song is known or not.
--
-- month         the month in the time zone tz, e.g. 2018-11; months without plays are omitted
-- plays         all plays
-- free_plays    plays at the free level
-- paid_plays    plays at the paid level
-- free_users    users with a free play; a user who changed the level within the month counts in both
-- paid_users    users with a paid play
-- paid_percent  percentage of paid plays
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v tz=UTC -f sql/analytics/free-and-paid-by-month.sql

SELECT
    month,
    COUNT(*) AS plays,
    SUM(CASE level WHEN 'free' THEN 1 ELSE 0 END) AS free_plays,
    SUM(CASE level WHEN 'paid' THEN 1 ELSE 0 END) AS paid_plays,
    COUNT(DISTINCT CASE level WHEN 'free' THEN user_id END) AS free_users,
    COUNT(DISTINCT CASE level WHEN 'paid' THEN user_id END) AS paid_users,
    CAST(100.0 * SUM(CASE level WHEN 'paid' THEN 1 ELSE 0 END) / COUNT(*) AS DECIMAL(4, 1)) AS paid_percent
FROM (
    SELECT
        user_id,
        level,
        TO_CHAR(start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz', 'YYYY-MM') AS month
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
) AS p
GROUP BY month
ORDER BY month;
