-- Which tables have many dead rows or stale statistics?
--
-- table_name    table, with its schema
-- live_rows     rows, as estimated
-- dead_rows     rows that were deleted or replaced and not vacuumed yet
-- dead_percent  their share
-- changed_rows  rows that have changed since the last ANALYZE
-- last_vacuum   last VACUUM, by hand or automatic, in UTC
-- last_analyze  last ANALYZE, by hand or automatic, in UTC
--
-- Normal: dead_percent is below 20, and last_analyze is not older than the last large load. Tables of a few hundred
--   rows may wait for long.
-- If not: VACUUM (ANALYZE) the table. If autovacuum never comes, it is off, too slow for the loads, or held back by
--   an old transaction: see open-transactions. Space that was bloated before is given back only by VACUUM FULL, which
--   locks the table.
-- Needs: nothing
--
-- Usage: psql -v limit=10 -f sql/operations/postgres/table-health.sql

SELECT
    schemaname || '.' || relname AS table_name,
    n_live_tup AS live_rows,
    n_dead_tup AS dead_rows,
    CAST(100.0 * n_dead_tup / NULLIF(n_live_tup + n_dead_tup, 0) AS NUMERIC(18, 1)) AS dead_percent,
    n_mod_since_analyze AS changed_rows,
    CAST(GREATEST(last_vacuum, last_autovacuum) AT TIME ZONE 'UTC' AS TIMESTAMP(0)) AS last_vacuum,
    CAST(GREATEST(last_analyze, last_autoanalyze) AT TIME ZONE 'UTC' AS TIMESTAMP(0)) AS last_analyze
FROM pg_stat_user_tables
ORDER BY n_dead_tup DESC, schemaname || '.' || relname
LIMIT :limit;
