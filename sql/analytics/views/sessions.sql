-- The sessions of the users, from their plays.
--
-- session_id  the session, as numbered by the log
-- user_id     the user
-- started_at  time of the first play, in UTC
-- ended_at    time of the last play, in UTC; when that play ended is not logged
-- plays       plays in the session
-- songs       distinct songs among them, as far as they are known
-- level       the user's level at the last play, free or paid
--
-- A session is what has the same user and the same number. It may last over midnight. Of plays at the same time the one
-- with the greatest songplay_id is the last.

CREATE OR REPLACE VIEW sessions AS
SELECT
    session_id,
    user_id,
    MIN(start_time) AS started_at,
    MAX(start_time) AS ended_at,
    COUNT(*) AS plays,
    COUNT(DISTINCT song_id) AS songs,
    MAX(CASE WHEN plays_to_end = 1 THEN level END) AS level
FROM (
    SELECT
        session_id,
        user_id,
        start_time,
        song_id,
        level,
        ROW_NUMBER() OVER (
            PARTITION BY user_id, session_id
            ORDER BY start_time DESC, songplay_id DESC
        ) AS plays_to_end
    FROM songplays
) AS numbered
GROUP BY session_id, user_id;
