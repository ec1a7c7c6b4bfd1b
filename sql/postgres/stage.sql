-- Begins a load into PostgreSQL: the transaction, its lock and the tables that the rows come to first.
--
-- By hand, all in one session: psql -v run=ID -f sql/postgres/stage.sql -f sql/postgres/copy.sql
-- -f sql/postgres/merge.sql

BEGIN;

-- One load at a time: the others wait here. Whoever reads does not.
LOCK TABLE loads IN SHARE ROW EXCLUSIVE MODE;

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
