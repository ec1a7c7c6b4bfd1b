-- Empties the star schema, the merge state and the load history, in the transaction of the load that fills them again.
-- Nothing is lost before it commits. Readers wait.
--
-- Run it between stage.sql and copy.sql.

-- Foreign keys are dropped, because PostgreSQL would search the plays of each deleted row. merge.sql adds them again.
DO $$
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
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ('songplays'::regclass, 'songs'::regclass)
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'a full refresh needs the owner of songplays and songs, with REFERENCES on the other tables';
    END IF;
END $$;

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
