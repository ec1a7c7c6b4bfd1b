-- Counts the merged rows that are missing or differ, by table. A trigger, a rule or row security may drop or change the
-- rows that a statement writes without an error.
--
-- Usage: after merge.sql and before commit.sql, in the same session; stage.sql has the whole command.
--
-- Every count must be 0. psql goes on whatever the counts are. If one is not 0, do not run commit.sql.
--
-- If no table has side effects (see tables_with_side_effects in stage.sql), the tables are not read again.

\set ON_ERROR_STOP on

SELECT 'artists' AS name, COUNT(*) AS rows
FROM new_artists n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'artists')
    AND NOT EXISTS (
        SELECT FROM artists w
        WHERE
            w.artist_id = n.artist_id
            AND (w.name, w.location, w.latitude, w.longitude)
            IS NOT DISTINCT FROM (n.name, n.location, n.latitude, n.longitude)
    )
UNION ALL
SELECT 'songs' AS name, COUNT(*) AS rows
FROM new_songs n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'songs')
    AND NOT EXISTS (
        SELECT FROM songs w
        WHERE
            w.song_id = n.song_id
            AND (w.title, w.artist_id, w.year, w.duration)
            IS NOT DISTINCT FROM (n.title, n.artist_id, n.year, n.duration)
    )
UNION ALL
SELECT 'users' AS name, COUNT(*) AS rows
FROM new_users n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'users')
    AND NOT EXISTS (
        SELECT FROM users w
        WHERE
            w.user_id = n.user_id
            AND (w.first_name, w.last_name, w.gender, w.level)
            IS NOT DISTINCT FROM (n.first_name, n.last_name, n.gender, n.level)
    )
UNION ALL
SELECT 'time' AS name, COUNT(*) AS rows
FROM staged_time n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'time')
    AND NOT EXISTS (
        SELECT FROM time w
        WHERE
            w.start_time = n.start_time
            AND (w.hour, w.day, w.week, w.month, w.year, w.weekday)
            = (n.hour, n.day, n.week, n.month, n.year, n.weekday)
    )
UNION ALL
-- The new events of this batch.
SELECT 'songplays' AS name, COUNT(*) AS rows
FROM staged_songplays n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'songplays')
    AND NOT EXISTS (
        SELECT FROM songplays w
        WHERE
            w.songplay_id = n.songplay_id
            AND (
                w.start_time, w.user_id, w.level, w.song_id, w.artist_id, w.session_id, w.location, w.user_agent
            ) IS NOT DISTINCT FROM (
                n.start_time, n.user_id, n.level, n.song_id, n.artist_id, n.session_id, n.location, n.user_agent
            )
    )
UNION ALL
-- Deliveries that come before the loaded ones.
SELECT 'songplays' AS name, COUNT(*) AS rows
FROM new_songplays n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'songplays')
    AND NOT EXISTS (
        SELECT FROM songplays w
        WHERE
            w.songplay_id = n.songplay_id
            AND (w.level, w.song_id, w.artist_id, w.location, w.user_agent)
            IS NOT DISTINCT FROM (n.level, n.song_id, n.artist_id, n.location, n.user_agent)
    )
UNION ALL
-- Events of earlier batches that match rows of state_songs of this batch.
SELECT 'songplays' AS name, COUNT(*) AS rows
FROM matched_songplays n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'songplays')
    AND NOT EXISTS (
        SELECT FROM songplays w
        WHERE w.songplay_id = n.songplay_id AND (w.song_id, w.artist_id) = (n.song_id, n.artist_id)
    )
UNION ALL
SELECT 'state_users' AS name, COUNT(*) AS rows
FROM new_users n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'state_users')
    AND NOT EXISTS (
        SELECT FROM state_users w
        WHERE
            w.user_id = n.user_id
            AND (w.start_time, w.session_id, w.item_in_session) = (n.start_time, n.session_id, n.item_in_session)
    )
UNION ALL
SELECT 'state_artists' AS name, COUNT(*) AS rows
FROM new_artists n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'state_artists')
    AND NOT EXISTS (
        SELECT FROM state_artists w
        WHERE w.artist_id = n.artist_id AND w.song_id = n.song_id
    )
UNION ALL
SELECT 'state_songs' AS name, COUNT(*) AS rows
FROM new_state_songs n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'state_songs')
    AND NOT EXISTS (
        SELECT FROM state_songs w
        WHERE
            w.song_key = n.song_key
            AND w.duration = n.duration
            AND (w.song_id, w.artist_id) = (n.song_id, n.artist_id)
    )
UNION ALL
SELECT 'state_songplays' AS name, COUNT(*) AS rows
FROM (
    SELECT songplay_id, song_key, duration FROM staged_state_songplays
    UNION ALL
    SELECT songplay_id, song_key, duration FROM new_songplays WHERE song_key IS NOT NULL
) AS n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'state_songplays')
    AND NOT EXISTS (
        SELECT FROM state_songplays w
        WHERE w.songplay_id = n.songplay_id AND (w.song_key, w.duration) = (n.song_key, n.duration)
    )
UNION ALL
SELECT 'load_history' AS name, COUNT(*) AS rows
FROM staged_source_objects n
WHERE
    EXISTS (SELECT FROM tables_with_side_effects WHERE name = 'load_history')
    AND NOT EXISTS (
        SELECT FROM load_history w
        WHERE
            w.run = :'run'
            AND (w.kind, w.object, w.etag, w.rows, w.rejected_records, w.rejected_bytes)
            = (n.kind, n.object, n.etag, n.rows, n.rejected_records, n.rejected_bytes)
    );
