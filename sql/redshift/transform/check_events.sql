-- Separates the valid events from the rejected ones, by the same rules as sparkify run --engine in-process.
--
-- Usage: after copy.sql; staging.sql has the whole command.
--
-- Every value is a text here, and null if the record lacks the key. Redshift ignores trailing blanks when it compares
-- texts; lengths do not. The first reason counts, in the order type, range, missing, too_long, then the first key.

\set ON_ERROR_STOP on

-- The records that the filter selects, with their numbers as far as these are plain: a number with an exponent or many
-- digits is null here, and so is text that is not a number. Only plain digits are cast. 0.0 is added because -0.0 is
-- 0.0 in all tables.
CREATE TEMP TABLE selected_events AS
SELECT
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page, registration,
    sessionid, song, status, ts, useragent, userid,
    CAST(
        CASE
            WHEN ts ~ '^-?(0|[1-9][0-9]*)([.]0+)?$' AND LENGTH(ts) <= 18
                THEN SPLIT_PART(ts, '.', 1)
        END AS BIGINT
    ) AS ts_number,
    CAST(
        CASE
            WHEN
                userid ~ '^-?(0|[1-9][0-9]*)([.]0+)?$'
                AND (LENGTH(userid) <= 9 OR (LENGTH(userid) = 10 AND userid <= '2147483647'))
                THEN SPLIT_PART(userid, '.', 1)
        END AS INTEGER
    ) AS userid_number,
    CAST(
        CASE
            WHEN
                sessionid ~ '^-?(0|[1-9][0-9]*)([.]0+)?$'
                AND (LENGTH(sessionid) <= 9 OR (LENGTH(sessionid) = 10 AND sessionid <= '2147483647'))
                THEN SPLIT_PART(sessionid, '.', 1)
        END AS INTEGER
    ) AS sessionid_number,
    CAST(
        CASE
            WHEN
                iteminsession ~ '^-?(0|[1-9][0-9]*)([.]0+)?$'
                AND (LENGTH(iteminsession) <= 9 OR (LENGTH(iteminsession) = 10 AND iteminsession <= '2147483647'))
                THEN SPLIT_PART(iteminsession, '.', 1)
        END AS INTEGER
    ) AS iteminsession_number,
    CAST(
        CASE
            WHEN length ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?$' AND LENGTH(length) <= 300
                THEN length
        END AS DOUBLE PRECISION
    ) + 0.0 AS length_number
FROM staging_events
WHERE page = 'NextSong' AND OCTET_LENGTH(page) = 8;

-- The valid records, without those that need a closer look.
CREATE TEMP TABLE valid_events AS
SELECT
    ts_number AS ts,
    userid_number AS userid,
    sessionid_number AS sessionid,
    iteminsession_number AS iteminsession,
    CAST(level AS VARCHAR(16)) AS level,
    CAST(firstname AS VARCHAR(256)) AS firstname,
    CAST(lastname AS VARCHAR(256)) AS lastname,
    CAST(gender AS VARCHAR(16)) AS gender,
    CAST(location AS VARCHAR(512)) AS location,
    CAST(useragent AS VARCHAR(1024)) AS useragent,
    length_number AS length,
    TIMESTAMP 'epoch'
        + ts_number / 86400000 * INTERVAL '1 day'
        + MOD(ts_number, 86400000) / 1000 * INTERVAL '1 second'
        + MOD(ts_number, 1000) * INTERVAL '0.001 second' AS ts_time,
    FNV_HASH(iteminsession_number, FNV_HASH(sessionid_number, FNV_HASH(ts_number, FNV_HASH(userid_number)))) AS songplay_id,
    CASE
        WHEN song IS NOT NULL AND artist IS NOT NULL
            THEN FNV_HASH(artist, FNV_HASH(CAST(0 AS SMALLINT), FNV_HASH(song)))
    END AS song_key
FROM selected_events
WHERE
    ts_number BETWEEN -62135596800000 AND 253402300799999
    AND userid_number IS NOT NULL
    AND sessionid_number IS NOT NULL
    AND iteminsession_number IS NOT NULL
    AND OCTET_LENGTH(level) <= 16
    AND COALESCE(OCTET_LENGTH(firstname), 0) <= 256
    AND COALESCE(OCTET_LENGTH(lastname), 0) <= 256
    AND COALESCE(OCTET_LENGTH(gender), 0) <= 16
    AND COALESCE(OCTET_LENGTH(location), 0) <= 512
    AND COALESCE(OCTET_LENGTH(useragent), 0) <= 1024
    AND (length IS NULL OR length_number IS NOT NULL);

-- The records that need a closer look: they may be valid nevertheless.
CREATE TEMP TABLE unusual_events AS
SELECT
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page, registration,
    sessionid, song, status, ts, useragent, userid
