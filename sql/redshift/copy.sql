-- Copies the Parquet parts of a dataset into the staging tables. Each table is copied by its manifest, because a prefix
-- would also match longer names. The bucket must be in the region of the cluster. Leave out tables without rows,
-- because a COPY of no files is an error.
--
-- Usage: after stage.sql and before count.sql, in the same session; stage.sql has the whole command.

\set ON_ERROR_STOP on

COPY staged_artists (artist_id, name, location, latitude, longitude)
FROM :'artists' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_songs (song_id, title, artist_id, year, duration)
FROM :'songs' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_users (user_id, first_name, last_name, gender, level)
FROM :'users' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_time (start_time, hour, day, week, month, year, weekday)
FROM :'time' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
)
FROM :'songplays' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_state_users (user_id, start_time, session_id, item_in_session)
FROM :'state_users' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_state_artists (artist_id, song_id)
FROM :'state_artists' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_state_songs (song_key, duration, song_id, artist_id)
FROM :'state_songs' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_state_songplays (songplay_id, song_key, duration)
FROM :'state_songplays' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;

COPY staged_source_objects (kind, object, etag, rows, rejected_records, rejected_bytes)
FROM :'source_objects' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;
