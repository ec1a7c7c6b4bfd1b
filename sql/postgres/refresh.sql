-- Empties the star and its ledger, in the transaction of the load that fills them again: until it commits,
-- nothing is gone. Whoever reads waits.
--
-- By hand: between stage.sql and copy.sql.

-- Each row would be looked for in songplays otherwise. merge.sql puts back what is taken off here.
DO $$
BEGIN
    IF (
            SELECT bool_and(pg_has_role(relowner, 'USAGE'))
            FROM pg_class
            WHERE oid IN (
                'artists'::regclass, 'songs'::regclass, 'users'::regclass, 'time'::regclass, 'songplays'::regclass
            )
        )
    THEN
        ALTER TABLE songplays
            DROP CONSTRAINT IF EXISTS songplays_time,
            DROP CONSTRAINT IF EXISTS songplays_user,
            DROP CONSTRAINT IF EXISTS songplays_song,
            DROP CONSTRAINT IF EXISTS songplays_artist,
            DROP CONSTRAINT IF EXISTS songplays_pkey;
        ALTER TABLE songs DROP CONSTRAINT IF EXISTS songs_artist;
        ALTER TABLE time DROP CONSTRAINT IF EXISTS time_pkey;
    END IF;
EXCEPTION
    -- Somebody else's table refers to one of these: row by row then.
    WHEN dependent_objects_still_exist THEN NULL;
END $$;

DELETE FROM loads;
DELETE FROM ledger_songplays;
DELETE FROM ledger_songs;
DELETE FROM ledger_artists;
DELETE FROM ledger_users;
DELETE FROM songplays;
DELETE FROM time;
DELETE FROM users;
DELETE FROM songs;
DELETE FROM artists;
