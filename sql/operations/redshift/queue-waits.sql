-- How long did queries wait before they ran, hour by hour?
--
-- hour                   start of the hour, in UTC
-- queries                queries that began in it
-- failed                 those that failed or were canceled
-- queue_seconds          seconds that they waited in queues altogether
-- longest_queue_seconds  the longest wait
-- run_seconds            seconds that they ran altogether
--
-- Normal: longest_queue_seconds is below 10, and below 60 on a Serverless workgroup that was idle before.
-- If not: move the load to a quieter hour, turn on concurrency scaling or give the user of the loads a queue of its
--   own; on Serverless raise the base capacity or the maximum. The hours are those with the most run_seconds.
-- Needs: nothing; a superuser sees the queries of all users, others see their own. SYS views exist in clusters and in
--   Serverless
--
-- Usage: psql -v limit=10 -f sql/operations/redshift/queue-waits.sql

SELECT
    DATE_TRUNC('hour', start_time) AS hour,
    COUNT(*) AS queries,
    SUM(CASE WHEN TRIM(status) IN ('failed', 'canceled') THEN 1 ELSE 0 END) AS failed,
    CAST(SUM(queue_time) / 1000000.0 AS NUMERIC(18, 1)) AS queue_seconds,
    CAST(MAX(queue_time) / 1000000.0 AS NUMERIC(18, 1)) AS longest_queue_seconds,
    CAST(SUM(execution_time) / 1000000.0 AS NUMERIC(18, 1)) AS run_seconds
FROM sys_query_history
WHERE EXTRACT(EPOCH FROM start_time) > EXTRACT(EPOCH FROM GETDATE()) - 7 * 86400
GROUP BY DATE_TRUNC('hour', start_time)
ORDER BY MAX(queue_time) DESC, DATE_TRUNC('hour', start_time) DESC
LIMIT :limit;
