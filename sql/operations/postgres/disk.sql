-- How much disk space do the tables and their indexes take?
--
-- table_name           table, with its schema
-- total_mb             table, indexes and long values together
-- table_mb             the table alone
-- index_mb             its indexes
-- percent_of_database  share of the size of this database
-- database_mb          size of this database
--
-- Normal: songplays and state_songplays are the largest, and grow in proportion to the events. index_mb is below
--   table_mb for songplays.
-- If not: if a table grows without new rows, it is bloated: see table-health. The free space of the disk is not known
--   to the database: df on the server, or the console of the provider. A load needs free space for its staging
--   tables, about the size of the dataset, and for the WAL.
-- Needs: nothing
--
-- Usage: psql -v limit=10 -f sql/operations/postgres/disk.sql

SELECT
    n.nspname || '.' || c.relname AS table_name,
    CAST(PG_TOTAL_RELATION_SIZE(c.oid) / 1000000.0 AS NUMERIC(18, 1)) AS total_mb,
    CAST(PG_RELATION_SIZE(c.oid) / 1000000.0 AS NUMERIC(18, 1)) AS table_mb,
    CAST(PG_INDEXES_SIZE(c.oid) / 1000000.0 AS NUMERIC(18, 1)) AS index_mb,
    CAST(100.0 * PG_TOTAL_RELATION_SIZE(c.oid) / PG_DATABASE_SIZE(CURRENT_DATABASE()) AS NUMERIC(18, 1))
        AS percent_of_database,
    CAST(PG_DATABASE_SIZE(CURRENT_DATABASE()) / 1000000.0 AS NUMERIC(18, 1)) AS database_mb
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY PG_TOTAL_RELATION_SIZE(c.oid) DESC, n.nspname || '.' || c.relname
LIMIT :limit;
