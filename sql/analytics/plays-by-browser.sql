-- Which browsers do people listen with?
--
-- browser       the browser family, recognized by its tokens in the user agent; other if there are none, null if the
--               log has no user agent
-- plays         all plays, whether their song is known or not
-- users         users with at least one play
-- user_agents   distinct user agents
--
-- Ties are ordered by users, descending, then by name.
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -f sql/analytics/plays-by-browser.sql

SELECT
    browser,
    COUNT(*) AS plays,
    COUNT(DISTINCT user_id) AS users,
    COUNT(DISTINCT user_agent) AS user_agents
FROM (
    SELECT
        user_id,
        user_agent,
        -- The order matters, because a browser also has the tokens of those that it is compatible with: nearly all have
        -- Safari, and Edge and Opera have Chrome.
        CASE
            WHEN user_agent IS NULL THEN NULL
            WHEN user_agent LIKE '%Edg/%' OR user_agent LIKE '%Edge/%' THEN 'Edge'
            WHEN user_agent LIKE '%OPR/%' OR user_agent LIKE '%Opera%' THEN 'Opera'
            WHEN user_agent LIKE '%MSIE %' OR user_agent LIKE '%Trident/%' THEN 'Internet Explorer'
            WHEN user_agent LIKE '%Firefox/%' OR user_agent LIKE '%FxiOS/%' THEN 'Firefox'
            WHEN user_agent LIKE '%Chrome/%' OR user_agent LIKE '%CriOS/%' THEN 'Chrome'
            WHEN user_agent LIKE '%Safari/%' THEN 'Safari'
            ELSE 'other'
        END AS browser
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
) AS s
GROUP BY browser
ORDER BY plays DESC, users DESC, browser;
