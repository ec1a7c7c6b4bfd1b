-- The system views for operators, with the columns and types of their documentation. A test can insert rows into the tables
-- behind them, which is how it makes a slow COPY or a full disk.
SET allow_system_table_mods = on;

-- The simulator adds a row for each COPY, outside of its transaction.
CREATE TABLE redshift.copies (
    query_id bigint, pid int, table_name text, data_source text, file_format text, status text, start_time timestamp,
    end_time timestamp, loaded_rows bigint, files int, bytes bigint, errors bigint, error_message text,
    queue_time bigint DEFAULT 0
);
CREATE VIEW pg_catalog.sys_load_history AS
    SELECT 100 AS user_id, query_id, query_id AS transaction_id, pid AS session_id,
        current_database()::text AS database_name, status, table_name, start_time, end_time,
        (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source, file_format,
        loaded_rows, bytes AS loaded_bytes, files AS source_file_count, bytes AS source_file_bytes,
        files AS file_count_scanned, bytes AS file_bytes_scanned, errors AS error_count, 0::bigint AS copy_job_id
    FROM redshift.copies;
-- Only COPYs are queries here.
CREATE VIEW pg_catalog.sys_query_history AS
    SELECT 100 AS user_id, query_id, 'default'::char(320) AS query_label, query_id AS transaction_id, pid AS session_id,
        current_database()::char(128) AS database_name, 'COPY'::char(32) AS query_type,
        (CASE status WHEN 'completed' THEN 'success' WHEN 'aborted' THEN 'failed' ELSE status END)::char(10) AS status,
        false AS result_cache_hit, start_time, end_time,
        (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS elapsed_time, queue_time,
        (extract(epoch FROM end_time - start_time) * 1000000)::bigint - queue_time AS execution_time,
        error_message::char(512) AS error_message, loaded_rows AS returned_rows
    FROM redshift.copies;

CREATE TABLE redshift.nodes (node int, used int, capacity int);
INSERT INTO redshift.nodes VALUES (0, 1000, 1000000), (1, 1000, 1000000);
CREATE VIEW pg_catalog.stv_node_storage_capacity AS SELECT node, used, capacity FROM redshift.nodes;

-- Without rows, as in a cluster.
CREATE TABLE redshift.serverless_usage (
    start_time timestamp, end_time timestamp, compute_seconds double precision, compute_capacity double precision,
    data_storage int, cross_region_transferred_data int, charged_seconds int
);
CREATE VIEW pg_catalog.sys_serverless_usage AS SELECT * FROM redshift.serverless_usage;

CREATE VIEW pg_catalog.svv_transactions AS
    SELECT a.usename::text AS txn_owner, a.datname::text AS txn_db, a.backend_xid::text::bigint AS xid, a.pid,
        a.xact_start AT TIME ZONE 'UTC' AS txn_start, l.mode AS lock_mode, l.locktype AS lockable_object_type,
        l.relation::int AS relation, l.granted
    FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE a.datname = current_database() AND a.xact_start IS NOT NULL;

-- What only a cluster knows of a table. A table without a row is in good order.
CREATE TABLE redshift.table_conditions (
    table_name text, size bigint, pct_used numeric(10,4), unsorted numeric(5,2), stats_off numeric(5,2),
    skew_rows numeric(19,2), deleted_rows bigint
);
CREATE VIEW pg_catalog.svv_table_info AS
    SELECT current_database()::text AS database, n.nspname::text AS schema, c.oid::int AS table_id,
        c.relname::text AS "table",
        coalesce(CASE t.diststyle WHEN 'KEY' THEN 'KEY(' || t.distkey || ')' ELSE t.diststyle END, 'AUTO')
            AS diststyle,
        t.sortkey[1] AS sortkey1, c.reltuples::bigint AS tbl_rows,
        coalesce(k.size, 1) AS size, coalesce(k.pct_used, 0) AS pct_used, coalesce(k.unsorted, 0) AS unsorted,
        coalesce(k.stats_off, 0) AS stats_off, k.skew_rows,
        (c.reltuples::bigint - coalesce(k.deleted_rows, 0))::numeric(38,0) AS estimated_visible_rows
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN redshift.tables t ON t.id = c.oid
    LEFT JOIN redshift.table_conditions k ON k.table_name = c.relname
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'redshift')
        AND c.relname <> 'redshift_load_errors';
RESET allow_system_table_mods;
