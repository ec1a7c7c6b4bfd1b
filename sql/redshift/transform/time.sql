-- Fills the staged table of time, from the valid records.
--
-- Usage: after the checks, in the order of the command in staging.sql.

\set ON_ERROR_STOP on

-- The times of all deliveries. A week by ISO 8601 is the week of its Thursday: the number of the Thursday in the year
-- tells which one.
INSERT INTO staged_time (start_time, hour, day, week, month, year, weekday)
SELECT
    t.start_time,
    CAST(EXTRACT(hour FROM t.start_time) AS SMALLINT) AS hour,
    CAST(EXTRACT(day FROM t.start_time) AS SMALLINT) AS day,
    CAST((CAST(EXTRACT(doy FROM t.start_time + (3 - MOD(CAST(EXTRACT(dow FROM t.start_time) AS INTEGER) + 6, 7)) * INTERVAL '1 day') AS INTEGER) + 6) / 7 AS SMALLINT) AS week,
    CAST(EXTRACT(month FROM t.start_time) AS SMALLINT) AS month,
    CAST(EXTRACT(year FROM t.start_time) AS SMALLINT) AS year,
    CAST(EXTRACT(dow FROM t.start_time) AS SMALLINT) AS weekday
FROM (
    SELECT DISTINCT v.ts_time AS start_time
    FROM valid_events v
) AS t;