FROM selected_events
WHERE
    CASE
        WHEN
            ts_number BETWEEN -62135596800000 AND 253402300799999
            AND userid_number IS NOT NULL
            AND sessionid_number IS NOT NULL
            AND iteminsession_number IS NOT NULL
            AND OCTET_LENGTH(level) <= 16
            AND COALESCE(OCTET_LENGTH(firstname), 0) <= 256
            AND COALESCE(OCTET_LENGTH(lastname), 0) <= 256
            AND COALESCE(OCTET_LENGTH(gender), 0) <= 16
            AND COALESCE(OCTET_LENGTH(location), 0) <= 512
            AND COALESCE(OCTET_LENGTH(useragent), 0) <= 1024
            AND (length IS NULL OR length_number IS NOT NULL)
            THEN 'usual'
        ELSE 'unusual'
    END = 'unusual';

-- The numbers of the unusual records, as a sign, significant digits and a power of ten: 0.SIGNIFICANT times ten to the
-- power of magnitude. Zero has no significant digits. An exponent of more than eight digits is as good as 99999999,
-- because no text has as many digits.
CREATE TEMP TABLE event_number_parts AS
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
            SELECT ts AS number_text FROM unusual_events
            WHERE ts ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT userid AS number_text FROM unusual_events
            WHERE userid ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT sessionid AS number_text FROM unusual_events
            WHERE sessionid ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT iteminsession AS number_text FROM unusual_events
            WHERE iteminsession ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
            UNION
            SELECT length AS number_text FROM unusual_events
            WHERE length ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$'
        ) AS texts
    ) AS halves
) AS parts;

-- The values of the numbers. integer_value is null if a number is not a 64-bit integer, and double_value if it is too
-- large for a double. The long literals are the smallest number that is rounded to infinity (2^1024 - 2^970) and the
-- largest that is rounded to zero (2^-1075). Numbers with more than 800 significant digits have a 1 in place of the
-- others, which does not change how they are rounded.
CREATE TEMP TABLE event_numbers AS
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
FROM event_number_parts;

-- The first problem of each unusual record; null if it is valid. A problem begins with the place of its reason and the
-- number of its field, so that the smallest is the one that a record is rejected for.
CREATE TEMP TABLE checked_events AS
SELECT
    u.artist, u.auth, u.firstname, u.gender, u.iteminsession, u.lastname, u.length, u.level, u.location, u.method,
    u.page, u.registration, u.sessionid, u.song, u.status, u.ts, u.useragent, u.userid,
    CAST(n_ts.integer_value AS BIGINT) AS ts_number,
    CAST(
        CASE
            WHEN n_userid.integer_value BETWEEN -2147483648 AND 2147483647
                THEN n_userid.integer_value
        END AS INTEGER
    ) AS userid_number,
    CAST(
        CASE
            WHEN n_sessionid.integer_value BETWEEN -2147483648 AND 2147483647
                THEN n_sessionid.integer_value
        END AS INTEGER
    ) AS sessionid_number,
    CAST(
        CASE
            WHEN n_iteminsession.integer_value BETWEEN -2147483648 AND 2147483647
                THEN n_iteminsession.integer_value
        END AS INTEGER
    ) AS iteminsession_number,
    CAST(n_length.double_value AS DOUBLE PRECISION) + 0.0 AS length_number,
    LEAST(
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.ts), 0) = 0 THEN '6000|missing|ts|required key is null or missing'
            WHEN u.ts IN ('true', 'false') THEN '4000|type|ts|expected a number, found a boolean'
            WHEN LEFT(u.ts, 1) IN ('{', '[') THEN '4000|type|ts|expected a scalar, found an object or array'
            WHEN n_ts.number_text IS NULL THEN '4000|type|ts|not a number'
            WHEN n_ts.is_integral = 0 THEN '4000|type|ts|not an integer'
            WHEN n_ts.integer_value IS NULL THEN '5000|range|ts|number does not fit in 64 bits'
            WHEN n_ts.integer_value NOT BETWEEN -62135596800000 AND 253402300799999 THEN '5000|range|ts|number out of range'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.userid), 0) = 0 THEN '6001|missing|userId|required key is null or missing'
            WHEN u.userid IN ('true', 'false') THEN '4001|type|userId|expected a number, found a boolean'
            WHEN LEFT(u.userid, 1) IN ('{', '[') THEN '4001|type|userId|expected a scalar, found an object or array'
            WHEN n_userid.number_text IS NULL THEN '4001|type|userId|not a number'
            WHEN n_userid.is_integral = 0 THEN '4001|type|userId|not an integer'
            WHEN n_userid.integer_value IS NULL THEN '5001|range|userId|number does not fit in 64 bits'
            WHEN n_userid.integer_value NOT BETWEEN -2147483648 AND 2147483647 THEN '5001|range|userId|number does not fit in 32 bits'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.sessionid), 0) = 0 THEN '6002|missing|sessionId|required key is null or missing'
            WHEN u.sessionid IN ('true', 'false') THEN '4002|type|sessionId|expected a number, found a boolean'
            WHEN LEFT(u.sessionid, 1) IN ('{', '[') THEN '4002|type|sessionId|expected a scalar, found an object or array'
            WHEN n_sessionid.number_text IS NULL THEN '4002|type|sessionId|not a number'
            WHEN n_sessionid.is_integral = 0 THEN '4002|type|sessionId|not an integer'
            WHEN n_sessionid.integer_value IS NULL THEN '5002|range|sessionId|number does not fit in 64 bits'
            WHEN n_sessionid.integer_value NOT BETWEEN -2147483648 AND 2147483647 THEN '5002|range|sessionId|number does not fit in 32 bits'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.iteminsession), 0) = 0 THEN '6003|missing|itemInSession|required key is null or missing'
            WHEN u.iteminsession IN ('true', 'false') THEN '4003|type|itemInSession|expected a number, found a boolean'
            WHEN LEFT(u.iteminsession, 1) IN ('{', '[') THEN '4003|type|itemInSession|expected a scalar, found an object or array'
            WHEN n_iteminsession.number_text IS NULL THEN '4003|type|itemInSession|not a number'
            WHEN n_iteminsession.is_integral = 0 THEN '4003|type|itemInSession|not an integer'
            WHEN n_iteminsession.integer_value IS NULL THEN '5003|range|itemInSession|number does not fit in 64 bits'
            WHEN n_iteminsession.integer_value NOT BETWEEN -2147483648 AND 2147483647 THEN '5003|range|itemInSession|number does not fit in 32 bits'
        END,
        CASE
            WHEN u.level IS NULL THEN '6004|missing|level|required key is null or missing'
            WHEN OCTET_LENGTH(u.level) > 16 THEN '7004|too_long|level|too long for the column'
        END,
        CASE
            WHEN OCTET_LENGTH(u.firstname) > 256 THEN '7005|too_long|firstName|too long for the column'
        END,
        CASE
            WHEN OCTET_LENGTH(u.lastname) > 256 THEN '7006|too_long|lastName|too long for the column'
        END,
        CASE
            WHEN OCTET_LENGTH(u.gender) > 16 THEN '7007|too_long|gender|too long for the column'
        END,
        CASE
            WHEN OCTET_LENGTH(u.location) > 512 THEN '7008|too_long|location|too long for the column'
        END,
        CASE
            WHEN OCTET_LENGTH(u.useragent) > 1024 THEN '7009|too_long|userAgent|too long for the column'
        END,
        CASE
            WHEN COALESCE(OCTET_LENGTH(u.length), 0) = 0 THEN NULL
            WHEN u.length IN ('true', 'false') THEN '4012|type|length|expected a number, found a boolean'
            WHEN LEFT(u.length, 1) IN ('{', '[') THEN '4012|type|length|expected a scalar, found an object or array'
            WHEN n_length.number_text IS NULL THEN '4012|type|length|not a number'
            WHEN n_length.double_value IS NULL THEN '5012|range|length|number does not fit in a double'
        END
    ) AS problem
