-- Copies the rows of a dataset into the staging tables.
--
-- Usage: only by the program, which sends the rows of the Parquet parts in the binary format after each statement. psql
-- uses \copy instead; stage.sql has the whole command.

\set ON_ERROR_STOP on

COPY staged_artists (artist_id, name, location, latitude, longitude)
FROM STDIN WITH (FORMAT "binary");

COPY staged_songs (song_id, title, artist_id, year, duration)
FROM STDIN WITH (FORMAT "binary");

COPY staged_users (user_id, first_name, last_name, gender, level)
FROM STDIN WITH (FORMAT "binary");

COPY staged_time (start_time, hour, day, week, month, year, weekday)
FROM STDIN WITH (FORMAT "binary");

COPY staged_songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
)
FROM STDIN WITH (FORMAT "binary");

COPY staged_state_users (user_id, start_time, session_id, item_in_session)
FROM STDIN WITH (FORMAT "binary");

COPY staged_state_artists (artist_id, song_id)
FROM STDIN WITH (FORMAT "binary");

COPY staged_state_songs (song_key, duration, song_id, artist_id)
FROM STDIN WITH (FORMAT "binary");

COPY staged_state_songplays (songplay_id, song_key, duration)
FROM STDIN WITH (FORMAT "binary");

COPY staged_source_objects (kind, object, etag, rows, rejected_records, rejected_bytes)
FROM STDIN WITH (FORMAT "binary");
