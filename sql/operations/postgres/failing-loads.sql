-- How many transactions of this database were rolled back?
--
-- commits           transactions that were committed
-- rollbacks         transactions that were rolled back, by errors or on purpose
-- rollback_percent  share of the rollbacks
-- deadlocks         deadlocks that the server has resolved
-- temp_mb           MB that queries wrote to temporary files
-- counted_since     since when; null if it was never reset
--
-- Normal: deadlocks is 0, and rollback_percent does not rise from day to day. All programs of the database are
--   counted.
-- If not: PostgreSQL keeps no list of failed statements: the log of the server has them, and so has the message of
--   sparkify. sparkify history lists the loads that succeeded. If temp_mb grows with each load, raise work_mem for
--   the user of the loads.
-- Needs: nothing
--
-- Usage: psql -f sql/operations/postgres/failing-loads.sql

SELECT
    xact_commit AS commits,
    xact_rollback AS rollbacks,
    CAST(100.0 * xact_rollback / NULLIF(xact_commit + xact_rollback, 0) AS NUMERIC(18, 1)) AS rollback_percent,
    deadlocks,
    CAST(temp_bytes / 1000000.0 AS NUMERIC(18, 1)) AS temp_mb,
    CAST(stats_reset AT TIME ZONE 'UTC' AS TIMESTAMP) AS counted_since
FROM pg_stat_database
WHERE datname = current_database();
