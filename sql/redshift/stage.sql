-- Begins a load into Amazon Redshift: the transaction, its lock and the tables that the rows come to first.
--
-- By hand, all in one session: psql -v run=ID -v iam_role=default -v songplays=s3://.../songplays.manifest
-- (and so on for each :'name' in copy.sql) -f sql/redshift/stage.sql -f sql/redshift/copy.sql
-- -f sql/redshift/merge.sql

BEGIN;

-- One load at a time: the others wait here, before they have looked at anything. The lock must be what the
-- transaction begins with, or what it saw before could be out of date ("Serializable isolation violation").
LOCK load_history;

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
