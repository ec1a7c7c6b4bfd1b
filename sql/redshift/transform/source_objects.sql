-- Fills the staged table of source_objects, from the list of objects and the counts of records.
--
-- Usage: after the checks, in the order of the command in staging.sql.

\set ON_ERROR_STOP on

-- The objects. COPY does not tell from which of them a record is, so the first object of each kind has the counts of
-- all records of that kind: of the valid ones, and of those that the checks rejected. The records that COPY could not
-- read are counted for their object. Their bytes are not known.
INSERT INTO staged_source_objects (kind, object, etag, rows, rejected_records, rejected_bytes)
SELECT
    o.kind,
    o.object,
    o.etag,
    CASE
        WHEN o.rn = 1 AND o.kind = 'song' THEN (SELECT COUNT(*) FROM valid_songs)
        WHEN o.rn = 1 AND o.kind = 'log' THEN (SELECT COUNT(*) FROM valid_events)
        ELSE 0
    END AS rows,
    COALESCE(c.rejected_records, 0) + CASE
        WHEN o.rn = 1 AND o.kind = 'song' THEN (SELECT COUNT(*) FROM rejected_songs)
        WHEN o.rn = 1 AND o.kind = 'log' THEN (SELECT COUNT(*) FROM rejected_events)
        ELSE 0
    END AS rejected_records,
    CAST(NULL AS BIGINT) AS rejected_bytes
FROM (
    SELECT
        kind, object, etag,
        ROW_NUMBER() OVER (PARTITION BY kind ORDER BY object || CHR(1)) AS rn
    FROM staging_objects
) AS o
LEFT JOIN (
    SELECT kind, object, SUM(rejected_records) AS rejected_records
    FROM copy_rejects
    GROUP BY kind, object
) AS c
    ON c.kind = o.kind AND c.object || CHR(1) = o.object || CHR(1);
