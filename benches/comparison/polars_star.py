"""Builds the star schema with Polars: a lazy plan for each table, all run together by the streaming engine."""

import os
from glob import iglob
from pathlib import Path

from engine_script import ScriptArgs, print_row_counts

ARGS = ScriptArgs(__doc__)
os.environ["POLARS_MAX_THREADS"] = str(ARGS.threads)

import polars as pl  # noqa: E402, the import reads the variable
from polars import col  # noqa: E402

SONG = {
    "song_id": pl.String,
    "title": pl.String,
    "artist_id": pl.String,
    "artist_name": pl.String,
    "artist_location": pl.String,
    "artist_latitude": pl.Float64,
    "artist_longitude": pl.Float64,
    "year": pl.Int32,
    "duration": pl.Float64,
}
EVENT = {
    "artist": pl.String,
    "firstName": pl.String,
    "gender": pl.String,
    "itemInSession": pl.Int32,
    "lastName": pl.String,
    "length": pl.Float64,
    "level": pl.String,
    "location": pl.String,
    "page": pl.String,
    "sessionId": pl.Int32,
    "song": pl.String,
    "ts": pl.Int64,
    "userAgent": pl.String,
    "userId": pl.String,
}
EVENT_KEY = ("user_id", "ts", "sessionId", "itemInSession")


def read_songs():
    # Concatenating the files first is several times as fast as a scan of many small files.
    files = iglob(ARGS.song_files, recursive=True)
    return pl.read_ndjson(b"\n".join(Path(file).read_bytes() for file in files), schema=SONG).lazy()


def read_events():
    return (
        pl.scan_ndjson(ARGS.log_files, schema=EVENT)
        .filter(col("page") == "NextSong")
        .select(
            pl.exclude("page", "userId"),
            user_id=col("userId").cast(pl.Int32),
            start_time=pl.from_epoch("ts", time_unit="ms").cast(pl.Datetime("us")),
        )
    )


def songplays(songs, events):
    key = ("title", "artist_name", "duration")
    song_ids = songs.sort("song_id", "artist_id").unique(key, keep="first")
    return (
        events.filter(pl.struct(EVENT_KEY).is_first_distinct())
        .join(song_ids, how="left", left_on=("song", "artist", "length"), right_on=key)
        .select(
            "start_time",
            "user_id",
            "level",
            "song_id",
            "artist_id",
            "location",
            songplay_id=pl.struct(EVENT_KEY).hash().reinterpret(signed=True),
            session_id="sessionId",
            user_agent="userAgent",
        )
        .select(
            "songplay_id",
            "start_time",
            "user_id",
            "level",
            "song_id",
            "artist_id",
            "session_id",
            "location",
            "user_agent",
        )
    )


def users(events):
    latest = ("ts", "sessionId", "itemInSession")
    return events.group_by("user_id").agg(
        first_name=col("firstName").sort_by(latest).last(),
        last_name=col("lastName").sort_by(latest).last(),
        gender=col("gender").sort_by(latest).last(),
        level=col("level").sort_by(latest).last(),
    )


def songs_table(songs):
    return (
        songs.select("song_id", "title", "artist_id", "year", "duration")
        .sort("song_id", "title", "artist_id", "year", "duration", nulls_last=True)
        .unique("song_id", keep="first", maintain_order=True)
    )


def artists(songs):
    no_coordinates = col("artist_latitude").is_null() | col("artist_longitude").is_null()
    no_location = col("artist_location").fill_null("") == ""
    return (
        songs.sort("artist_id", no_coordinates, no_location, "song_id", "artist_name")
        .unique("artist_id", keep="first", maintain_order=True)
        .select(
            "artist_id",
            name="artist_name",
            location="artist_location",
            latitude="artist_latitude",
            longitude="artist_longitude",
        )
    )


def time(events):
    at = col("start_time").dt
    return (
        events.select("start_time")
        .unique()
        .select(
            "start_time",
            hour=at.hour().cast(pl.Int16),
            day=at.day().cast(pl.Int16),
            week=at.week().cast(pl.Int16),
            month=at.month().cast(pl.Int16),
            year=at.year().cast(pl.Int16),
            weekday=(at.weekday() % 7).cast(pl.Int16),
        )
    )


def main():
    songs, events = read_songs(), read_events()
    tables = {
        "songplays": songplays(songs, events),
        "users": users(events),
        "songs": songs_table(songs),
        "artists": artists(songs),
        "time": time(events),
    }
    sinks = [
        plan.sink_parquet(ARGS.table_path(table), compression="snappy", lazy=True)
        for table, plan in tables.items()
    ]
    pl.collect_all(sinks, engine="streaming")
    rows = {}
    for table in tables:
        rows[table] = pl.scan_parquet(ARGS.table_path(table)).select(pl.len()).collect().item()
    print_row_counts(rows)


if __name__ == "__main__":
    main()
