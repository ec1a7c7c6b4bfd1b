-- How full is each node of the cluster?
--
-- node          number of the node
-- used_gb       blocks in use; for RG and RA3 also those in managed storage
-- capacity_gb   space of the node; for RG and RA3 the quota of managed storage
-- used_percent  share in use
--
-- Normal: used_percent is below 70. A merge and a VACUUM need free space of about 2.5 times the largest table.
-- If not: table-health shows the largest tables. VACUUM deletes what is deleted but still stored; drop copies of
--   tables and old snapshots of schemas; then resize the cluster.
-- Needs: a superuser. Serverless does not have STV_NODE_STORAGE_CAPACITY: its storage has no limit to fill, and
--   serverless-usage shows what is billed
--
-- Usage: psql -f sql/operations/redshift/disk.sql

SELECT
    node,
    CAST(used / 1000.0 AS NUMERIC(18, 1)) AS used_gb,
    CAST(capacity / 1000.0 AS NUMERIC(18, 1)) AS capacity_gb,
    CAST(100.0 * used / NULLIF(capacity, 0) AS NUMERIC(18, 1)) AS used_percent
FROM stv_node_storage_capacity
ORDER BY node;
