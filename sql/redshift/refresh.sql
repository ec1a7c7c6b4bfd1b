-- Empties the star schema, the merge state and the load history, in the transaction of the load that fills them again.
-- Until the load commits, readers see the old rows. The tables are emptied by DELETE, because TRUNCATE would commit at
-- once.
--
-- Usage: after stage.sql and before the rows are copied, in the same session; stage.sql has the whole command.
--
-- Without stage.sql before it in the same session, it would empty the tables at once and for good.

\set ON_ERROR_STOP on

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
