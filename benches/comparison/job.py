"""The command line and the answer that all peer scripts share."""

import argparse
import json
import os
from pathlib import Path

READ_JSON = "DuckDB: read song files the usual way, by read_json; nothing to the others"
TABLES = ("songplays", "users", "songs", "artists", "time")


class Job:
    """What a peer is asked to do: from which folders, into which, on how many threads."""

    def __init__(self, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("songs", metavar="SONGS_DIR", type=Path)
        parser.add_argument("logs", metavar="LOGS_DIR", type=Path)
        parser.add_argument("out", metavar="OUT_DIR", type=Path)
        parser.add_argument("--threads", metavar="N", type=int, default=os.cpu_count())
        parser.add_argument("--read-json", action="store_true", help=READ_JSON)
        arguments = parser.parse_args()
        self.read_json = arguments.read_json
        self.songs = arguments.songs.resolve()
        self.logs = arguments.logs.resolve()
        self.out = arguments.out.resolve()
        self.threads = arguments.threads
        self.out.mkdir(parents=True, exist_ok=True)

    @property
    def song_files(self):
        """A pattern for all song files."""
        return f"{self.songs}/**/*.json"

    @property
    def log_files(self):
        """A pattern for all log files, plain or gzip compressed."""
        return f"{self.logs}/**/*.json*"

    def table(self, name):
        """The Parquet file (Spark: folder) that a table goes to."""
        return str(self.out / f"{name}.parquet")


def print_rows(rows):
    """Says how many rows each table has, as the one line on stdout."""
    print(json.dumps({table: rows[table] for table in TABLES}))
