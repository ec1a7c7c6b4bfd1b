#!/usr/bin/env python3
"""Compares the views for analysts, on DuckDB, with the same rows worked out in Python.

    python3 -m venv .venv && .venv/bin/pip install -r tests/duckdb/requirements.txt
    cargo build --release && .venv/bin/python tests/duckdb/views.py target/release/sparkify

The plays are those of the fixtures, then random ones with few distinct times, so that many of them tie, and the longest
range of days that plays can have. The tests in Rust check the same views on PostgreSQL and Redshift.
"""

import argparse
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import duckdb

REPOSITORY = Path(__file__).resolve().parents[2]
VIEWS = REPOSITORY / "sql/analytics/views"
RANDOM_ROUNDS = 150

MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Sunday Monday Tuesday Wednesday Thursday Friday Saturday".split()

TABLES = """
CREATE TABLE songplays (songplay_id BIGINT, start_time TIMESTAMP, user_id INTEGER, level VARCHAR, song_id VARCHAR,
    artist_id VARCHAR, session_id INTEGER, location VARCHAR, user_agent VARCHAR);
CREATE TABLE users (user_id INTEGER, first_name VARCHAR, last_name VARCHAR, gender VARCHAR, level VARCHAR);
CREATE TABLE songs (song_id VARCHAR, title VARCHAR, artist_id VARCHAR, year INTEGER, duration DOUBLE);
CREATE TABLE artists (artist_id VARCHAR, name VARCHAR, location VARCHAR, latitude DOUBLE, longitude DOUBLE);
INSERT INTO users VALUES (1, 'Ada', 'A', 'F', 'paid'), (2, 'Bob', NULL, NULL, 'free'), (3, NULL, 'C', 'F', 'free');
INSERT INTO artists VALUES ('A1', 'One', 'Here', 1, 2), ('A2', 'Two', NULL, NULL, NULL);
INSERT INTO songs VALUES ('S1', 'First', 'A1', 1999, 1), ('S2', 'Second', 'A2', NULL, 2), ('S3', '', 'A2', 0, 3);
"""


