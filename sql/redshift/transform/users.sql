-- Fills the staged table of users, from the valid records.
--
-- Usage: after the checks, in the order of the command in staging.sql.

\set ON_ERROR_STOP on

-- Each user has the values of the latest event, and of several deliveries of that event the smallest by level,
-- first_name, last_name and gender, null last. A late batch does not overwrite a newer level.
CREATE TEMP TABLE picked_users AS
SELECT user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session
FROM (
    SELECT
        user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session,
        ROW_NUMBER() OVER (
            PARTITION BY user_id
            ORDER BY
                start_time DESC, session_id DESC, item_in_session DESC,
                level || CHR(1), first_name || CHR(1) NULLS LAST, last_name || CHR(1) NULLS LAST,
                gender || CHR(1) NULLS LAST
        ) AS rn
    FROM (
        SELECT
            v.userid AS user_id, v.firstname AS first_name, v.lastname AS last_name, v.gender, v.level,
            v.ts_time AS start_time, v.sessionid AS session_id, v.iteminsession AS item_in_session
        FROM valid_events v
        -- Only the records with the last ts of each key have to be sorted.
        JOIN (
            SELECT userid, MAX(ts) AS last_value
            FROM valid_events
            GROUP BY userid
        ) AS l
            ON l.userid = v.userid AND l.last_value = v.ts
    ) AS candidates
) AS ranked
WHERE rn = 1;

INSERT INTO staged_users (user_id, first_name, last_name, gender, level)
SELECT user_id, first_name, last_name, gender, level
FROM picked_users;

INSERT INTO staged_state_users (user_id, start_time, session_id, item_in_session)
SELECT user_id, start_time, session_id, item_in_session
FROM picked_users;
