-- Drops the star and its ledger in Amazon Redshift.
--
-- By hand: psql -1 -f sql/redshift/drop.sql
--
-- A view that somebody built on a table stops this rather than go with it.

DROP TABLE IF EXISTS load_history;
DROP TABLE IF EXISTS state_songplays;
DROP TABLE IF EXISTS state_songs;
DROP TABLE IF EXISTS state_artists;
DROP TABLE IF EXISTS state_users;
DROP TABLE IF EXISTS songplays;
DROP TABLE IF EXISTS time;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS songs;
DROP TABLE IF EXISTS artists;
