-- For how many plays is the song known, month by month?
--
-- In real data most plays are of songs without a song record, which top-songs and top-artists leave out.
--
-- month            the month in the time zone tz, e.g. 2018-11; months without plays are omitted
-- plays            all plays
-- matched          plays whose song and artist are known
-- matched_percent  percentage of matched plays
--
-- Usage: psql -v since=2018-11-01 -v until=2018-12-01 -v tz=UTC -f sql/analytics/match-rate.sql

SELECT
    month,
    COUNT(*) AS plays,
    COUNT(song_id) AS matched,
    CAST(100.0 * COUNT(song_id) / COUNT(*) AS DECIMAL(5, 2)) AS matched_percent
FROM (
    SELECT
        song_id,
        TO_CHAR(start_time AT TIME ZONE 'UTC' AT TIME ZONE :'tz', 'YYYY-MM') AS month
    FROM songplays
    WHERE start_time >= CAST(:'since' AS TIMESTAMP) AND start_time < CAST(:'until' AS TIMESTAMP)
) AS p
GROUP BY month
ORDER BY month;
