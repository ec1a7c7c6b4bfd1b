-- Fills the staged table of songplays, from the valid records.
--
-- Usage: after the checks, in the order of the command in staging.sql.

\set ON_ERROR_STOP on

-- Plays are matched with the songs of this table. Of several songs with the same key the one with the smallest song_id
-- is taken, then the one with the smallest artist_id.
INSERT INTO staged_state_songs (song_key, duration, song_id, artist_id)
SELECT song_key, duration, song_id, artist_id
FROM (
    SELECT
        song_key, duration, song_id, artist_id,
        ROW_NUMBER() OVER (
            PARTITION BY song_key, duration
            ORDER BY
                song_id || CHR(1), artist_id || CHR(1)
        ) AS rn
    FROM (
        SELECT
            v.song_key, v.duration, v.song_id, v.artist_id
        FROM valid_songs v
    ) AS candidates
) AS ranked
WHERE rn = 1;

-- The events that were delivered several times.
CREATE TEMP TABLE repeated_songplays AS
SELECT songplay_id
FROM valid_events
GROUP BY songplay_id
HAVING COUNT(*) > 1;

-- Of several deliveries of an event the smallest is taken, by level, location, user_agent, song_key and duration, null
-- last. Only repeated deliveries have to be sorted. An event without song, artist or length matches no row of
-- state_songs.
CREATE TEMP TABLE picked_songplays AS
SELECT
    v.songplay_id, v.ts_time AS start_time, v.userid AS user_id, v.level, v.sessionid AS session_id, v.location,
    v.useragent AS user_agent,
    CASE WHEN v.song_key IS NOT NULL AND v.length IS NOT NULL THEN v.song_key END AS song_key,
    CASE WHEN v.song_key IS NOT NULL AND v.length IS NOT NULL THEN v.length END AS duration
FROM valid_events v
LEFT JOIN repeated_songplays r ON r.songplay_id = v.songplay_id
WHERE r.songplay_id IS NULL
UNION ALL
SELECT songplay_id, start_time, user_id, level, session_id, location, user_agent, song_key, duration
FROM (
    SELECT
        songplay_id, start_time, user_id, level, session_id, location, user_agent, song_key, duration,
        ROW_NUMBER() OVER (
            PARTITION BY songplay_id
            ORDER BY
                level || CHR(1), location || CHR(1) NULLS LAST, user_agent || CHR(1) NULLS LAST,
                song_key NULLS LAST, duration NULLS LAST
        ) AS rn
    FROM (
        SELECT
            v.songplay_id, v.ts_time AS start_time, v.userid AS user_id, v.level, v.sessionid AS session_id,
            v.location, v.useragent AS user_agent,
            CASE WHEN v.song_key IS NOT NULL AND v.length IS NOT NULL THEN v.song_key END AS song_key,
            CASE WHEN v.song_key IS NOT NULL AND v.length IS NOT NULL THEN v.length END AS duration
        FROM repeated_songplays r
        JOIN valid_events v ON v.songplay_id = r.songplay_id
    ) AS candidates
) AS ranked
WHERE rn = 1;

INSERT INTO staged_songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
)
SELECT
    p.songplay_id, p.start_time, p.user_id, p.level, k.song_id, k.artist_id, p.session_id, p.location, p.user_agent
FROM picked_songplays p
LEFT JOIN staged_state_songs k ON k.song_key = p.song_key AND k.duration = p.duration;

INSERT INTO staged_state_songplays (songplay_id, song_key, duration)
SELECT songplay_id, song_key, duration
FROM picked_songplays
WHERE song_key IS NOT NULL AND duration IS NOT NULL;
