-- Merges the staging tables into the star schema and the merge state.
--
-- Usage: after count.sql and before verify.sql, in the same session; stage.sql has the whole command.
--
-- Every choice depends only on the content of the rows, by the same rules as within one run. So batches in any order
-- have the same result as one load of all of them, and a batch that is loaded again changes nothing.

\set ON_ERROR_STOP on

-- If songplays is empty, primary keys are built and foreign keys are checked once at the end and not row by row, which
-- takes a fraction of the time. Readers wait in the meantime.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM songplays) THEN
        PERFORM pg_temp.drop_constraints();
    END IF;
END $$;

-- The planner has no statistics of temporary tables without ANALYZE.
ANALYZE staged_artists;
ANALYZE staged_songs;
ANALYZE staged_users;
ANALYZE staged_time;
ANALYZE staged_songplays;
ANALYZE staged_state_users;
ANALYZE staged_state_artists;
ANALYZE staged_state_songs;
ANALYZE staged_state_songplays;
ANALYZE staged_source_objects;

-- For each artist a record with both coordinates is preferred, then one with a location, then the smallest by song_id,
-- name, location, latitude and longitude, null last.
CREATE TEMP TABLE new_artists ON COMMIT DROP AS
SELECT artist_id, name, location, latitude, longitude, song_id
FROM (
    SELECT
        artist_id, name, location, latitude, longitude, song_id, is_staged,
        ROW_NUMBER() OVER (
            PARTITION BY artist_id
            ORDER BY
                CASE WHEN latitude IS NOT NULL AND longitude IS NOT NULL THEN 0 ELSE 1 END,
                CASE WHEN OCTET_LENGTH(location) > 0 THEN 0 ELSE 1 END,
                song_id, name, location NULLS LAST, latitude NULLS LAST, longitude NULLS LAST,
                is_staged
        ) AS rn
    FROM (
        SELECT
            s.artist_id, s.name, s.location, s.latitude, s.longitude,
            l.song_id,
            1 AS is_staged
        FROM staged_artists s
        JOIN staged_state_artists l ON l.artist_id = s.artist_id
        UNION ALL
        SELECT
            w.artist_id, w.name, w.location, w.latitude, w.longitude,
            l.song_id,
            0 AS is_staged
        FROM artists w
        JOIN staged_artists s ON s.artist_id = w.artist_id
        JOIN state_artists l ON l.artist_id = w.artist_id
    ) AS candidates
) AS ranked
WHERE rn = 1 AND is_staged = 1;

ANALYZE new_artists;

UPDATE artists SET
    name = n.name, location = n.location, latitude = n.latitude, longitude = n.longitude
FROM new_artists n
WHERE
    artists.artist_id = n.artist_id
    AND (artists.name, artists.location, artists.latitude, artists.longitude)
    IS DISTINCT FROM (n.name, n.location, n.latitude, n.longitude);

INSERT INTO artists (artist_id, name, location, latitude, longitude)
SELECT n.artist_id, n.name, n.location, n.latitude, n.longitude
FROM new_artists n
WHERE NOT EXISTS (SELECT 1 FROM artists w WHERE w.artist_id = n.artist_id);

UPDATE state_artists SET
    song_id = n.song_id
FROM new_artists n
WHERE state_artists.artist_id = n.artist_id;

INSERT INTO state_artists (artist_id, song_id)
SELECT n.artist_id, n.song_id
FROM new_artists n
WHERE NOT EXISTS (SELECT 1 FROM state_artists w WHERE w.artist_id = n.artist_id);

-- For each song the record that is smallest by title, artist_id, year and duration is taken, null last.
CREATE TEMP TABLE new_songs ON COMMIT DROP AS
SELECT song_id, title, artist_id, year, duration
FROM (
    SELECT
        song_id, title, artist_id, year, duration, is_staged,
        ROW_NUMBER() OVER (
            PARTITION BY song_id
            ORDER BY
                title, artist_id, year NULLS LAST, duration,
                is_staged
        ) AS rn
    FROM (
        SELECT
            s.song_id, s.title, s.artist_id, s.year, s.duration,
            1 AS is_staged
        FROM staged_songs s
        UNION ALL
        SELECT
            w.song_id, w.title, w.artist_id, w.year, w.duration,
            0 AS is_staged
        FROM songs w
        JOIN staged_songs s ON s.song_id = w.song_id
    ) AS candidates
) AS ranked
WHERE rn = 1 AND is_staged = 1;

