-- Which transactions are open, and which of them wait for a lock?
--
-- pid                process of the session, for pg_terminate_backend
-- txn_owner          its user
-- txn_start          when the transaction began, in UTC
-- minutes            how long it has been open
-- locks              locks on tables that it holds
-- waits              locks that it waits for
-- table_waited_for   id of a table that it waits for; null if it does not wait
--
-- Normal: waits is 0, and minutes is below 60. A load that runs is one of the rows: it locks load_history for as long
--   as it runs.
-- If not: the transaction that blocks is an older one that holds locks. Ask its owner to end it, or end it by SELECT
--   pg_terminate_backend(pid). A session that is idle in a transaction also keeps VACUUM from removing rows.
-- Needs: nothing; all users see all rows
--
-- Usage: psql -v limit=10 -f sql/operations/redshift/open-transactions.sql

SELECT
    pid,
    TRIM(txn_owner) AS txn_owner,
    txn_start,
    CAST((EXTRACT(EPOCH FROM GETDATE()) - EXTRACT(EPOCH FROM txn_start)) / 60.0 AS NUMERIC(18, 1)) AS minutes,
    SUM(CASE WHEN granted AND lockable_object_type = 'relation' THEN 1 ELSE 0 END) AS locks,
    SUM(CASE WHEN NOT granted THEN 1 ELSE 0 END) AS waits,
    MIN(CASE WHEN NOT granted THEN relation END) AS table_waited_for
FROM svv_transactions
GROUP BY pid, TRIM(txn_owner), txn_start
ORDER BY txn_start, pid
LIMIT :limit;
