-- Begins a load into PostgreSQL: the transaction, its lock and the staging tables.
--
-- Run everything in one session: this file, then \copy from any source that has the columns of a staging table, then
-- merge.sql.
--
-- Usage: psql -v run=ID -f sql/postgres/stage.sql -c "\copy staged_users from 'users.csv' csv" ...
-- -f sql/postgres/merge.sql

BEGIN;

-- Only one load runs at a time, and the others wait here. Readers do not wait.
LOCK TABLE load_history IN SHARE ROW EXCLUSIVE MODE;

-- JIT compilation of the statements would take longer than their execution.
SET LOCAL jit = off;

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
    object VARCHAR(4096) COLLATE "C" NOT NULL,
    etag   VARCHAR(256) COLLATE "C" NOT NULL,
    rows   BIGINT NOT NULL
) ON COMMIT DROP;

-- Primary and foreign keys that the load drops, and adds again unchanged.
CREATE TEMP TABLE dropped_constraints (
    relation   TEXT NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    definition TEXT NOT NULL
) ON COMMIT DROP;

-- Drops the keys that the user is allowed to add again. Only the owner of a table can drop constraints; the load of
-- another user checks row by row. The function ends with the session.
CREATE OR REPLACE FUNCTION pg_temp.drop_constraints() RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    key RECORD;
BEGIN
    FOR key IN
        SELECT
            c.conrelid::regclass AS relation, c.conname AS name, c.contype AS kind,
            pg_get_constraintdef(c.oid) AS definition
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
                    -- The definition of a constraint does not include the storage settings of its index.
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
            INSERT INTO dropped_constraints (relation, name, kind, definition)
            VALUES (key.relation::TEXT, key.name, key.kind, key.definition);
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
