-- Begins a load into Amazon Redshift: the transaction, its lock and the staging tables.
--
-- Run everything in one session, with a -v for each :'name' in copy.sql.
--
-- Usage: psql -v run=ID -v iam_role=default -v songplays=s3://.../songplays.manifest ...
-- -f sql/redshift/stage.sql -f sql/redshift/copy.sql -f sql/redshift/merge.sql

BEGIN;

-- Only one load runs at a time, and the others wait here. The lock must be the first statement of the transaction: data
-- that was read before the lock could be out of date ("Serializable isolation violation").
LOCK load_history;

-- The staging tables have the columns of the Parquet files, in the same order.
CREATE TEMP TABLE staged_artists (LIKE artists);
CREATE TEMP TABLE staged_songs (LIKE songs);
CREATE TEMP TABLE staged_users (LIKE users);
CREATE TEMP TABLE staged_time (LIKE time);
CREATE TEMP TABLE staged_songplays (LIKE songplays);
CREATE TEMP TABLE staged_state_users (LIKE state_users);
CREATE TEMP TABLE staged_state_artists (LIKE state_artists);
CREATE TEMP TABLE staged_state_songs (LIKE state_songs);
CREATE TEMP TABLE staged_state_songplays (LIKE state_songplays);
CREATE TEMP TABLE staged_source_objects (
    object VARCHAR(4096) NOT NULL,
    etag   VARCHAR(256) NOT NULL,
    rows   BIGINT NOT NULL
);