ANALYZE new_songs;

UPDATE songs SET
    title = n.title, artist_id = n.artist_id, year = n.year, duration = n.duration
FROM new_songs n
WHERE songs.song_id = n.song_id;

INSERT INTO songs (song_id, title, artist_id, year, duration)
SELECT n.song_id, n.title, n.artist_id, n.year, n.duration
FROM new_songs n
WHERE NOT EXISTS (SELECT 1 FROM songs w WHERE w.song_id = n.song_id);

-- Each user has the values of the latest event, and of several deliveries of that event the smallest by level,
-- first_name, last_name and gender, null last. A late batch does not overwrite a newer level.
CREATE TEMP TABLE new_users ON COMMIT DROP AS
SELECT user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session
FROM (
    SELECT
        user_id, first_name, last_name, gender, level, start_time, session_id, item_in_session, is_staged,
        ROW_NUMBER() OVER (
            PARTITION BY user_id
            ORDER BY
                start_time DESC, session_id DESC, item_in_session DESC,
                level, first_name NULLS LAST, last_name NULLS LAST, gender NULLS LAST,
                is_staged
        ) AS rn
    FROM (
        SELECT
            s.user_id, s.first_name, s.last_name, s.gender, s.level,
            l.start_time, l.session_id, l.item_in_session,
            1 AS is_staged
        FROM staged_users s
        JOIN staged_state_users l ON l.user_id = s.user_id
        UNION ALL
        SELECT
            w.user_id, w.first_name, w.last_name, w.gender, w.level,
            l.start_time, l.session_id, l.item_in_session,
            0 AS is_staged
        FROM users w
        JOIN staged_users s ON s.user_id = w.user_id
        JOIN state_users l ON l.user_id = w.user_id
    ) AS candidates
) AS ranked
WHERE rn = 1 AND is_staged = 1;

ANALYZE new_users;

UPDATE users SET
    first_name = n.first_name, last_name = n.last_name, gender = n.gender, level = n.level
FROM new_users n
WHERE
    users.user_id = n.user_id
    AND (users.first_name, users.last_name, users.gender, users.level)
    IS DISTINCT FROM (n.first_name, n.last_name, n.gender, n.level);

INSERT INTO users (user_id, first_name, last_name, gender, level)
SELECT n.user_id, n.first_name, n.last_name, n.gender, n.level
FROM new_users n
WHERE NOT EXISTS (SELECT 1 FROM users w WHERE w.user_id = n.user_id);

UPDATE state_users SET
    start_time = n.start_time, session_id = n.session_id, item_in_session = n.item_in_session
FROM new_users n
WHERE state_users.user_id = n.user_id;

INSERT INTO state_users (user_id, start_time, session_id, item_in_session)
SELECT n.user_id, n.start_time, n.session_id, n.item_in_session
FROM new_users n
WHERE NOT EXISTS (SELECT 1 FROM state_users w WHERE w.user_id = n.user_id);

-- Insert the new rows of time.
INSERT INTO time (start_time, hour, day, week, month, year, weekday)
SELECT s.start_time, s.hour, s.day, s.week, s.month, s.year, s.weekday
FROM staged_time s
WHERE NOT EXISTS (SELECT 1 FROM time w WHERE w.start_time = s.start_time);

-- The rows of state_songs from earlier batches for whose keys this batch has no row, or only a later one.
CREATE TEMP TABLE earlier_state_songs ON COMMIT DROP AS
SELECT k.song_key, k.duration, k.song_id, k.artist_id
FROM state_songs k
LEFT JOIN staged_state_songs s ON s.song_key = k.song_key AND s.duration = k.duration
WHERE
    s.song_key IS NULL
    OR k.song_id < s.song_id
    OR (k.song_id = s.song_id AND k.artist_id < s.artist_id);

ANALYZE earlier_state_songs;

