-- Upgrades the tables of version 0.1.0 in PostgreSQL. All rows stay.
--
-- Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/postgres/upgrade.sql
--
-- The tables are not written anew, so the size of the load history does not matter.
--
-- sparkify create-tables --upgrade does the same, and upgrades older tables too, whose names it changes.

-- This waits for a load that is running, and ALTER TABLE for readers of the table too. New ones wait until the COMMIT.
LOCK TABLE load_history IN SHARE ROW EXCLUSIVE MODE;

ALTER TABLE load_history ADD COLUMN kind VARCHAR(16) COLLATE "C" DEFAULT 'log' NOT NULL;
ALTER TABLE load_history ALTER COLUMN kind DROP DEFAULT;
ALTER TABLE load_history ADD COLUMN rejected_records BIGINT;
ALTER TABLE load_history ADD COLUMN rejected_bytes BIGINT;
ALTER TABLE load_history ADD COLUMN loaded_by VARCHAR(128) COLLATE "C";
ALTER TABLE load_history ADD COLUMN load_seconds DOUBLE PRECISION;
