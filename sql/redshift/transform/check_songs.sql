-- Separates the valid songs from the rejected ones, by the same rules as sparkify run --engine in-process.
--
-- Usage: after copy.sql; staging.sql has the whole command.
--
-- Every value is a text here, and null if the record lacks the key. Redshift ignores trailing blanks when it compares
-- texts; lengths do not. The first reason counts, in the order type, range, missing, too_long, then the first key.

\set ON_ERROR_STOP on

-- The records that the filter selects, with their numbers as far as these are plain: a number with an exponent or many
-- digits is null here, and so is text that is not a number. Only plain digits are cast. 0.0 is added because -0.0 is
-- 0.0 in all tables.
CREATE TEMP TABLE selected_songs AS
SELECT
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs, song_id,
    title, year,
    CAST(
        CASE
            WHEN artist_latitude ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?$' AND LENGTH(artist_latitude) <= 300
                THEN artist_latitude
        END AS DOUBLE PRECISION
    ) + 0.0 AS artist_latitude_number,
    CAST(
        CASE
            WHEN artist_longitude ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?$' AND LENGTH(artist_longitude) <= 300
                THEN artist_longitude
        END AS DOUBLE PRECISION
    ) + 0.0 AS artist_longitude_number,
    CAST(
        CASE
            WHEN
                year ~ '^-?(0|[1-9][0-9]*)([.]0+)?$'
                AND (LENGTH(year) <= 9 OR (LENGTH(year) = 10 AND year <= '2147483647'))
                THEN SPLIT_PART(year, '.', 1)
        END AS INTEGER
    ) AS year_number,
    CAST(
        CASE
            WHEN duration ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?$' AND LENGTH(duration) <= 300
                THEN duration
        END AS DOUBLE PRECISION
    ) + 0.0 AS duration_number
FROM staging_songs;

-- The valid records, without those that need a closer look.
CREATE TEMP TABLE valid_songs AS
SELECT
    CAST(song_id AS VARCHAR(32)) AS song_id,
    CAST(title AS VARCHAR(1024)) AS title,
    CAST(artist_id AS VARCHAR(32)) AS artist_id,
    CAST(artist_name AS VARCHAR(1024)) AS artist_name,
    CAST(artist_location AS VARCHAR(1024)) AS artist_location,
    artist_latitude_number AS artist_latitude,
    artist_longitude_number AS artist_longitude,
    year_number AS year,
    duration_number AS duration,
    FNV_HASH(artist_name, FNV_HASH(CAST(0 AS SMALLINT), FNV_HASH(title))) AS song_key
FROM selected_songs
WHERE
    OCTET_LENGTH(song_id) <= 32
    AND OCTET_LENGTH(title) <= 1024
    AND OCTET_LENGTH(artist_id) <= 32
    AND OCTET_LENGTH(artist_name) <= 1024
    AND COALESCE(OCTET_LENGTH(artist_location), 0) <= 1024
    AND (artist_latitude IS NULL OR artist_latitude_number IS NOT NULL)
    AND (artist_longitude IS NULL OR artist_longitude_number IS NOT NULL)
    AND (year IS NULL OR year_number IS NOT NULL)
    AND duration_number IS NOT NULL;

-- The records that need a closer look: they may be valid nevertheless.
CREATE TEMP TABLE unusual_songs AS
SELECT
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs, song_id,
    title, year
FROM selected_songs
WHERE
    CASE
        WHEN
            OCTET_LENGTH(song_id) <= 32
            AND OCTET_LENGTH(title) <= 1024
            AND OCTET_LENGTH(artist_id) <= 32
            AND OCTET_LENGTH(artist_name) <= 1024
            AND COALESCE(OCTET_LENGTH(artist_location), 0) <= 1024
            AND (artist_latitude IS NULL OR artist_latitude_number IS NOT NULL)
            AND (artist_longitude IS NULL OR artist_longitude_number IS NOT NULL)
            AND (year IS NULL OR year_number IS NOT NULL)
            AND duration_number IS NOT NULL
            THEN 'usual'
        ELSE 'unusual'
    END = 'unusual';

-- The numbers of the unusual records, as a sign, significant digits and a power of ten: 0.SIGNIFICANT times ten to the
-- power of magnitude. Zero has no significant digits. An exponent of more than eight digits is as good as 99999999,
-- because no text has as many digits.
CREATE TEMP TABLE song_number_parts AS
SELECT
    number_text,
    CASE WHEN LEFT(number_text, 1) = '-' THEN '-' ELSE '' END AS sign,
    RTRIM(LTRIM(whole || fraction, '0'), '0') AS significant,
    exponent + LENGTH(whole) - (LENGTH(whole || fraction) - LENGTH(LTRIM(whole || fraction, '0'))) AS magnitude
