"""Builds the star schema with Spark (PySpark, local[N]): two cached data frames, and a write for each table."""

from pyspark.sql import Observation, SparkSession
from pyspark.sql import functions as F

from engine_script import TABLES, ScriptArgs, print_row_counts

SONG = """
    song_id string, title string, artist_id string, artist_name string, artist_location string,
    artist_latitude double, artist_longitude double, year int, duration double
"""
EVENT = """
    artist string, firstName string, gender string, itemInSession int, lastName string,
    length double, level string, location string, page string, sessionId int, song string,
    ts bigint, userAgent string, userId string
"""

TABLE_QUERIES = {
    "songplays": """
        WITH matches AS (
            SELECT title, artist_name, duration, min(struct(song_id, artist_id)) AS ids
            FROM song GROUP BY ALL
        )
        SELECT xxhash64(user_id, ts, sessionId, itemInSession) AS songplay_id, start_time, user_id,
            level, ids.song_id, ids.artist_id, sessionId AS session_id, location,
            userAgent AS user_agent
        FROM distinct_event LEFT JOIN matches
            ON song = title AND artist = artist_name AND length = duration
    """,
    "users": """
        SELECT user_id, latest.* FROM (
            SELECT user_id, max_by(
                struct(firstName AS first_name, lastName AS last_name, gender, level),
                struct(ts, sessionId, itemInSession)
            ) AS latest
            FROM event GROUP BY user_id
        )
    """,
    "songs": """
        SELECT song_id, first.title, first.artist_id, first.year, first.duration FROM (
            SELECT song_id, min(struct(title, artist_id, year IS NULL, year, duration)) AS first
            FROM song GROUP BY song_id
        )
    """,
    "artists": """
        SELECT artist_id, first.* FROM (
            SELECT artist_id, min_by(
                struct(artist_name AS name, artist_location AS location,
                    artist_latitude AS latitude, artist_longitude AS longitude),
                struct(artist_latitude IS NULL OR artist_longitude IS NULL,
                    coalesce(artist_location, '') = '', song_id, artist_name)
            ) AS first
            FROM song GROUP BY artist_id
        )
    """,
    "time": """
        SELECT start_time, smallint(hour(start_time)) AS hour, smallint(day(start_time)) AS day,
            smallint(weekofyear(start_time)) AS week, smallint(month(start_time)) AS month,
            smallint(year(start_time)) AS year, smallint(dayofweek(start_time) - 1) AS weekday
        FROM (SELECT DISTINCT start_time FROM event)
    """,
}


def start_session(threads):
    return (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", "4g")
        .config("spark.log.level", "ERROR")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.session.timeZone", "UTC")
        # Tuned for one machine: no more shuffle partitions than threads, and no cost for opening small files.
        .config("spark.sql.shuffle.partitions", threads)
        .config("spark.sql.files.openCostInBytes", 4096)
        .config("spark.sql.parquet.compression.codec", "snappy")
        .getOrCreate()
    )


def read_json(spark, directory, schema):
    files = spark.read.schema(schema).option("recursiveFileLookup", True)
    return files.json(str(directory))


def main():
    args = ScriptArgs(__doc__)
    spark = start_session(args.threads)
    songs = read_json(spark, args.songs, SONG).cache()
    events = (
        read_json(spark, args.logs, EVENT)
        .where("page = 'NextSong'")
        .withColumn("user_id", F.expr("int(userId)"))
        .withColumn("start_time", F.expr("timestamp_millis(ts)::timestamp_ntz"))
        .drop("page", "userId")
        .cache()
    )
    songs.createOrReplaceTempView("song")
    events.createOrReplaceTempView("event")
    event_key = ["user_id", "ts", "sessionId", "itemInSession"]
    events.dropDuplicates(event_key).createOrReplaceTempView("distinct_event")

    rows = {}
    for table in TABLES:
        row_count = Observation()
        frame = spark.sql(TABLE_QUERIES[table]).observe(row_count, F.count(F.lit(1)).alias("rows"))
        frame.write.mode("overwrite").parquet(args.table_path(table))
        rows[table] = row_count.get["rows"]
    spark.stop()
    print_row_counts(rows)


if __name__ == "__main__":
    main()