class CheckFailed(Exception):
    """A view has other rows than expected."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the sparkify binary")
    sparkify = parser.parse_args().sparkify.resolve()
    try:
        check_fixtures(sparkify)
        check_random_plays()
        check_longest_calendar()
    except CheckFailed as error:
        sys.exit(f"error: {error}")


def check_fixtures(sparkify):
    with tempfile.TemporaryDirectory() as directory:
        fixtures, out = REPOSITORY / "fixtures", Path(directory) / "warehouse"
        inputs = ["--songs", fixtures / "song_data", "--logs", fixtures / "log_data", "--out", out]
        subprocess.run([sparkify, "run", "--quiet", *inputs], check=True)
        query = [sparkify, "query", "top-songs", "--from", out, "--dry-run"]
        script = subprocess.run(query, check=True, stdout=subprocess.PIPE, text=True).stdout
        database = duckdb.connect()
        # Its first statements define the tables as views of the dataset.
        database.execute(script)
        create_views(database)
        plays = check_views(database)
    print(f"views of the {plays} plays of the fixtures are right")


def check_random_plays():
    database = duckdb.connect()
    database.execute(TABLES)
    create_views(database)
    check_views(database)
    numbers = random.Random(18)
    for _ in range(RANDOM_ROUNDS):
        database.execute("DELETE FROM songplays")
        start = datetime(numbers.randint(1890, 2100), 12, numbers.randint(1, 31), 22)
        # From plays at nearly the same time to plays over years.
        step = timedelta(minutes=numbers.choice([1, 30, 600, 20_000]))
        plays = []
        for songplay_id in numbers.sample(range(-50, 50), numbers.randint(1, 40)):
            song, artist = numbers.choice([(None, None), ("S1", "A1"), ("S2", "A2"), ("S3", "A2")])
            time = start + numbers.randint(0, 20) * step
            user, level = numbers.randint(1, 3), numbers.choice(["free", "paid"])
            plays.append([songplay_id, time, user, level, song, artist, numbers.randint(1, 3), "Here", None])
        database.executemany("INSERT INTO songplays VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", plays)
        check_views(database)
    print(f"views of {RANDOM_ROUNDS} random sets of plays are right, and those of no plays are empty")


def check_longest_calendar():
    database = duckdb.connect()
    database.execute(TABLES)
    create_views(database)
    for play, time in enumerate(["0001-01-01 00:00:00", "9999-12-31 23:59:59.999"]):
        database.execute(f"INSERT INTO songplays VALUES ({play}, '{time}', 1, 'free', NULL, NULL, 1, NULL, NULL)")
    check_calendar(database, [(date.min, date.max)])
    print("the calendar of the years 1 to 9999 is right")


def create_views(database):
    for script in sorted(VIEWS.glob("*.sql")):
        # Views of temporary views are temporary.
        database.execute(script.read_text().replace("CREATE OR REPLACE VIEW", "CREATE OR REPLACE TEMP VIEW"))


def check_views(database):
    """Checks all views, and returns the number of plays."""
    plays = rows(database, "SELECT * FROM songplays")
    check(database, "user_level_history", level_history(plays))
    check(database, "sessions", sessions(plays))
    check(database, "plays", plays_with_unknown(database, plays))
    days = [play["start_time"].date() for play in plays]
    check_calendar(database, [(min(days), max(days))] if days else [])
    return len(plays)


def level_history(plays):
    history = []
    for _, of_user in by_key(plays, lambda play: play["user_id"]):
        ordered = sorted(of_user, key=lambda play: (play["start_time"], play["session_id"], play["songplay_id"]))
        periods = [list(period) for _, period in groupby(ordered, key=lambda play: play["level"])]
        for number, period in enumerate(periods):
            following = periods[number + 1 :]
            valid_to = following[0][0]["start_time"] if following else None
            first = period[0]
            history.append(
                (first["user_id"], first["level"], first["start_time"], valid_to, valid_to is None, len(period))
            )
    return history


def sessions(plays):
    result = []
    for (session_id, user_id), of_session in by_key(plays, lambda play: (play["session_id"], play["user_id"])):
        last = max(of_session, key=lambda play: (play["start_time"], play["songplay_id"]))
        times = [play["start_time"] for play in of_session]
        songs = {play["song_id"] for play in of_session} - {None}
        result.append((session_id, user_id, min(times), max(times), len(of_session), len(songs), last["level"]))
    return result


def plays_with_unknown(database, plays):
    users, songs, artists = (
        {row[key]: row for row in rows(database, f"SELECT * FROM {table}")}
        for table, key in [("users", "user_id"), ("songs", "song_id"), ("artists", "artist_id")]
    )
    result = []
    for play in plays:
        user = users[play["user_id"]]
        song = songs.get(play["song_id"], {"song_id": "unknown", "title": "Unknown", "year": None, "duration": None})
        artist = artists.get(play["artist_id"], {"artist_id": "unknown", "name": "Unknown", "location": None})
        result.append(
            (
                *(play[name] for name in ["songplay_id", "start_time", "user_id"]),
                *(user[name] for name in ["first_name", "last_name", "gender"]),
                *(play["level"], user["level"]),
                *(song[name] for name in ["song_id", "title", "year", "duration"]),
                *(artist[name] for name in ["artist_id", "name", "location"]),
                *(play[name] for name in ["session_id", "location", "user_agent"]),
            )
        )
    return result


def check_calendar(database, ranges):
    expected = [
        calendar_row(date.fromordinal(day))
        for first, last in ranges
        for day in range(first.toordinal(), last.toordinal() + 1)
    ]
    actual = database.execute("SELECT * FROM calendar ORDER BY date").fetchall()
    if actual != expected:
        pairs = zip(actual, expected)
        different = next(((a, b) for a, b in pairs if a != b), f"{len(actual)} and {len(expected)} days")
        raise CheckFailed(f"calendar: {different}")


def calendar_row(day):
    iso_year, iso_week, iso_weekday = day.isocalendar()
    weekday = iso_weekday % 7
    year = (day, day.year, iso_year, iso_week)
    month = ((day.month + 2) // 3, day.month, MONTHS[day.month - 1])
    return (*year, *month, day.day, weekday, WEEKDAYS[weekday], iso_weekday > 5)


def rows(database, query):
    result = database.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row)) for row in result.fetchall()]


def by_key(plays, key):
    groups = defaultdict(list)
    for play in plays:
        groups[key(play)].append(play)
    return groups.items()


def check(database, view, expected):
    actual = database.execute(f"SELECT * FROM {view}").fetchall()
    # Rows may be equal, and have nulls.
    actual, expected = sorted(actual, key=repr), sorted(expected, key=repr)
    if actual != expected:
        missing = [row for row in expected if row not in actual]
        surplus = [row for row in actual if row not in expected]
        raise CheckFailed(f"{view}: missing {missing[:3]}, surplus {surplus[:3]}")


if __name__ == "__main__":
    main()
