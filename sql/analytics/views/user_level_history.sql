-- The subscription levels of each user over time, from the plays (a slowly changing dimension of type 2).
--
-- user_id     the user
-- level       the level, free or paid
-- valid_from  time of the first play at the level, in UTC
-- valid_to    time of the user's first play at the next level, exclusive; null for the last level
-- is_current  whether it is the level of the user's last play
-- plays       plays at the level in this time
--
-- Consecutive plays of a user at the same level are one row, and a level that comes back is a new row. Plays of a user at
-- the same time are ordered by session_id, then by songplay_id. If their levels differ, a row may begin and end at once.
--
-- The level in users may be newer: it is that of the latest event, which need not be a play.

CREATE OR REPLACE VIEW user_level_history AS
SELECT
    user_id,
    level,
    valid_from,
    LEAD(valid_from) OVER (PARTITION BY user_id ORDER BY period) AS valid_to,
    CASE
        WHEN LEAD(valid_from) OVER (PARTITION BY user_id ORDER BY period) IS NULL THEN TRUE
        ELSE FALSE
    END AS is_current,
    plays
FROM (
    SELECT
        user_id,
        level,
        period,
        MIN(start_time) AS valid_from,
        COUNT(*) AS plays
    FROM (
        SELECT
            user_id,
            level,
            start_time,
            -- The number of changes up to the play.
            SUM(CASE WHEN level = previous_level THEN 0 ELSE 1 END) OVER (
                PARTITION BY user_id
                ORDER BY start_time, session_id, songplay_id
                ROWS UNBOUNDED PRECEDING
            ) AS period
        FROM (
            SELECT
                user_id,
                level,
                start_time,
                session_id,
                songplay_id,
                LAG(level) OVER (
                    PARTITION BY user_id
                    ORDER BY start_time, session_id, songplay_id
                ) AS previous_level
            FROM songplays
        ) AS compared
    ) AS numbered
    GROUP BY user_id, level, period
) AS periods;
