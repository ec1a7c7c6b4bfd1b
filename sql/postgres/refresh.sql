-- Empties the star schema, the merge state and the load history, in the transaction of the load that fills them again.
-- Nothing is lost before the load commits. Readers wait until then.
--
-- Usage: after stage.sql and before the rows are copied, in the same session; stage.sql has the whole command.
--
-- Without stage.sql before it in the same session, its first statement fails, and nothing is deleted.

\set ON_ERROR_STOP on

-- Foreign keys are dropped, because PostgreSQL would search songplays for each deleted row. merge.sql adds them again.
DO $$
BEGIN
    PERFORM pg_temp.drop_constraints();
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ('songplays'::regclass, 'songs'::regclass)
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'a full refresh needs the owner of songplays and songs, with REFERENCES on the other tables';
    END IF;
END $$;

DELETE FROM load_history;
DELETE FROM state_songplays;
DELETE FROM state_songs;
DELETE FROM state_artists;
DELETE FROM state_users;
DELETE FROM songplays;
DELETE FROM time;
DELETE FROM users;
DELETE FROM songs;
DELETE FROM artists;
