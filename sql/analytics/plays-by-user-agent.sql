-- Which user agents do people listen with?
--
-- user_agent  the user agent; null if the log has none
-- plays       all plays with the user agent, whether their song is known or not
-- users       users with at least one play with the user agent
--
-- Ties are ordered by users, descending, then by name. plays-by-browser combines the versions of a browser.
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v limit=10 -f sql/analytics/plays-by-user-agent.sql

SELECT
    user_agent,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS users
FROM songplays
WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
GROUP BY user_agent
ORDER BY plays DESC, users DESC, user_agent
LIMIT :limit;
