-- Which errors did COPYs of the last seven days report?
--
-- error_code     number of the error
-- error_message  what was wrong
-- column_name    column with the value; empty if it is not about one
-- errors         records
-- copies         COPYs in which it occurred
-- first_time     the first of these COPYs, in UTC
-- last_time      the last one
-- example_file   one of the files
-- example_line   a line of one of the files
--
-- Normal: no rows; with --engine redshift, the few records that are rejected each night.
-- If not: a dataset that sparkify wrote has no such error: if its files have one, they were changed or truncated, so
--   run sparkify check. Raw JSON is corrected at its source, or by sparkify replay.
-- Needs: nothing; a superuser sees the COPYs of all users, others see their own. A cluster has the text of the record
--   in STL_LOAD_ERRORS, which Serverless does not have
--
-- Usage: psql -v limit=10 -f sql/operations/redshift/load-errors.sql

SELECT
    error_code,
    TRIM(error_message) AS error_message,
    TRIM(column_name) AS column_name,
    COUNT(*) AS errors,
    COUNT(DISTINCT query_id) AS copies,
    MIN(start_time) AS first_time,
    MAX(start_time) AS last_time,
    MIN(TRIM(file_name)) AS example_file,
    MIN(line_number) AS example_line
FROM sys_load_error_detail
WHERE EXTRACT(EPOCH FROM start_time) > EXTRACT(EPOCH FROM GETDATE()) - 7 * 86400
GROUP BY error_code, TRIM(error_message), TRIM(column_name)
ORDER BY COUNT(*) DESC, error_code, TRIM(error_message), TRIM(column_name)
LIMIT :limit;
