-- Counts the merged rows that are missing, by table.
--
-- Usage: after merge.sql and before commit.sql, in the same session; stage.sql has the whole command.
--
-- Every count must be 0. psql goes on whatever the counts are. If one is not 0, do not run commit.sql.
--
-- Redshift has no triggers or rules that could change the written rows, so it is enough to compare the keys.

\set ON_ERROR_STOP on

SELECT 'artists' AS name, COUNT(*) AS rows
FROM staged_artists n
LEFT JOIN artists w ON w.artist_id = n.artist_id
WHERE w.artist_id IS NULL
UNION ALL
SELECT 'songs' AS name, COUNT(*) AS rows
FROM staged_songs n
LEFT JOIN songs w ON w.song_id = n.song_id
WHERE w.song_id IS NULL
UNION ALL
SELECT 'users' AS name, COUNT(*) AS rows
FROM staged_users n
LEFT JOIN users w ON w.user_id = n.user_id
WHERE w.user_id IS NULL
UNION ALL
SELECT 'time' AS name, COUNT(*) AS rows
FROM staged_time n
LEFT JOIN time w ON w.start_time = n.start_time
WHERE w.start_time IS NULL
UNION ALL
-- start_time is the distribution key, so that both sides of the join are on the same slice.
SELECT 'songplays' AS name, COUNT(*) AS rows
FROM staged_songplays n
LEFT JOIN songplays w ON w.songplay_id = n.songplay_id AND w.start_time = n.start_time
WHERE w.songplay_id IS NULL;
