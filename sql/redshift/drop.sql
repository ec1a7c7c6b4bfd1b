-- Drops the star schema, the merge state and the load history in Amazon Redshift.
--
-- Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/redshift/drop.sql
--
-- A view that depends on a table makes the script fail. It is not dropped with the table.

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
