-- Of how many plays is the song known, month by month?
--
-- Most plays of real data are of songs that nobody has described: top-songs and top-artists know only the others.
--
-- month            as 2018-11, UTC; months without a play are not there
-- plays            all plays
-- matched          those whose song and artist are in the star
-- matched_percent  of a hundred plays
--
-- By hand: psql -v from=2018-11-01 -v to=2018-12-01 -f sql/analytics/match-rate.sql

SELECT
    TO_CHAR(start_time, 'YYYY-MM') AS month,
    COUNT(*) AS plays,
    COUNT(song_id) AS matched,
    CAST(100.0 * COUNT(song_id) / COUNT(*) AS DECIMAL(5, 2)) AS matched_percent
FROM songplays
WHERE start_time >= CAST(:'from' AS TIMESTAMP) AND start_time < CAST(:'to' AS TIMESTAMP)
GROUP BY TO_CHAR(start_time, 'YYYY-MM')
ORDER BY TO_CHAR(start_time, 'YYYY-MM');