FROM (
    SELECT
        number_text,
        SPLIT_PART(mantissa, '.', 1) AS whole,
        SPLIT_PART(mantissa, '.', 2) AS fraction,
        CASE WHEN LEFT(exponent_text, 1) = '-' THEN -1 ELSE 1 END
        * CAST(
            CASE
                WHEN LENGTH(LTRIM(exponent_text, '+-0')) = 0 THEN '0'
                WHEN LENGTH(LTRIM(exponent_text, '+-0')) > 8 THEN '99999999'
                ELSE LTRIM(exponent_text, '+-0')
            END AS INTEGER
        ) AS exponent
    FROM (
        SELECT
            number_text,
            LTRIM(SPLIT_PART(LOWER(number_text), 'e', 1), '-') AS mantissa,
            SPLIT_PART(LOWER(number_text), 'e', 2) AS exponent_text
        FROM (
            SELECT artist_latitude AS number_text FROM unusual_songs
            WHERE artist_latitude ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT artist_longitude AS number_text FROM unusual_songs
            WHERE artist_longitude ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT year AS number_text FROM unusual_songs
            WHERE year ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT duration AS number_text FROM unusual_songs
            WHERE duration ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
        ) AS texts
    ) AS halves
) AS parts;

-- The values of the numbers. integer_value is null if a number is not a 64-bit integer, and double_value if it is too
-- large for a double. The long literals are the smallest number that is rounded to infinity (2^1024 - 2^970) and the
-- largest that is rounded to zero (2^-1075). Numbers with more than 800 significant digits have a 1 in place of the
-- others, which does not change how they are rounded.
CREATE TEMP TABLE song_numbers AS
SELECT
    number_text,
    CASE WHEN LENGTH(significant) <= magnitude OR LENGTH(significant) = 0 THEN 1 ELSE 0 END AS is_integral,
    CAST(
        CASE
            WHEN LENGTH(significant) = 0 THEN '0'
            WHEN LENGTH(significant) > magnitude OR magnitude > 19 THEN NULL
            WHEN
                magnitude = 19
                AND RPAD(significant, 19, '0') > CASE WHEN sign = '-' THEN '9223372036854775808' ELSE '9223372036854775807' END
                THEN NULL
            -- The bounds matter only where another branch is taken.
            ELSE sign || RPAD(significant, LEAST(GREATEST(magnitude, 1), 19), '0')
        END AS BIGINT
    ) AS integer_value,
    CAST(
        CASE
            WHEN LENGTH(significant) = 0 OR magnitude < -323 THEN '0'
            WHEN
                magnitude = -323
                AND significant <= (
                    '2470328229206232720882843964341106861825299013071623822127928412503377536351043759326499181808179961'
                    || '8989828234772285886546332835517796989819938739800539093906315035659515570226392290858392449105184435'
                    || '9318028499365361525003193704576782492193656236698636584807570015857692699037063119282795585513329278'
                    || '3433840935197801553124659726357957462276646527282722005637400648549997709659947045402082816622623785'
                    || '7393450736339007967761930577506740176324673600968951340535537458516661134223766678604162159680461914'
                    || '4672918403005300575308490487653917113865916462395249126236538818796362393732804238910186723484976682'
                    || '3508986338858792562830275599565752445550725518931369083625477918694866799496832404970582102851318545'
                    || '1396213837722826145437693412532098591327667236328125'
                )
                THEN '0'
            WHEN magnitude > 309 THEN NULL
            WHEN
                magnitude = 309
                AND significant >= (
                    '1797693134862315807937289714053034150799341327100378269361737789804449682927647509466490179775872070'
                    || '9633028641669288791094655554785194040263065748867150582068190890200070838367627385484581771153176447'
                    || '5730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880177904'
                    || '174497792'
                )
                THEN NULL
            WHEN LENGTH(significant) > 800
                THEN sign || LEFT(significant, 800) || '1e' || CAST(magnitude - 801 AS VARCHAR(12))
            ELSE sign || significant || 'e' || CAST(magnitude - LENGTH(significant) AS VARCHAR(12))
        END AS DOUBLE PRECISION
    ) AS double_value
FROM song_number_parts;

