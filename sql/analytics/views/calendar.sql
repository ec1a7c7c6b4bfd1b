-- The days from the first to the last play, without gaps.
--
-- date          the day, in UTC
-- year          the year
-- iso_year      the year of the ISO week, which differs from the year in the days around January 1
-- iso_week      the ISO week, 1 to 53, which begins on Monday; week 1 is the one with the first Thursday of the year
-- quarter       the quarter, 1 to 4
-- month         the month, 1 to 12
-- month_name    its name, such as January
-- day           the day of the month, 1 to 31
-- weekday       the day of the week, 0 (Sunday) to 6, as in time
-- weekday_name  its name, such as Sunday
-- is_weekend    whether it is a Saturday or a Sunday
--
-- A LEFT JOIN from it counts days without plays as 0. It is empty if there are no plays.

CREATE OR REPLACE VIEW calendar AS
WITH digits AS (
    SELECT 0 AS digit
    UNION ALL SELECT 1
    UNION ALL SELECT 2
    UNION ALL SELECT 3
    UNION ALL SELECT 4
    UNION ALL SELECT 5
    UNION ALL SELECT 6
    UNION ALL SELECT 7
    UNION ALL SELECT 8
    UNION ALL SELECT 9
),
bounds AS (
    SELECT
        CAST(MIN(start_time) AS DATE) AS first_day,
        CAST(MAX(start_time) AS DATE) - CAST(MIN(start_time) AS DATE) AS last_number
    FROM songplays
),
-- Plays are in the years 1 to 9999, which have less than 4 million days. Redshift has no generate_series beside tables.
days AS (
    SELECT b.first_day + (
        1000000 * d6.digit + 100000 * d5.digit + 10000 * d4.digit + 1000 * d3.digit
        + 100 * d2.digit + 10 * d1.digit + d0.digit
    ) AS day
    FROM bounds b
    JOIN digits d6 ON 1000000 * d6.digit <= b.last_number
    JOIN digits d5 ON 1000000 * d6.digit + 100000 * d5.digit <= b.last_number
    JOIN digits d4 ON 1000000 * d6.digit + 100000 * d5.digit + 10000 * d4.digit <= b.last_number
    JOIN digits d3
        ON 1000000 * d6.digit + 100000 * d5.digit + 10000 * d4.digit + 1000 * d3.digit <= b.last_number
    JOIN digits d2
        ON 1000000 * d6.digit + 100000 * d5.digit + 10000 * d4.digit + 1000 * d3.digit
        + 100 * d2.digit <= b.last_number
    JOIN digits d1
        ON 1000000 * d6.digit + 100000 * d5.digit + 10000 * d4.digit + 1000 * d3.digit
        + 100 * d2.digit + 10 * d1.digit <= b.last_number
    JOIN digits d0
        ON 1000000 * d6.digit + 100000 * d5.digit + 10000 * d4.digit + 1000 * d3.digit
        + 100 * d2.digit + 10 * d1.digit + d0.digit <= b.last_number
),
weekdays AS (
    SELECT
        day,
        CAST(EXTRACT(DOW FROM day) AS INTEGER) AS weekday
    FROM days
),
-- The Thursday of a week is in the year of the week, and its number in that year tells which week it is.
weeks AS (
    SELECT
        day,
        weekday,
        day + (3 - MOD(weekday + 6, 7)) AS thursday
    FROM weekdays
)
SELECT
    day AS date,
    CAST(EXTRACT(YEAR FROM day) AS INTEGER) AS year,
    CAST(EXTRACT(YEAR FROM thursday) AS INTEGER) AS iso_year,
    CAST(FLOOR((CAST(EXTRACT(DOY FROM thursday) AS INTEGER) + 6) / 7.0) AS INTEGER) AS iso_week,
    CAST(EXTRACT(QUARTER FROM day) AS INTEGER) AS quarter,
    CAST(EXTRACT(MONTH FROM day) AS INTEGER) AS month,
    CASE CAST(EXTRACT(MONTH FROM day) AS INTEGER)
        WHEN 1 THEN 'January'
        WHEN 2 THEN 'February'
        WHEN 3 THEN 'March'
        WHEN 4 THEN 'April'
        WHEN 5 THEN 'May'
        WHEN 6 THEN 'June'
        WHEN 7 THEN 'July'
        WHEN 8 THEN 'August'
        WHEN 9 THEN 'September'
        WHEN 10 THEN 'October'
        WHEN 11 THEN 'November'
        WHEN 12 THEN 'December'
    END AS month_name,
    CAST(EXTRACT(DAY FROM day) AS INTEGER) AS day,
    weekday,
    CASE weekday
        WHEN 0 THEN 'Sunday'
        WHEN 1 THEN 'Monday'
        WHEN 2 THEN 'Tuesday'
        WHEN 3 THEN 'Wednesday'
        WHEN 4 THEN 'Thursday'
        WHEN 5 THEN 'Friday'
        WHEN 6 THEN 'Saturday'
    END AS weekday_name,
    CASE WHEN weekday IN (0, 6) THEN TRUE ELSE FALSE END AS is_weekend
FROM weeks;
