-- Empties the star schema, the merge state and the load history, in the transaction of the load that fills them again.
-- Until it commits, readers see the old rows. The tables are emptied by DELETE, because TRUNCATE would commit at once.
--
-- Run it between stage.sql and copy.sql.

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
