-- Begins a load into PostgreSQL: the transaction, its lock and the tables that the rows come to first.
--
-- By hand, all in one session: this file, then the rows into the staging tables from anywhere that has these columns,
-- as by \copy staged_users from 'users.csv' csv, then merge.sql: psql -v run=ID -f sql/postgres/stage.sql
-- -c "\copy staged_users from 'users.csv' csv" ... -f sql/postgres/merge.sql

BEGIN;

-- One load at a time: the others wait here. Whoever reads does not.
LOCK TABLE load_history IN SHARE ROW EXCLUSIVE MODE;

-- Compiling the statements of a load takes longer than carrying them out.
SET LOCAL jit = off;

CREATE TEMP TABLE staged_artists (LIKE artists) ON COMMIT DROP;
CREATE TEMP TABLE staged_songs (LIKE songs) ON COMMIT DROP;
CREATE TEMP TABLE staged_users (LIKE users) ON COMMIT DROP;
CREATE TEMP TABLE staged_time (LIKE time) ON COMMIT DROP;
CREATE TEMP TABLE staged_songplays (LIKE songplays) ON COMMIT DROP;
CREATE TEMP TABLE staged_state_users (LIKE state_users) ON COMMIT DROP;
CREATE TEMP TABLE staged_state_artists (LIKE state_artists) ON COMMIT DROP;
CREATE TEMP TABLE staged_state_songs (LIKE state_songs) ON COMMIT DROP;
CREATE TEMP TABLE staged_state_songplays (LIKE state_songplays) ON COMMIT DROP;
CREATE TEMP TABLE staged_source_objects (
    object VARCHAR(4096) COLLATE "C" NOT NULL,
    etag   VARCHAR(256) COLLATE "C" NOT NULL,
    rows   BIGINT NOT NULL
) ON COMMIT DROP;

-- Keys and references that the load takes off, and puts back as they were.
CREATE TEMP TABLE dropped_constraints (
    relation   TEXT NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    definition TEXT NOT NULL
) ON COMMIT DROP;

-- The tables and their rows, if any of them has what may drop or change rows that a load writes, or rows that are
-- there: a trigger, a rule, row security or parts with triggers of their own. A trigger of one table can reach all.
CREATE TEMP TABLE watched ON COMMIT DROP AS
WITH special AS (
    SELECT 1
    FROM pg_class c
    WHERE
        c.oid IN (
            'artists'::regclass, 'songs'::regclass, 'users'::regclass, 'time'::regclass, 'songplays'::regclass,
            'state_users'::regclass, 'state_artists'::regclass, 'state_songs'::regclass,
            'state_songplays'::regclass, 'load_history'::regclass
        )
        AND (
            c.relkind <> 'r'
            OR c.relhassubclass
            OR c.relrowsecurity
            OR EXISTS (
                SELECT FROM pg_trigger t
                -- References are internal.
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
            )
            OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
        )
    LIMIT 1
)

SELECT 'artists' AS name, (SELECT COUNT(*) FROM artists) AS rows FROM special
UNION ALL
SELECT 'songs' AS name, (SELECT COUNT(*) FROM songs) AS rows FROM special
UNION ALL
SELECT 'users' AS name, (SELECT COUNT(*) FROM users) AS rows FROM special
UNION ALL
SELECT 'time' AS name, (SELECT COUNT(*) FROM time) AS rows FROM special
UNION ALL
SELECT 'songplays' AS name, (SELECT COUNT(*) FROM songplays) AS rows FROM special
UNION ALL
SELECT 'state_users' AS name, (SELECT COUNT(*) FROM state_users) AS rows FROM special
UNION ALL
SELECT 'state_artists' AS name, (SELECT COUNT(*) FROM state_artists) AS rows FROM special
UNION ALL
SELECT 'state_songs' AS name, (SELECT COUNT(*) FROM state_songs) AS rows FROM special
UNION ALL
SELECT 'state_songplays' AS name, (SELECT COUNT(*) FROM state_songplays) AS rows FROM special
UNION ALL
SELECT 'load_history' AS name, (SELECT COUNT(*) FROM load_history) AS rows FROM special;
