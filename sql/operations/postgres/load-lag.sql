-- How old are the newest load and the newest event?
--
-- run              the newest load
-- loaded_at        when it was committed, in UTC
-- load_age_hours   hours since then
-- newest_event     time of the newest play, in UTC
-- event_lag_hours  hours since then
--
-- Normal: load_age_hours is less than 26 for a job that runs every night, and event_lag_hours less than 48. After a
--   night without new objects the load is older, because such a run loads nothing.
-- If not: look at the log of the scheduler. If the load is old, run the job by hand and read its message. If only the
--   event is old, nothing new arrives in the bucket or folder of the logs: ask those who write them.
-- Needs: SELECT on load_history and songplays
--
-- Usage: psql -f sql/operations/postgres/load-lag.sql

SELECT
    l.run,
    l.loaded_at,
    CAST(
        (EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) - EXTRACT(EPOCH FROM l.loaded_at)) / 3600.0
        AS NUMERIC(18, 1)
    ) AS load_age_hours,
    p.newest_event,
    CAST(
        (EXTRACT(EPOCH FROM CURRENT_TIMESTAMP) - EXTRACT(EPOCH FROM p.newest_event)) / 3600.0
        AS NUMERIC(18, 1)
    ) AS event_lag_hours
FROM (
    SELECT
        run,
        MAX(loaded_at) AS loaded_at
    FROM load_history
    GROUP BY run
    ORDER BY MAX(loaded_at) DESC, run DESC
    LIMIT 1
) AS l
CROSS JOIN (SELECT MAX(start_time) AS newest_event FROM songplays) AS p;
