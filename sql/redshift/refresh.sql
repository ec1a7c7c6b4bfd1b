-- Empties the star and its ledger, in the transaction of the load that fills them again: until it commits,
-- everybody sees what was there. By DELETE, for TRUNCATE would commit at once.
--
-- By hand: between stage.sql and copy.sql.

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
