-- How many RPU-hours and how much storage does Serverless charge, day by day?
--
-- day           day in UTC; Serverless keeps seven
-- rpu_hours     RPU-hours that are charged
-- minutes_used  minutes with a charge
-- highest_rpus  the largest capacity in use
-- storage_gb    the largest storage of the day
--
-- Normal: rpu_hours is about the same each day. Multiply it by the price of an RPU-hour in your region, and
--   storage_gb by that of managed storage.
-- If not: queue-waits shows the busy hours, and SYS_QUERY_HISTORY the queries in them. A query that asks every minute
--   keeps the workgroup awake, and 60 seconds are charged at least: ask less often. A usage limit of the workgroup
--   stops it.
-- Needs: a superuser, such as the admin of the namespace. In a cluster the view has no rows: it is paid by the hour
--
-- Usage: psql -f sql/operations/redshift/serverless-usage.sql

SELECT
    DATE_TRUNC('day', start_time) AS day,
    CAST(SUM(charged_seconds) / 3600.0 AS NUMERIC(18, 2)) AS rpu_hours,
    SUM(CASE WHEN charged_seconds > 0 THEN 1 ELSE 0 END) AS minutes_used,
    MAX(compute_capacity) AS highest_rpus,
    CAST(MAX(data_storage) / 1000.0 AS NUMERIC(18, 1)) AS storage_gb
FROM sys_serverless_usage
GROUP BY DATE_TRUNC('day', start_time)
ORDER BY DATE_TRUNC('day', start_time) DESC;
