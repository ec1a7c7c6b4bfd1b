-- Who listens most?
--
-- user_id, first_name, last_name  the user
-- level                           free or paid, as of the user's latest event overall
-- plays                           all plays in the range, whether their song is known or not
-- paid_plays                      plays at the paid level
-- sessions                        sessions with at least one play
-- days                            days, in the time zone tz, with at least one play
--
-- Ties are ordered by user_id.
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v tz=UTC -v limit=10 -f sql/analytics/busiest-users.sql

SELECT
    p.user_id,
    u.first_name,
    u.last_name,
    u.level,
    p.plays,
    p.paid_plays,
    p.sessions,
    p.days
FROM (
    SELECT
        user_id,
        COUNT(*) AS plays,
        SUM(CASE level WHEN 'paid' THEN 1 ELSE 0 END) AS paid_plays,
        COUNT(DISTINCT session_id) AS sessions,
        COUNT(DISTINCT CAST(start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz' AS DATE)) AS days
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
    GROUP BY user_id
) AS p
JOIN users u ON u.user_id = p.user_id
ORDER BY p.plays DESC, p.user_id
LIMIT :limit;
