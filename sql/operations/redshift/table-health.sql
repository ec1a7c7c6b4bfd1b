-- Which tables are skewed, unsorted or have stale statistics?
--
-- table_name        table, with its schema
-- diststyle         distribution style or key
-- rows_stored       rows, including deleted ones that are not vacuumed yet
-- size_mb           blocks of 1 MB
-- percent_of_disk   share of the space of the warehouse
-- skew_rows         rows of the fullest slice, divided by those of the emptiest; null for DISTSTYLE ALL
-- percent_unsorted  rows that are not in the order of the sort key
-- stats_off         0 if the statistics are current, 100 if they are useless
-- deleted_percent   rows that are deleted but not vacuumed
--
-- Normal: skew_rows is below 4, percent_unsorted below 20, stats_off below 10 and deleted_percent below 20. Empty
--   tables are not listed.
-- If not: ANALYZE the table if stats_off is high, and VACUUM it if it is unsorted or has deleted rows: Redshift does
--   both by itself when it is idle, so ask why it never is. A songplays table that is skewed has many plays at one
--   start_time: look for a clock that stands still.
-- Needs: a superuser, or GRANT SELECT ON svv_table_info TO the user
--
-- Usage: psql -v limit=10 -f sql/operations/redshift/table-health.sql

SELECT
    "schema" || '.' || "table" AS table_name,
    diststyle,
    tbl_rows AS rows_stored,
    size AS size_mb,
    CAST(pct_used AS NUMERIC(18, 2)) AS percent_of_disk,
    skew_rows,
    unsorted AS percent_unsorted,
    stats_off,
    CAST(100.0 * (tbl_rows - estimated_visible_rows) / NULLIF(tbl_rows, 0) AS NUMERIC(18, 1)) AS deleted_percent
FROM svv_table_info
ORDER BY
    CASE WHEN skew_rows >= 4 OR unsorted >= 20 OR stats_off >= 10 THEN 0 ELSE 1 END,
    size DESC,
    "schema" || '.' || "table"
LIMIT :limit;