-- Plays are matched with the songs of this table. Of several songs with the same key the one with the smallest song_id
-- is taken, then the one with the smallest artist_id.
CREATE TEMP TABLE new_state_songs ON COMMIT DROP AS
SELECT song_key, duration, song_id, artist_id
FROM (
    SELECT
        song_key, duration, song_id, artist_id, is_staged,
        ROW_NUMBER() OVER (
            PARTITION BY song_key, duration
            ORDER BY
                song_id, artist_id,
                is_staged
        ) AS rn
    FROM (
        SELECT
            s.song_key, s.duration, s.song_id, s.artist_id,
            1 AS is_staged
        FROM staged_state_songs s
        UNION ALL
        SELECT
            w.song_key, w.duration, w.song_id, w.artist_id,
            0 AS is_staged
        FROM state_songs w
        JOIN staged_state_songs s ON s.song_key = w.song_key AND s.duration = w.duration
    ) AS candidates
) AS ranked
WHERE rn = 1 AND is_staged = 1;

ANALYZE new_state_songs;

UPDATE state_songs SET
    song_id = n.song_id, artist_id = n.artist_id
FROM new_state_songs n
WHERE state_songs.song_key = n.song_key AND state_songs.duration = n.duration;

INSERT INTO state_songs (song_key, duration, song_id, artist_id)
SELECT n.song_key, n.duration, n.song_id, n.artist_id
FROM new_state_songs n
WHERE NOT EXISTS (SELECT 1 FROM state_songs w WHERE w.song_key = n.song_key AND w.duration = n.duration);

-- Staged events that are loaded already, and whether this delivery is the same.
CREATE TEMP TABLE existing_songplays ON COMMIT DROP AS
SELECT
    s.songplay_id,
    s.level = w.level
    AND (s.location = w.location OR COALESCE(s.location, w.location) IS NULL)
    AND (s.user_agent = w.user_agent OR COALESCE(s.user_agent, w.user_agent) IS NULL) AS is_same
FROM staged_songplays s
JOIN songplays w ON w.songplay_id = s.songplay_id;

ANALYZE existing_songplays;

-- The events whose deliveries differ, with the keys by which they are looked up in state_songs: the new key is that of
-- the delivery in this batch, and the old one that of the delivery in the warehouse.
CREATE TEMP TABLE changed_songplays ON COMMIT DROP AS
SELECT
    r.songplay_id,
    n.song_key AS new_song_key, n.duration AS new_duration,
    o.song_key AS old_song_key, o.duration AS old_duration
FROM existing_songplays r
LEFT JOIN staged_state_songplays n ON n.songplay_id = r.songplay_id
LEFT JOIN state_songplays o ON o.songplay_id = r.songplay_id
WHERE r.is_same IS NOT TRUE OR (n.song_key, n.duration) IS DISTINCT FROM (o.song_key, o.duration);

ANALYZE changed_songplays;

-- Of several deliveries of an event the smallest is taken, by level, location, user_agent, song_key and duration, null
-- last. These deliveries come before the loaded ones. Each is matched again, with the rows that state_songs has after
-- this batch.
CREATE TEMP TABLE new_songplays ON COMMIT DROP AS
SELECT
    s.songplay_id, s.level, k.song_id, k.artist_id, s.location, s.user_agent,
    d.new_song_key AS song_key, d.new_duration AS duration
FROM changed_songplays d
JOIN staged_songplays s ON s.songplay_id = d.songplay_id
JOIN songplays w ON w.songplay_id = d.songplay_id
LEFT JOIN state_songs k ON k.song_key = d.new_song_key AND k.duration = d.new_duration
WHERE
    (
        s.level,
        (s.location IS NULL), COALESCE(s.location, ''),
        (s.user_agent IS NULL), COALESCE(s.user_agent, ''),
        (d.new_song_key IS NULL), COALESCE(d.new_song_key, 0),
        (d.new_duration IS NULL), COALESCE(d.new_duration, 0)
    ) < (
        w.level,
        (w.location IS NULL), COALESCE(w.location, ''),
        (w.user_agent IS NULL), COALESCE(w.user_agent, ''),
        (d.old_song_key IS NULL), COALESCE(d.old_song_key, 0),
        (d.old_duration IS NULL), COALESCE(d.old_duration, 0)
    );

