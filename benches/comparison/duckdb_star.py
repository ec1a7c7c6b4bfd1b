"""Builds the star schema with DuckDB: two temporary tables, and a COPY for each output table."""

import duckdb

from engine_script import TABLES, ScriptArgs, print_row_counts

# Each file contains one object, so the text of a file can be parsed as it is. This is ten times as fast as
# read_json, which sets up a scan for every file. The texts must be materialized before they are parsed.
READ_SONGS = """
CREATE TEMP TABLE song AS
WITH object AS MATERIALIZED (SELECT content FROM read_text('{files}'))
SELECT unnest(from_json(content, '{{
    "song_id": "VARCHAR", "title": "VARCHAR", "artist_id": "VARCHAR", "artist_name": "VARCHAR",
    "artist_location": "VARCHAR", "artist_latitude": "DOUBLE", "artist_longitude": "DOUBLE",
    "year": "INTEGER", "duration": "DOUBLE"
}}')) FROM object
"""

READ_SONGS_AS_JSON = """
CREATE TEMP TABLE song AS
SELECT * FROM read_json('{files}', columns = {{
    song_id: 'VARCHAR', title: 'VARCHAR', artist_id: 'VARCHAR', artist_name: 'VARCHAR',
    artist_location: 'VARCHAR', artist_latitude: 'DOUBLE', artist_longitude: 'DOUBLE',
    year: 'INTEGER', duration: 'DOUBLE'
}})
"""

READ_EVENTS = """
CREATE TEMP TABLE event AS
SELECT * EXCLUDE (page) REPLACE (userId::INTEGER AS userId)
FROM read_json('{files}', format = 'newline_delimited', columns = {{
    artist: 'VARCHAR', firstName: 'VARCHAR', gender: 'VARCHAR', itemInSession: 'INTEGER',
    lastName: 'VARCHAR', length: 'DOUBLE', level: 'VARCHAR', location: 'VARCHAR', page: 'VARCHAR',
    sessionId: 'INTEGER', song: 'VARCHAR', ts: 'BIGINT', userAgent: 'VARCHAR', userId: 'VARCHAR'
}})
WHERE page = 'NextSong'
"""

TABLE_QUERIES = {
    "songplays": """
        WITH first_deliveries AS (
            SELECT min(rowid) FROM event GROUP BY userId, ts, sessionId, itemInSession
        ), matches AS (
            SELECT title, artist_name, duration,
                min(struct_pack(song_id := song_id, artist_id := artist_id)) AS ids
            FROM song GROUP BY ALL
        )
        SELECT (hash(userId, ts, sessionId, itemInSession) >> 1)::BIGINT AS songplay_id,
            make_timestamp(ts * 1000) AS start_time, userId AS user_id, level,
            ids.song_id AS song_id, ids.artist_id AS artist_id,
            sessionId AS session_id, location, userAgent AS user_agent
        FROM event LEFT JOIN matches
            ON song = title AND artist = artist_name AND length = matches.duration
        WHERE event.rowid IN (FROM first_deliveries)
    """,
    "users": """
        WITH latest AS (
            SELECT max_by(rowid, (ts, sessionId, itemInSession)) FROM event GROUP BY userId
        )
        SELECT userId AS user_id, firstName AS first_name, lastName AS last_name, gender, level
        FROM event WHERE rowid IN (FROM latest)
    """,
    "songs": """
        SELECT DISTINCT ON (song_id) song_id, title, artist_id, year, duration
        FROM song ORDER BY song_id, title, artist_id, year NULLS LAST, duration
    """,
    "artists": """
        SELECT DISTINCT ON (artist_id) artist_id, artist_name AS name, artist_location AS location,
            artist_latitude AS latitude, artist_longitude AS longitude
        FROM song
        ORDER BY artist_id, artist_latitude IS NULL OR artist_longitude IS NULL,
            coalesce(artist_location, '') = '', song_id, artist_name
    """,
    "time": """
        SELECT start_time, hour(start_time)::SMALLINT AS hour, day(start_time)::SMALLINT AS day,
            week(start_time)::SMALLINT AS week, month(start_time)::SMALLINT AS month,
            year(start_time)::SMALLINT AS year, dayofweek(start_time)::SMALLINT AS weekday
        FROM (SELECT DISTINCT make_timestamp(ts * 1000) AS start_time FROM event)
    """,
}

PARQUET = "(FORMAT parquet, COMPRESSION snappy)"


def main():
    args = ScriptArgs(__doc__)
    read_songs = READ_SONGS_AS_JSON if args.read_json else READ_SONGS
    db = duckdb.connect(config={"threads": args.threads, "preserve_insertion_order": False})
    db.execute(read_songs.format(files=args.song_files))
    db.execute(READ_EVENTS.format(files=args.log_files))
    rows = {}
    for table in TABLES:
        db.execute(f"COPY ({TABLE_QUERIES[table]}) TO '{args.table_path(table)}' {PARQUET}")
        rows[table] = db.fetchone()[0]
    print_row_counts(rows)


if __name__ == "__main__":
    main()
