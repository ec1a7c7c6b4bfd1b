-- Begins a load into PostgreSQL: the transaction, its lock and the staging tables.
--
-- Run all files of a load by one call of psql, because they need one session. The first error ends psql. Without
-- commit.sql nothing is changed: run the command without it first, and read the counts.
--
-- Usage:
-- psql -v run=ID \
--     -f sql/postgres/stage.sql \
--     -c "\copy staged_artists from 'artists.csv' csv" \
--     -c "\copy staged_songs from 'songs.csv' csv" \
--     -c "\copy staged_users from 'users.csv' csv" \
--     -c "\copy staged_time from 'time.csv' csv" \
--     -c "\copy staged_songplays from 'songplays.csv' csv" \
--     -c "\copy staged_state_users from 'state_users.csv' csv" \
--     -c "\copy staged_state_artists from 'state_artists.csv' csv" \
--     -c "\copy staged_state_songs from 'state_songs.csv' csv" \
--     -c "\copy staged_state_songplays from 'state_songplays.csv' csv" \
--     -c "\copy staged_source_objects from 'source_objects.csv' csv" \
--     -f sql/postgres/count.sql \
--     -f sql/postgres/merge.sql \
--     -f sql/postgres/verify.sql \
--     -f sql/postgres/commit.sql
--
-- ID is the id of the run that wrote the rows, which its report has under run. For rows that are from no run it is any
-- text of at most 64 bytes that load_history does not have yet.
--
-- Each CSV file has the columns of its staging table, in their order, without a header. Null is an empty field without
-- quotes. Another source that \copy can read does as well.
--
-- For a full refresh, add -f sql/postgres/refresh.sql after stage.sql.

\set ON_ERROR_STOP on

BEGIN;

-- Only one load runs at a time, and the others wait here. Readers do not wait.
LOCK TABLE load_history IN SHARE ROW EXCLUSIVE MODE;

-- JIT compilation of the statements would take longer than their execution.
SET LOCAL jit = off;

-- The rows that a batch meets are found by indexes, so that a load does not become slower as the tables grow.
SET LOCAL random_page_cost = 1.1;

-- The staging tables have the columns of the Parquet files, in the same order.
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
    kind             VARCHAR(16) COLLATE "C" NOT NULL,
    object           VARCHAR(4096) COLLATE "C" NOT NULL,
    etag             VARCHAR(256) COLLATE "C" NOT NULL,
    rows             BIGINT NOT NULL,
    rejected_records BIGINT,
    rejected_bytes   BIGINT
) ON COMMIT DROP;

-- Primary and foreign keys that the load drops, and adds again unchanged, with their comments.
CREATE TEMP TABLE dropped_constraints (
    relation      TEXT NOT NULL,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    definition    TEXT NOT NULL,
    comment       TEXT,
    index_comment TEXT
) ON COMMIT DROP;

-- Drops the keys that the user is allowed to add again. Only the owner of a table can drop constraints; the load of
-- another user checks row by row. The function is dropped before the load commits, because another user of the same
-- session could not replace it.
CREATE FUNCTION pg_temp.drop_constraints() RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    key RECORD;
BEGIN
    FOR key IN
        SELECT
            c.conrelid::regclass AS relation, c.conname AS name, c.contype AS kind,
            pg_get_constraintdef(c.oid) AS definition,
            obj_description(c.oid, 'pg_constraint') AS comment,
            -- A foreign key has the index of the other table here.
            CASE WHEN c.contype = 'p' THEN obj_description(c.conindid, 'pg_class') END AS index_comment
        FROM pg_constraint c
        JOIN pg_class r ON r.oid = c.conrelid
        JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE pg_has_role(r.relowner, 'USAGE')
            AND c.coninhcount = 0
            AND (
                -- The user must be allowed to add the constraint again.
                (
                    c.contype = 'f'
                    AND c.conrelid IN ('songplays'::regclass, 'songs'::regclass)
                    AND has_table_privilege(c.confrelid, 'REFERENCES')
                )
                OR (
                    c.contype = 'p'
                    AND c.conrelid IN ('songplays'::regclass, 'time'::regclass)
                    AND r.relkind = 'r'
                    AND has_schema_privilege(n.oid, 'CREATE')
                    -- Logical replication identifies rows by the primary key.
                    AND NOT EXISTS (
                        SELECT FROM pg_publication_tables p
                        WHERE p.schemaname = n.nspname AND p.tablename = r.relname
                    )
                    -- The definition of a constraint does not include the settings of its index.
                    AND NOT EXISTS (
                        SELECT FROM pg_index i
                        JOIN pg_class x ON x.oid = i.indexrelid
                        WHERE i.indexrelid = c.conindid
                            AND (i.indisclustered OR i.indisreplident OR x.reloptions IS NOT NULL OR x.reltablespace <> 0)
                    )
                )
            )
        ORDER BY c.contype
    LOOP
        BEGIN
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', key.relation, key.name);
            INSERT INTO dropped_constraints (relation, name, kind, definition, comment, index_comment)
            VALUES (key.relation::TEXT, key.name, key.kind, key.definition, key.comment, key.index_comment);
        EXCEPTION
            -- Another table or view depends on the constraint, so it stays.
            WHEN dependent_objects_still_exist OR object_in_use THEN NULL;
        END;
    END LOOP;
END $$;

-- All tables with their row counts, if any table has side effects that may drop or change rows: a trigger, a rule, row
-- security, or partitions with triggers of their own. A trigger of one table can change all tables, so either all
-- tables are listed or none.
CREATE TEMP TABLE tables_with_side_effects ON COMMIT DROP AS
WITH has_side_effects AS (
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
                -- Foreign keys are implemented by internal triggers.
                WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D'
            )
            OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)
        )
    LIMIT 1
)

SELECT 'artists' AS name, (SELECT COUNT(*) FROM artists) AS rows FROM has_side_effects
UNION ALL
SELECT 'songs' AS name, (SELECT COUNT(*) FROM songs) AS rows FROM has_side_effects
UNION ALL
SELECT 'users' AS name, (SELECT COUNT(*) FROM users) AS rows FROM has_side_effects
UNION ALL
SELECT 'time' AS name, (SELECT COUNT(*) FROM time) AS rows FROM has_side_effects
UNION ALL
SELECT 'songplays' AS name, (SELECT COUNT(*) FROM songplays) AS rows FROM has_side_effects
UNION ALL
SELECT 'state_users' AS name, (SELECT COUNT(*) FROM state_users) AS rows FROM has_side_effects
UNION ALL
SELECT 'state_artists' AS name, (SELECT COUNT(*) FROM state_artists) AS rows FROM has_side_effects
UNION ALL
SELECT 'state_songs' AS name, (SELECT COUNT(*) FROM state_songs) AS rows FROM has_side_effects
UNION ALL
SELECT 'state_songplays' AS name, (SELECT COUNT(*) FROM state_songplays) AS rows FROM has_side_effects
UNION ALL
SELECT 'load_history' AS name, (SELECT COUNT(*) FROM load_history) AS rows FROM has_side_effects;