-- The first problem of each unusual record; null if it is valid. A problem begins with the place of its reason and the
-- number of its field, so that the smallest is the one that a record is rejected for.
CREATE TEMP TABLE checked_songs AS
SELECT
    u.artist_id, u.artist_latitude, u.artist_location, u.artist_longitude, u.artist_name, u.duration, u.num_songs,
    u.song_id, u.title, u.year,
    CAST(n_artist_latitude.double_value AS DOUBLE PRECISION) + 0.0 AS artist_latitude_number,
    CAST(n_artist_longitude.double_value AS DOUBLE PRECISION) + 0.0 AS artist_longitude_number,
    CAST(
        CASE
            WHEN n_year.integer_value BETWEEN -2147483648 AND 2147483647
                THEN n_year.integer_value
        END AS INTEGER
    ) AS year_number,
    CAST(n_duration.double_value AS DOUBLE PRECISION) + 0.0 AS duration_number,
    LEAST(
        CASE
            WHEN u.song_id IS NULL THEN '6000|missing|song_id|required key is null or missing'
            WHEN OCTET_LENGTH(u.song_id) > 32 THEN '7000|too_long|song_id|too long for the column'
        END,
        CASE
            WHEN u.title IS NULL THEN '6001|missing|title|required key is null or missing'
            WHEN OCTET_LENGTH(u.title) > 1024 THEN '7001|too_long|title|too long for the column'
        END,
        CASE
            WHEN u.artist_id IS NULL THEN '6002|missing|artist_id|required key is null or missing'
            WHEN OCTET_LENGTH(u.artist_id) > 32 THEN '7002|too_long|artist_id|too long for the column'
        END,
        CASE
            WHEN u.artist_name IS NULL THEN '6003|missing|artist_name|required key is null or missing'
            WHEN OCTET_LENGTH(u.artist_name) > 1024 THEN '7003|too_long|artist_name|too long for the column'
        END,
        CASE
            WHEN OCTET_LENGTH(u.artist_location) > 1024 THEN '7004|too_long|artist_location|too long for the column'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.artist_latitude), 0) = 0 THEN NULL
            WHEN u.artist_latitude IN ('true', 'false') THEN '4005|type|artist_latitude|expected a number, found a boolean'
            WHEN LEFT(u.artist_latitude, 1) IN ('{', '[') THEN '4005|type|artist_latitude|expected a scalar, found an object or array'
            WHEN n_artist_latitude.number_text IS NULL THEN '4005|type|artist_latitude|not a number'
            WHEN n_artist_latitude.double_value IS NULL THEN '5005|range|artist_latitude|number does not fit in a double'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.artist_longitude), 0) = 0 THEN NULL
            WHEN u.artist_longitude IN ('true', 'false') THEN '4006|type|artist_longitude|expected a number, found a boolean'
            WHEN LEFT(u.artist_longitude, 1) IN ('{', '[') THEN '4006|type|artist_longitude|expected a scalar, found an object or array'
            WHEN n_artist_longitude.number_text IS NULL THEN '4006|type|artist_longitude|not a number'
            WHEN n_artist_longitude.double_value IS NULL THEN '5006|range|artist_longitude|number does not fit in a double'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.year), 0) = 0 THEN NULL
            WHEN u.year IN ('true', 'false') THEN '4007|type|year|expected a number, found a boolean'
            WHEN LEFT(u.year, 1) IN ('{', '[') THEN '4007|type|year|expected a scalar, found an object or array'
            WHEN n_year.number_text IS NULL THEN '4007|type|year|not a number'
            WHEN n_year.is_integral = 0 THEN '4007|type|year|not an integer'
            WHEN n_year.integer_value IS NULL THEN '5007|range|year|number does not fit in 64 bits'
            WHEN n_year.integer_value NOT BETWEEN -2147483648 AND 2147483647 THEN '5007|range|year|number does not fit in 32 bits'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.duration), 0) = 0 THEN '6008|missing|duration|required key is null or missing'
            WHEN u.duration IN ('true', 'false') THEN '4008|type|duration|expected a number, found a boolean'
            WHEN LEFT(u.duration, 1) IN ('{', '[') THEN '4008|type|duration|expected a scalar, found an object or array'
            WHEN n_duration.number_text IS NULL THEN '4008|type|duration|not a number'
            WHEN n_duration.double_value IS NULL THEN '5008|range|duration|number does not fit in a double'
        END
    ) AS problem
FROM unusual_songs u
LEFT JOIN song_numbers n_artist_latitude
    ON n_artist_latitude.number_text = CASE WHEN u.artist_latitude ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.artist_latitude END
LEFT JOIN song_numbers n_artist_longitude
    ON n_artist_longitude.number_text = CASE WHEN u.artist_longitude ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.artist_longitude END
LEFT JOIN song_numbers n_year
    ON n_year.number_text = CASE WHEN u.year ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.year END
LEFT JOIN song_numbers n_duration
    ON n_duration.number_text = CASE WHEN u.duration ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.duration END;

-- The rejected records.
CREATE TEMP TABLE rejected_songs AS
SELECT
    SPLIT_PART(problem, '|', 2) AS reject_reason, SPLIT_PART(problem, '|', 3) AS reject_key,
    SPLIT_PART(problem, '|', 4) AS reject_detail,
    artist_id, artist_latitude, artist_location, artist_longitude, artist_name, duration, num_songs, song_id,
    title, year
FROM checked_songs
WHERE problem IS NOT NULL;

-- Unusual records without a problem are valid.
INSERT INTO valid_songs
SELECT
    CAST(song_id AS VARCHAR(32)) AS song_id,
    CAST(title AS VARCHAR(1024)) AS title,
    CAST(artist_id AS VARCHAR(32)) AS artist_id,
    CAST(artist_name AS VARCHAR(1024)) AS artist_name,
    CAST(artist_location AS VARCHAR(1024)) AS artist_location,
    artist_latitude_number AS artist_latitude,
    artist_longitude_number AS artist_longitude,
    year_number AS year,
    duration_number AS duration,
    FNV_HASH(artist_name, FNV_HASH(CAST(0 AS SMALLINT), FNV_HASH(title))) AS song_key
FROM checked_songs
WHERE problem IS NULL;
