-- For how many plays is the song known, month by month?
--
-- In real data most plays are of songs without a song record, which top-songs and top-artists leave out.
--
-- month            the month in UTC, e.g. 2018-11; months without plays are omitted
-- plays            all plays
-- matched          plays whose song and artist are known
-- matched_percent  percentage of matched plays
--
-- Usage: psql -v from=2018-11-01 -v to=2018-12-01 -f sql/analytics/match-rate.sql

SELECT
    TO_CHAR(start_time, 'YYYY-MM') AS month,
    COUNT(*) AS plays,
    COUNT(song_id) AS matched,
    CAST(100.0 * COUNT(song_id) / COUNT(*) AS DECIMAL(5, 2)) AS matched_percent
FROM songplays
WHERE start_time >= CAST(:'from' AS TIMESTAMP) AND start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY TO_CHAR(start_time, 'YYYY-MM')
ORDER BY TO_CHAR(start_time, 'YYYY-MM');
