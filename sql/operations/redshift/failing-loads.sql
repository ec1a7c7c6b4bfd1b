-- Which COPYs of the last seven days failed, and why?
--
-- start_time     when the COPY began, in UTC
-- query_id       its id, for load-errors and for the system views
-- table_name     table that it filled
-- data_source    what it read
-- seconds        how long it took
-- errors         records that it could not load
-- error_message  why it failed
--
-- Normal: no rows.
-- If not: COPY of a dataset fails as a whole: see load-errors for the file and the column. A message about S3 is
--   about the role or the bucket; sparkify load can be repeated, because a load that failed changed nothing.
-- Needs: nothing; a superuser sees the COPYs of all users, others see their own. SYS views exist in clusters and in
--   Serverless
--
-- Usage: psql -v limit=10 -f sql/operations/redshift/failing-loads.sql

SELECT
    c.start_time,
    c.query_id,
    TRIM(c.table_name) AS table_name,
    TRIM(c.data_source) AS data_source,
    CAST(c.duration / 1000000.0 AS NUMERIC(18, 1)) AS seconds,
    c.error_count AS errors,
    TRIM(q.error_message) AS error_message
FROM sys_load_history c
LEFT JOIN sys_query_history q ON q.query_id = c.query_id
WHERE c.status = 'aborted' AND EXTRACT(EPOCH FROM c.start_time) > EXTRACT(EPOCH FROM GETDATE()) - 7 * 86400
ORDER BY c.start_time DESC, c.query_id DESC
LIMIT :limit;
