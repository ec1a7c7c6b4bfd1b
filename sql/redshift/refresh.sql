-- Empties the star and its ledger, in the transaction of the load that fills them again: until it commits,
-- everybody sees what was there. By DELETE, for TRUNCATE would commit at once.
--
-- By hand: between stage.sql and copy.sql.

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
