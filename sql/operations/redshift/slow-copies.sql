-- Which COPYs of the last seven days took longest?
--
-- start_time     when the COPY began, in UTC
-- query_id       its id
-- status         running, completed or aborted
-- table_name     table that it filled
-- files          files that it read
-- mb             MB of these files
-- rows_loaded    rows that it loaded
-- seconds        how long it took, or has taken so far
-- mb_per_second  its speed; null if no time was measured
-- times_median   seconds, divided by the median of the completed COPYs of the same table
--
-- Normal: times_median is below 3. Small files are slow per MB, because each COPY takes about a second to begin.
-- If not: see queue-waits, whether it waited for other queries, and open-transactions, whether it waited for a lock.
--   If only the files have grown, more slices read them faster: a larger cluster, or more RPUs. Many small files are
--   merged by a run over more of the input.
-- Needs: nothing; a superuser sees the COPYs of all users, others see their own. SYS views exist in clusters and in
--   Serverless
--
-- Usage: psql -v limit=10 -f sql/operations/redshift/slow-copies.sql

WITH copies AS (
    SELECT
        start_time,
        query_id,
        TRIM(status) AS status,
        TRIM(table_name) AS table_name,
        source_file_count AS files,
        source_file_bytes AS bytes,
        loaded_rows,
        duration / 1000000.0 AS seconds
    FROM sys_load_history
    WHERE EXTRACT(EPOCH FROM start_time) > EXTRACT(EPOCH FROM GETDATE()) - 7 * 86400
),

medians AS (
    SELECT
        table_name,
        PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY seconds) AS seconds
    FROM copies
    WHERE status = 'completed'
    GROUP BY table_name
)

SELECT
    c.start_time,
    c.query_id,
    c.status,
    c.table_name,
    c.files,
    CAST(c.bytes / 1000000.0 AS NUMERIC(18, 1)) AS mb,
    c.loaded_rows AS rows_loaded,
    CAST(c.seconds AS NUMERIC(18, 1)) AS seconds,
    CAST(c.bytes / 1000000.0 / NULLIF(c.seconds, 0) AS NUMERIC(18, 1)) AS mb_per_second,
    CAST(c.seconds / NULLIF(m.seconds, 0) AS NUMERIC(18, 1)) AS times_median
FROM copies c
LEFT JOIN medians m ON m.table_name = c.table_name
ORDER BY c.seconds DESC, c.query_id DESC
LIMIT :limit;
