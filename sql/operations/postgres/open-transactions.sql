-- Which transactions are open, and which of them wait for a lock?
--
-- pid               process of the session, for pg_terminate_backend
-- usename           its user
-- application_name  its program, such as sparkify
-- minutes           how long the transaction has been open
-- state             active, or idle in transaction
-- waits_for         kind and name of what it waits for; null if it does not wait
-- blocked_by        processes that hold the lock for which it waits
-- query             its last statement, up to 60 characters
--
-- Normal: blocked_by is empty, and minutes is below 60. A load that runs is one of the rows: it locks load_history
--   for as long as it runs.
-- If not: ask the owner of the process in blocked_by to end it, or end it by SELECT pg_terminate_backend(pid). A
--   session that is idle in transaction keeps VACUUM from removing rows: set idle_in_transaction_session_timeout.
-- Needs: nothing for sessions of the same user; pg_read_all_stats for those of others
--
-- Usage: psql -v limit=10 -f sql/operations/postgres/open-transactions.sql

SELECT
    pid,
    usename,
    application_name,
    CAST(EXTRACT(EPOCH FROM CURRENT_TIMESTAMP - xact_start) / 60.0 AS NUMERIC(18, 1)) AS minutes,
    state,
    wait_event_type || ': ' || wait_event AS waits_for,
    ARRAY_TO_STRING(PG_BLOCKING_PIDS(pid), ' ') AS blocked_by,
    LEFT(REGEXP_REPLACE(query, '\s+', ' ', 'g'), 60) AS query
FROM pg_stat_activity
WHERE datname = CURRENT_DATABASE() AND xact_start IS NOT NULL AND pid <> PG_BACKEND_PID()
ORDER BY xact_start, pid
LIMIT :limit;
