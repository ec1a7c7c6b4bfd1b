-- Empties the star and its ledger, in the transaction of the load that fills them again: until it commits,
-- nothing is gone. Whoever reads waits.
--
-- By hand: between stage.sql and copy.sql.

-- References are taken off, or the plays of each row that goes would be looked for. merge.sql puts them back.
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
                -- What is taken off must be possible to put back.
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
                    -- What is replicated is told from others by its key.
                    AND NOT EXISTS (
                        SELECT FROM pg_publication_tables p
                        WHERE p.schemaname = n.nspname AND p.tablename = r.relname
                    )
                    -- A definition does not say where and how an index is kept.
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
            -- Somebody else's table or view needs it: it stays.
            WHEN dependent_objects_still_exist OR object_in_use THEN NULL;
        END;
    END LOOP;
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ('songplays'::regclass, 'songs'::regclass)
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'only who owns songplays and songs, and may refer to the other tables, can empty the star';
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