ANALYZE new_songplays;

-- Delete the loaded events from the staging tables. The remaining ones are new.
DELETE FROM staged_state_songplays
USING existing_songplays
WHERE existing_songplays.songplay_id = staged_state_songplays.songplay_id;

DELETE FROM staged_songplays
USING existing_songplays
WHERE existing_songplays.songplay_id = staged_songplays.songplay_id;

-- Match events of this batch with rows of state_songs of earlier batches.
UPDATE staged_songplays SET
    song_id = k.song_id, artist_id = k.artist_id
FROM staged_state_songplays l, earlier_state_songs k
WHERE l.song_key = k.song_key AND l.duration = k.duration AND staged_songplays.songplay_id = l.songplay_id;

-- Match events of earlier batches with rows of state_songs of this batch. Events with another delivery are updated
-- afterwards, so that each event changes once.
DELETE FROM state_songplays
USING new_songplays
WHERE new_songplays.songplay_id = state_songplays.songplay_id;

CREATE TEMP TABLE matched_songplays ON COMMIT DROP AS
SELECT l.songplay_id, n.song_id, n.artist_id
FROM state_songplays l
JOIN new_state_songs n ON n.song_key = l.song_key AND n.duration = l.duration;

ANALYZE matched_songplays;

UPDATE songplays SET
    song_id = n.song_id, artist_id = n.artist_id
FROM matched_songplays n
WHERE songplays.songplay_id = n.songplay_id;

UPDATE songplays SET
    level = n.level, song_id = n.song_id, artist_id = n.artist_id, location = n.location, user_agent = n.user_agent
FROM new_songplays n
WHERE
    songplays.songplay_id = n.songplay_id
    AND (songplays.level, songplays.song_id, songplays.artist_id, songplays.location, songplays.user_agent)
    IS DISTINCT FROM (n.level, n.song_id, n.artist_id, n.location, n.user_agent);

-- Insert the new rows of songplays.
INSERT INTO songplays (
    songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
)
SELECT songplay_id, start_time, user_id, level, song_id, artist_id, session_id, location, user_agent
FROM staged_songplays;

INSERT INTO state_songplays (songplay_id, song_key, duration)
SELECT songplay_id, song_key, duration
FROM staged_state_songplays;

INSERT INTO state_songplays (songplay_id, song_key, duration)
SELECT songplay_id, song_key, duration
FROM new_songplays
WHERE song_key IS NOT NULL;

-- Record the loaded objects.
INSERT INTO load_history (
    run, object, etag, rows, loaded_at, kind, rejected_records, rejected_bytes, loaded_by, load_seconds
)
SELECT
    :'run', s.object, s.etag, s.rows, now() AT TIME ZONE 'UTC', s.kind, s.rejected_records, s.rejected_bytes,
    CURRENT_USER, EXTRACT(EPOCH FROM clock_timestamp() - now())
FROM staged_source_objects s
WHERE NOT EXISTS (SELECT 1 FROM load_history w WHERE w.run = :'run' AND w.kind = s.kind AND w.object = s.object);

-- Check the deferred foreign keys now, when all rows are inserted.
SET CONSTRAINTS ALL IMMEDIATE;

-- Add the constraints again that were dropped above or by refresh.sql.
DO $$
DECLARE
    key RECORD;
BEGIN
    -- The index of a dropped key was in the default tablespace of the database.
    SET LOCAL default_tablespace = '';
    -- Primary keys come before the foreign keys that refer to them.
    FOR key IN SELECT * FROM dropped_constraints ORDER BY kind DESC, name LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', key.relation, key.name, key.definition);
        IF key.comment IS NOT NULL THEN
            EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', key.name, key.relation, key.comment);
        END IF;
        IF key.index_comment IS NOT NULL THEN
            EXECUTE format(
                'COMMENT ON INDEX %s IS %L',
                (
                    SELECT c.conindid::regclass FROM pg_constraint c
                    WHERE c.conrelid = key.relation::regclass AND c.conname = key.name
                ),
                key.index_comment
            );
        END IF;
    END LOOP;
END $$;

DROP FUNCTION pg_temp.drop_constraints();
