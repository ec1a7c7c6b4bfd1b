-- Counts the rows of the staging tables before they are merged.
--
-- Usage: after the rows are copied and before merge.sql, in the same session; stage.sql has the whole command.
--
-- psql goes on whatever the counts are, so read them before you commit: leave out commit.sql at first, or run the files
-- by \i in an interactive session. If a count is not as expected, do not run commit.sql.

\set ON_ERROR_STOP on

-- The rows of each staging table: as many as the report of the run has under tables and merge_state.
SELECT 'songplays' AS name, COUNT(*) AS rows FROM staged_songplays
UNION ALL
SELECT 'users' AS name, COUNT(*) AS rows FROM staged_users
UNION ALL
SELECT 'songs' AS name, COUNT(*) AS rows FROM staged_songs
UNION ALL
SELECT 'artists' AS name, COUNT(*) AS rows FROM staged_artists
UNION ALL
SELECT 'time' AS name, COUNT(*) AS rows FROM staged_time
UNION ALL
SELECT 'source_objects' AS name, COUNT(*) AS rows FROM staged_source_objects
UNION ALL
SELECT 'state_users' AS name, COUNT(*) AS rows FROM staged_state_users
UNION ALL
SELECT 'state_artists' AS name, COUNT(*) AS rows FROM staged_state_artists
UNION ALL
SELECT 'state_songs' AS name, COUNT(*) AS rows FROM staged_state_songs
UNION ALL
SELECT 'state_songplays' AS name, COUNT(*) AS rows FROM staged_state_songplays;

-- The rows of the warehouse that staged rows are merged with, but whose merge state is missing. Every count must be 0.
SELECT 'state_users' AS name, COUNT(*) AS rows
FROM staged_users s
JOIN users w ON w.user_id = s.user_id
LEFT JOIN state_users l ON l.user_id = s.user_id
WHERE l.user_id IS NULL
UNION ALL
SELECT 'state_artists' AS name, COUNT(*) AS rows
FROM staged_artists s
JOIN artists w ON w.artist_id = s.artist_id
LEFT JOIN state_artists l ON l.artist_id = s.artist_id
WHERE l.artist_id IS NULL;
