-- Which user agents do people listen with?
--
-- user_agent  as the log has it; null where it has none
-- plays       all plays with it, whether their song is known or not
-- users       users with a play with it
--
-- Of user agents with as many plays those with more users come first, then by name. plays-by-browser adds up
-- what is the same but for a version.
--
-- By hand: psql -v from=2018-11-01 -v to=2018-12-01 -v limit=10 -f sql/analytics/plays-by-user-agent.sql

SELECT
    user_agent,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS users
FROM songplays
WHERE start_time >= CAST(:'from' AS TIMESTAMP) AND start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY user_agent
ORDER BY plays DESC, users DESC, user_agent
LIMIT :limit;
