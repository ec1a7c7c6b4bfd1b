//! Drops constraints in PostgreSQL during a load of many rows, and adds them again. Redshift does not enforce any.

use crate::model::{Model, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements that create what the others of this file need: a table of the dropped constraints, and the
/// function that drops them.
pub(super) fn constraint_statements(model: &Model) -> [Statement; 2] {
    let table = Statement::new(
        Effect::Temporary,
        "CREATE TEMP TABLE dropped_constraints (
    relation      TEXT NOT NULL,
    name          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    definition    TEXT NOT NULL,
    comment       TEXT,
    index_comment TEXT
) ON COMMIT DROP",
    );
    [
        table.with_comment(
            "Primary and foreign keys that the load drops, and adds again unchanged, with their comments.",
        ),
        drop_function(model),
    ]
}

fn drop_function(model: &Model) -> Statement {
    let referring = class_list(referring_tables(model));
    let large = class_list(large_tables(model));
    let sql = format!(
        "CREATE FUNCTION pg_temp.drop_constraints() RETURNS VOID LANGUAGE plpgsql AS $$
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
                    AND c.conrelid IN ({referring})
                    AND has_table_privilege(c.confrelid, 'REFERENCES')
                )
                OR (
                    c.contype = 'p'
                    AND c.conrelid IN ({large})
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
END $$"
    );
    Statement::new(Effect::Temporary, sql).with_comment(
        "Drops the keys that the user is allowed to add again. Only the owner of a table can drop constraints; the load of \
         another user checks row by row. The function is dropped before the load commits, because another user of the same \
         session could not replace it.",
    )
}

/// Returns the statements of a merge after one that drops the constraints, and before those that add them again and drop
/// the function.
pub(crate) fn with_constraints_dropped(
    model: &Model,
    dialect: Dialect,
    merge: Vec<Statement>,
) -> Vec<Statement> {
    match dialect {
        Dialect::Redshift => merge,
        Dialect::Postgres => {
            let mut statements = vec![drop_constraints_if_empty(model)];
            statements.extend(merge);
            statements.extend(add_constraints());
            statements.push(remove_drop_function());
            statements
        }
    }
}

/// Returns the statement that drops the constraints if the fact table is empty.
fn drop_constraints_if_empty(model: &Model) -> Statement {
    let fact = model.fact().0.name;
    let sql = format!(
        "DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM {fact}) THEN
        PERFORM pg_temp.drop_constraints();
    END IF;
END $$"
    );
    let comment = format!(
        "If {fact} is empty, primary keys are built and foreign keys are checked once at the end and not row by row, which \
         takes a fraction of the time. Readers wait in the meantime."
    );
    drop_constraints(sql).with_comment(comment)
}

/// Returns the statement that drops the constraints before all rows are deleted, and fails if a foreign key remains.
pub(super) fn drop_constraints_before_delete(model: &Model) -> Statement {
    let referring = class_list(referring_tables(model));
    let needed = full_refresh_ownership(model);
    let sql = format!(
        "DO $$
BEGIN
    PERFORM pg_temp.drop_constraints();
    IF EXISTS (
        SELECT FROM pg_constraint
        WHERE contype = 'f' AND conrelid IN ({referring})
    ) THEN
        RAISE insufficient_privilege USING
            MESSAGE = '{needed}';
    END IF;
END $$"
    );
    let fact = model.fact().0.name;
    let comment = format!(
        "Foreign keys are dropped, because PostgreSQL would search {fact} for each deleted row. merge.sql adds them again."
    );
    drop_constraints(sql).with_comment(comment)
}

/// Returns what a full refresh needs in PostgreSQL, as a sentence.
pub(crate) fn full_refresh_ownership(model: &Model) -> String {
    let names: Vec<_> = referring_tables(model).map(|table| table.name).collect();
    let owned = names.join(" and ");
    format!("a full refresh needs the owner of {owned}, with REFERENCES on the other tables")
}

/// Returns the query that counts the foreign keys which the user may not drop and add again. A table may be missing.
pub(crate) fn foreign_keys_of_others_query(model: &Model) -> String {
    let tables = referring_tables(model).map(|table| format!("to_regclass('{}')", table.name));
    let tables: Vec<_> = tables.collect();
    format!(
        "SELECT COUNT(*)
FROM pg_constraint c
JOIN pg_class r ON r.oid = c.conrelid
WHERE c.contype = 'f'
    AND c.conrelid IN ({})
    AND NOT (pg_has_role(r.relowner, 'USAGE') AND has_table_privilege(c.confrelid, 'REFERENCES'))",
        tables.join(", ")
    )
}

/// Dropping a constraint needs an exclusive lock.
fn drop_constraints(sql: String) -> Statement {
    Statement::new(Effect::DropConstraints, sql).blocking()
}

/// Returns the statements that check all constraints and add those again that the load has dropped.
fn add_constraints() -> [Statement; 2] {
    let check = Statement::new(Effect::Constraints, "SET CONSTRAINTS ALL IMMEDIATE")
        .with_comment("Check the deferred foreign keys now, when all rows are inserted.");
    let add = Statement::new(
        Effect::Constraints,
        "DO $$
DECLARE
    key RECORD;
BEGIN
    -- The index of a dropped key was in the default tablespace of the database.
    SET LOCAL default_tablespace = '';
    -- Primary keys come before the foreign keys that refer to them.
    FOR key IN SELECT * FROM dropped_constraints ORDER BY kind DESC, name LOOP
        EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', key.relation, key.name, key.definition);
        IF key.comment IS NOT NULL THEN
            EXECUTE format('COMMENT ON CONSTRAINT %I ON %s IS %L', key.name, key.relation, key.comment);
        END IF;
        IF key.index_comment IS NOT NULL THEN
            EXECUTE format(
                'COMMENT ON INDEX %s IS %L',
                (
                    SELECT c.conindid::regclass FROM pg_constraint c
                    WHERE c.conrelid = key.relation::regclass AND c.conname = key.name
                ),
                key.index_comment
            );
        END IF;
    END LOOP;
END $$",
    )
    .with_comment("Add the constraints again that were dropped above or by refresh.sql.");
    [check, add]
}

/// Returns the statement that drops the function of this file.
fn remove_drop_function() -> Statement {
    Statement::new(
        Effect::Temporary,
        "DROP FUNCTION pg_temp.drop_constraints()",
    )
}

/// Returns the tables with foreign keys.
fn referring_tables(model: &Model) -> impl Iterator<Item = &'static TableSchema> {
    let tables = model.star.iter().copied();
    tables.filter(|table| !table.references.is_empty())
}

/// Returns the tables whose primary keys take long to maintain row by row.
fn large_tables(model: &Model) -> impl Iterator<Item = &'static TableSchema> {
    [model.fact().0].into_iter().chain(model.calendars())
}

fn class_list(tables: impl Iterator<Item = &'static TableSchema>) -> String {
    let classes: Vec<_> = tables
        .map(|table| format!("'{}'::regclass", table.name))
        .collect();
    classes.join(", ")
}
