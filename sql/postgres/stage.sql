-- Begins a load into PostgreSQL: the transaction, its lock and the tables that the rows come to first.
--
-- By hand, all in one session: this file, then the rows into the staging tables from anywhere that has these columns,
-- as by \copy staged_users from 'users.csv' csv, then merge.sql: psql -v run=ID -f sql/postgres/stage.sql
-- -c "\copy staged_users from 'users.csv' csv" ... -f sql/postgres/merge.sql

BEGIN;

-- One load at a time: the others wait here. Whoever reads does not.
LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE;

-- Compiling the statements of a load takes longer than carrying them out.
SET LOCAL jit = off;

CREATE TEMP TABLE staged_artists (LIKE artists) ON COMMIT DROP;
CREATE TEMP TABLE staged_songs (LIKE songs) ON COMMIT DROP;
CREATE TEMP TABLE staged_users (LIKE users) ON COMMIT DROP;
CREATE TEMP TABLE staged_time (LIKE time) ON COMMIT DROP;
CREATE TEMP TABLE staged_songplays (LIKE songplays) ON COMMIT DROP;
CREATE TEMP TABLE staged_ledger_users (LIKE ledger_users) ON COMMIT DROP;
CREATE TEMP TABLE staged_ledger_artists (LIKE ledger_artists) ON COMMIT DROP;
CREATE TEMP TABLE staged_ledger_songs (LIKE ledger_songs) ON COMMIT DROP;
CREATE TEMP TABLE staged_ledger_songplays (LIKE ledger_songplays) ON COMMIT DROP;
CREATE TEMP TABLE staged_ledger_objects (
    object VARCHAR(4096) COLLATE "C" NOT NULL,
    etag   VARCHAR(256) COLLATE "C" NOT NULL,
    rows   BIGINT NOT NULL
) ON COMMIT DROP;

-- Keys and references that the load takes off, and puts back as they were.
CREATE TEMP TABLE taken_off (
    relation   TEXT NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    definition TEXT NOT NULL
) ON COMMIT DROP;
