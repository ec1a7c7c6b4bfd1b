-- Begins a load into Amazon Redshift: the transaction, its lock and the staging tables.
--
-- Run all files of a load by one call of psql, because they need one session. The first error ends psql. Without
-- commit.sql nothing is changed: run the command without it first, and read the counts.
--
-- Usage:
-- psql -v run=ID \
--     -v iam_role=default \
--     -v artists=s3://BUCKET/PREFIX/ID/artists.manifest \
--     -v songs=s3://BUCKET/PREFIX/ID/songs.manifest \
--     -v users=s3://BUCKET/PREFIX/ID/users.manifest \
--     -v time=s3://BUCKET/PREFIX/ID/time.manifest \
--     -v songplays=s3://BUCKET/PREFIX/ID/songplays.manifest \
--     -v state_users=s3://BUCKET/PREFIX/ID/merge_state/users.manifest \
--     -v state_artists=s3://BUCKET/PREFIX/ID/merge_state/artists.manifest \
--     -v state_songs=s3://BUCKET/PREFIX/ID/merge_state/songs.manifest \
--     -v state_songplays=s3://BUCKET/PREFIX/ID/merge_state/songplays.manifest \
--     -v source_objects=s3://BUCKET/PREFIX/ID/merge_state/source_objects.manifest \
--     -f sql/redshift/stage.sql \
--     -f sql/redshift/copy.sql \
--     -f sql/redshift/count.sql \
--     -f sql/redshift/merge.sql \
--     -f sql/redshift/verify.sql \
--     -f sql/redshift/commit.sql
--
-- ID is the id of the run that wrote the rows, which its report has under run. For rows that are from no run it is any
-- text of at most 64 bytes that load_history does not have yet.
--
-- Each variable of a table is its COPY manifest. The variable iam_role is default or, with quotes of its own, the ARN
-- of a role: -v iam_role="'arn:aws:iam::123456789012:role/NAME'".
--
-- For a full refresh, add -f sql/redshift/refresh.sql after stage.sql.

\set ON_ERROR_STOP on

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
    kind             VARCHAR(16) NOT NULL,
    object           VARCHAR(4096) NOT NULL,
    etag             VARCHAR(256) NOT NULL,
    rows             BIGINT NOT NULL,
    rejected_records BIGINT,
    rejected_bytes   BIGINT
);
