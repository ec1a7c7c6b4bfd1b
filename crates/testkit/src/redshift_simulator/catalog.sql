-- Functions, views and tables that Redshift has and PostgreSQL does not.
SET allow_system_table_mods = on;
CREATE SCHEMA redshift;

CREATE TABLE redshift.tables (
    id oid PRIMARY KEY, diststyle text, distkey text, sortkey text[], keys text[], parents oid[], encodings text[]
);

CREATE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
    RETURN date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC');
CREATE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE
    RETURN transaction_timestamp() AT TIME ZONE 'UTC';
-- FNV-1a in parts of 24 and 40 bits, so that no product exceeds 64 bits: 40 is the power of two in the prime 2^40 + 435,
-- so that `high` receives the carry of `low` and `low` itself. Three bytes are hashed at a time, because that is faster.
-- The high part would exceed 64 bits after a fourth.
CREATE FUNCTION redshift.fnv_bytes(bytes bytea, seed bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    size int := length(bytes);
    low bigint := seed & 1099511627775;
    high bigint := seed >> 40;
    a bigint;
    b bigint;
    c bigint;
BEGIN
    IF bytes IS NULL OR seed IS NULL THEN
        RAISE 'FNV_HASH of NULL is not documented';
    END IF;
    FOR at IN 0 .. size - 3 BY 3 LOOP
        a := (low & 1099511627775) # get_byte(bytes, at);
        b := ((a * 435) & 1099511627775) # get_byte(bytes, at + 1);
        c := ((b * 435) & 1099511627775) # get_byte(bytes, at + 2);
        low := c * 435;
        high := (((high * 435 + ((a * 435) >> 40) + a) * 435 + ((b * 435) >> 40) + b) * 435 + (low >> 40) + c)
            & 16777215;
    END LOOP;
    FOR at IN size - size % 3 .. size - 1 LOOP
        a := (low & 1099511627775) # get_byte(bytes, at);
        low := a * 435;
        high := (high * 435 + (low >> 40) + a) & 16777215;
    END LOOP;
    RETURN (high << 40) | (low & 1099511627775);
END $$;
CREATE FUNCTION redshift.fnv_2_bytes(value bigint, seed bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    a bigint := (seed & 1099511627775) # (value & 255);
    b bigint := ((a * 435) & 1099511627775) # ((value >> 8) & 255);
BEGIN
    IF value IS NULL OR seed IS NULL THEN
        RAISE 'FNV_HASH of NULL is not documented';
    END IF;
    RETURN ((((seed >> 40) * 435 + ((a * 435) >> 40) + a) * 435 + ((b * 435) >> 40) + b) << 40)
        | ((b * 435) & 1099511627775);
END $$;
CREATE FUNCTION redshift.fnv_4_bytes(value bigint, seed bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    a bigint := (seed & 1099511627775) # (value & 255);
    b bigint := ((a * 435) & 1099511627775) # ((value >> 8) & 255);
    c bigint := ((b * 435) & 1099511627775) # ((value >> 16) & 255);
    d bigint := ((c * 435) & 1099511627775) # ((value >> 24) & 255);
BEGIN
    IF value IS NULL OR seed IS NULL THEN
        RAISE 'FNV_HASH of NULL is not documented';
    END IF;
    RETURN (((((((seed >> 40) * 435 + ((a * 435) >> 40) + a) * 435 + ((b * 435) >> 40) + b) * 435
        + ((c * 435) >> 40) + c) & 16777215) * 435 + ((d * 435) >> 40) + d) << 40) | ((d * 435) & 1099511627775);
END $$;
CREATE FUNCTION redshift.fnv_8_bytes(value bigint, seed bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN redshift.fnv_4_bytes(value >> 32, redshift.fnv_4_bytes(value, seed));
END $$;
-- There is none for DOUBLE PRECISION and TIMESTAMP, of which FNV_HASH is not documented.
CREATE FUNCTION pg_catalog.fnv_hash(value smallint, seed bigint DEFAULT -3750763034362895579)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN redshift.fnv_2_bytes(value, seed);
CREATE FUNCTION pg_catalog.fnv_hash(value integer, seed bigint DEFAULT -3750763034362895579)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN redshift.fnv_4_bytes(value, seed);
CREATE FUNCTION pg_catalog.fnv_hash(value bigint, seed bigint DEFAULT -3750763034362895579)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN redshift.fnv_8_bytes(value, seed);
CREATE FUNCTION pg_catalog.fnv_hash(value text, seed bigint DEFAULT -3750763034362895579)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN redshift.fnv_bytes(convert_to(value, 'UTF8'), seed);

CREATE TABLE redshift.load_errors (
    id bigint, pid int, query bigint, at timestamp, table_id bigint, file text, line bigint,
    name text, type text, length text, code int, message text, raw_line text, value text
);
-- The errors are recorded outside of the transaction. Its snapshot may be older, so that those of its own loads are in
-- a temporary table too.
CREATE FUNCTION redshift.visible_load_errors() RETURNS SETOF redshift.load_errors LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF to_regclass('pg_temp.redshift_load_errors') IS NULL THEN
        RETURN QUERY SELECT * FROM redshift.load_errors;
    ELSE
        RETURN QUERY SELECT * FROM redshift.load_errors UNION SELECT * FROM pg_temp.redshift_load_errors;
    END IF;
END $$;

CREATE VIEW pg_catalog.sys_load_error_detail AS
    SELECT 100 AS user_id, query AS query_id, query AS transaction_id, pid AS session_id,
        current_database()::char(64) AS database_name, table_id::int AS table_id, at AS start_time,
        file::char(256) AS file_name, line AS line_number, name::char(127) AS column_name, type::char(10) AS column_type,
        length::char(10) AS column_length, 0 AS position, code AS error_code, message::char(512) AS error_message
    FROM redshift.visible_load_errors();
CREATE VIEW pg_catalog.stl_load_errors AS
    SELECT 100 AS userid, 0 AS slice, table_id::int AS tbl, at AS starttime, pid AS session, query::int AS query,
        file::char(256) AS filename, line AS line_number, name::char(127) AS colname, type::char(10) AS type,
        length::char(10) AS col_length, 0 AS position, raw_line::char(1024) AS raw_line,
        value::char(1024) AS raw_field_value, code AS err_code, message::char(100) AS err_reason
    FROM redshift.visible_load_errors();
CREATE VIEW pg_catalog.svl_s3log AS
    SELECT pid, query::int AS query, 0 AS segment, 0 AS step, 0 AS node, 0 AS slice, at AS eventtime,
        substr(message, 1, 512) AS message
    FROM redshift.visible_load_errors();

CREATE VIEW pg_catalog.pg_table_def AS
    SELECT n.nspname::text AS schemaname, c.relname::text AS tablename, a.attname::text AS "column",
        format_type(a.atttypid, a.atttypmod) AS type,
        coalesce(
            (SELECT substr(e, length(a.attname) + 2) FROM unnest(t.encodings) e WHERE e LIKE a.attname || '=%'),
            'none') AS encoding,
        coalesce(t.distkey = a.attname, false) AS distkey,
        coalesce(array_position(t.sortkey, a.attname::text), 0) AS sortkey,
        a.attnotnull AS "notnull"
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN redshift.tables t ON t.id = c.oid
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND pg_table_is_visible(c.oid)
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND c.relname <> 'redshift_load_errors';
CREATE VIEW pg_catalog.svv_columns AS SELECT * FROM information_schema.columns;

CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE RETURN
    'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.12345';
RESET allow_system_table_mods;
