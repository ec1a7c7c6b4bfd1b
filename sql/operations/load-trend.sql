-- How do the last loads compare with each other?
--
-- run                  a load
-- loaded_at            when it was committed, in UTC
-- objects              song and log objects
-- events               valid events, repeated deliveries included
-- rejected             rejected records
-- seconds              duration of the transaction; null where an older version did not record it
-- times_median         seconds, divided by the median of these loads
-- events_times_median  events, divided by their median
--
-- Normal: times_median is below 3, and rejected is near 0. events differ as the days do.
-- If not: a load that is slow with the usual events has waited for another session or for a busy warehouse: see open-
--   transactions, and in Redshift slow-copies and queue-waits. For rejects see sparkify rejects. Few events mean that
--   objects arrive late or not at all.
-- Needs: SELECT on load_history
--
-- Usage: psql -v limit=10 -f sql/operations/load-trend.sql

WITH loads AS (
    SELECT
        run,
        MAX(loaded_at) AS loaded_at,
        COUNT(*) AS objects,
        COALESCE(SUM(CASE WHEN kind = 'log' THEN rows END), 0) AS events,
        SUM(rejected_records) AS rejected,
        MAX(load_seconds) AS seconds
    FROM load_history
    GROUP BY run
    ORDER BY MAX(loaded_at) DESC, run DESC
    LIMIT :limit
),

median_seconds AS (
    SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY seconds) AS value FROM loads
),

median_events AS (
    SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY events) AS value FROM loads
)

SELECT
    l.run,
    l.loaded_at,
    l.objects,
    l.events,
    l.rejected,
    CAST(l.seconds AS NUMERIC(18, 1)) AS seconds,
    CAST(l.seconds / NULLIF(s.value, 0) AS NUMERIC(18, 1)) AS times_median,
    CAST(l.events / NULLIF(e.value, 0) AS NUMERIC(18, 1)) AS events_times_median
FROM loads l
CROSS JOIN median_seconds s
CROSS JOIN median_events e
ORDER BY l.loaded_at DESC, l.run DESC;
