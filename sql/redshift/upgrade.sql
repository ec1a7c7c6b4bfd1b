-- Upgrades the tables of version 0.1.0 in Amazon Redshift. All rows stay.
--
-- Usage: psql -v ON_ERROR_STOP=1 -1 -f sql/redshift/upgrade.sql
--
-- Redshift adds one column in a statement. A column that is NOT NULL needs a default, which stays; no load uses it.
--
-- sparkify create-tables --upgrade does the same, and upgrades older tables too, whose names it changes.

-- This waits for a load that is running and for readers of the table. New ones wait until the COMMIT.
LOCK load_history;

ALTER TABLE load_history ADD COLUMN kind VARCHAR(16) DEFAULT 'log' NOT NULL;
ALTER TABLE load_history ADD COLUMN rejected_records BIGINT;
ALTER TABLE load_history ADD COLUMN rejected_bytes BIGINT;
ALTER TABLE load_history ADD COLUMN loaded_by VARCHAR(128);
ALTER TABLE load_history ADD COLUMN load_seconds DOUBLE PRECISION;
