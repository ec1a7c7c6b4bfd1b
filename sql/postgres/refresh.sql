-- Empties the star and its ledger, in the transaction of the load that fills them again: until it commits,
-- everybody sees what was there.
--
-- By hand: between stage.sql and copy.sql.

-- Each row would be looked for in songplays otherwise.
DO $$
BEGIN
    IF pg_has_role((SELECT relowner FROM pg_class WHERE oid = 'songplays'::regclass), 'USAGE') THEN
        ALTER TABLE songplays DROP CONSTRAINT IF EXISTS songplays_time;
        ALTER TABLE songplays DROP CONSTRAINT IF EXISTS songplays_user;
        ALTER TABLE songplays DROP CONSTRAINT IF EXISTS songplays_song;
        ALTER TABLE songplays DROP CONSTRAINT IF EXISTS songplays_artist;
        ALTER TABLE songs DROP CONSTRAINT IF EXISTS songs_artist;
    END IF;
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
