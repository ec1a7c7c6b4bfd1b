"""Builds the star schema with ClickHouse (chDB): two tables in memory, and an INSERT into a file for each table."""

from chdb import session

from engine_script import TABLES, ScriptArgs, print_row_counts

# The blocks are small, because a whole block is allocated for every file, however small the file is.
READ_SONGS = """
CREATE TABLE song ENGINE = Memory AS SELECT * FROM file('{files}', JSONEachRow, '
    song_id String, title String, artist_id String, artist_name String,
    artist_location Nullable(String),
    artist_latitude Nullable(Float64), artist_longitude Nullable(Float64),
    year Nullable(Int32), duration Float64
')
SETTINGS max_block_size = 64
"""

READ_EVENTS = """
CREATE TABLE event ENGINE = Memory AS
SELECT * EXCEPT (page, userId), toInt32(userId) AS user_id FROM file('{files}', JSONEachRow, '
    artist Nullable(String), firstName Nullable(String), gender Nullable(String),
    itemInSession Int32, lastName Nullable(String), length Nullable(Float64), level String,
    location Nullable(String), page String, sessionId Int32, song Nullable(String), ts Int64,
    userAgent Nullable(String), userId String
')
WHERE page = 'NextSong'
"""

TABLE_QUERIES = {
    "songplays": """
        SELECT reinterpretAsInt64(cityHash64(e.user_id, ts, sessionId, itemInSession))
                AS songplay_id,
            fromUnixTimestamp64Micro(ts * 1000, 'UTC') AS start_time, e.user_id AS user_id,
            e.level AS level, k.song_id AS song_id, k.artist_id AS artist_id,
            sessionId AS session_id, e.location AS location, userAgent AS user_agent
        FROM (SELECT * FROM event LIMIT 1 BY user_id, ts, sessionId, itemInSession) AS e
        LEFT JOIN (
            SELECT title, artist_name, duration, song_id, artist_id FROM song
            ORDER BY song_id, artist_id LIMIT 1 BY title, artist_name, duration
        ) AS k ON e.song = k.title AND e.artist = k.artist_name AND e.length = k.duration
    """,
    "users": """
        SELECT user_id, firstName AS first_name, lastName AS last_name, gender, level
        FROM event ORDER BY ts DESC, sessionId DESC, itemInSession DESC LIMIT 1 BY user_id
    """,
    "songs": """
        SELECT song_id, title, artist_id, year, duration
        FROM song ORDER BY song_id, title, artist_id, year NULLS LAST, duration LIMIT 1 BY song_id
    """,
    "artists": """
        SELECT artist_id, artist_name AS name, artist_location AS location,
            artist_latitude AS latitude, artist_longitude AS longitude
        FROM song
        ORDER BY artist_id, isNull(artist_latitude) OR isNull(artist_longitude),
            empty(ifNull(artist_location, '')), song_id, artist_name
        LIMIT 1 BY artist_id
    """,
    "time": """
        SELECT start_time, toInt16(toHour(start_time)) AS hour,
            toInt16(toDayOfMonth(start_time)) AS day, toInt16(toISOWeek(start_time)) AS week,
            toInt16(toMonth(start_time)) AS month, toInt16(toYear(start_time)) AS year,
            toInt16(toDayOfWeek(start_time, 2)) AS weekday
        FROM (SELECT DISTINCT fromUnixTimestamp64Micro(ts * 1000, 'UTC') AS start_time FROM event)
    """,
}

# The other engines write no bloom filters.
SETTINGS = """
SET max_threads = {threads}, max_insert_threads = {threads}, join_use_nulls = 1,
    engine_file_truncate_on_insert = 1,
    output_format_parquet_compression_method = 'snappy',
    output_format_parquet_write_bloom_filter = 0
"""


def main():
    args = ScriptArgs(__doc__)
    with session.Session() as db:
        db.query("CREATE DATABASE star")
        db.query("USE star")
        db.query(SETTINGS.format(threads=args.threads))
        db.query(READ_SONGS.format(files=args.song_files))
        db.query(READ_EVENTS.format(files=args.log_files))
        rows = {}
        for table in TABLES:
            file = f"file('{args.table_path(table)}', Parquet)"
            db.query(f"INSERT INTO FUNCTION {file} {TABLE_QUERIES[table]}")
            rows[table] = int(str(db.query(f"SELECT count() FROM {file}")))
    print_row_counts(rows)


if __name__ == "__main__":
    main()