FROM unusual_events u
LEFT JOIN event_numbers n_ts
    ON n_ts.number_text = CASE WHEN u.ts ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.ts END
LEFT JOIN event_numbers n_userid
    ON n_userid.number_text = CASE WHEN u.userid ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.userid END
LEFT JOIN event_numbers n_sessionid
    ON n_sessionid.number_text = CASE WHEN u.sessionid ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.sessionid END
LEFT JOIN event_numbers n_iteminsession
    ON n_iteminsession.number_text = CASE WHEN u.iteminsession ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.iteminsession END
LEFT JOIN event_numbers n_length
    ON n_length.number_text = CASE WHEN u.length ~ '^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$' THEN u.length END;

-- The rejected records.
CREATE TEMP TABLE rejected_events AS
SELECT
    SPLIT_PART(problem, '|', 2) AS reject_reason, SPLIT_PART(problem, '|', 3) AS reject_key,
    SPLIT_PART(problem, '|', 4) AS reject_detail,
    artist, auth, firstname, gender, iteminsession, lastname, length, level, location, method, page, registration,
    sessionid, song, status, ts, useragent, userid
FROM checked_events
WHERE problem IS NOT NULL;

-- Unusual records without a problem are valid.
INSERT INTO valid_events
SELECT
    ts_number AS ts,
    userid_number AS userid,
    sessionid_number AS sessionid,
    iteminsession_number AS iteminsession,
    CAST(level AS VARCHAR(16)) AS level,
    CAST(firstname AS VARCHAR(256)) AS firstname,
    CAST(lastname AS VARCHAR(256)) AS lastname,
    CAST(gender AS VARCHAR(16)) AS gender,
    CAST(location AS VARCHAR(512)) AS location,
    CAST(useragent AS VARCHAR(1024)) AS useragent,
    length_number AS length,
    TIMESTAMP 'epoch'
        + ts_number / 86400000 * INTERVAL '1 day'
        + MOD(ts_number, 86400000) / 1000 * INTERVAL '1 second'
        + MOD(ts_number, 1000) * INTERVAL '0.001 second' AS ts_time,
    FNV_HASH(iteminsession_number, FNV_HASH(sessionid_number, FNV_HASH(ts_number, FNV_HASH(userid_number)))) AS songplay_id,
    CASE
        WHEN song IS NOT NULL AND artist IS NOT NULL
            THEN FNV_HASH(artist, FNV_HASH(CAST(0 AS SMALLINT), FNV_HASH(song)))
    END AS song_key
FROM checked_events
WHERE problem IS NULL;
