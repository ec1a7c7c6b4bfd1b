"""The command line and the output format that all engine scripts share."""

import argparse
import json
import os
from pathlib import Path

READ_JSON_HELP = "DuckDB: read song files by read_json too; the other engines ignore this flag"
TABLES = ("songplays", "users", "songs", "artists", "time")


class ScriptArgs:
    """The arguments of an engine script: input directories, output directory and threads."""

    def __init__(self, description):
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("songs", metavar="SONGS_DIR", type=Path)
        parser.add_argument("logs", metavar="LOGS_DIR", type=Path)
        parser.add_argument("out", metavar="OUT_DIR", type=Path)
        parser.add_argument("--threads", metavar="N", type=int, default=os.cpu_count())
        parser.add_argument("--read-json", action="store_true", help=READ_JSON_HELP)
        arguments = parser.parse_args()
        self.read_json = arguments.read_json
        self.songs = arguments.songs.resolve()
        self.logs = arguments.logs.resolve()
        self.out = arguments.out.resolve()
        self.threads = arguments.threads
        self.out.mkdir(parents=True, exist_ok=True)

    @property
    def song_files(self):
        """A glob for all song files."""
        return f"{self.songs}/**/*.json"

    @property
    def log_files(self):
        """A glob for all log files, plain or compressed with gzip."""
        return f"{self.logs}/**/*.json*"

    def table_path(self, name):
        """Returns the Parquet file (Spark: directory) of a table."""
        return str(self.out / f"{name}.parquet")


def print_row_counts(rows):
    """Prints the row count of each table as one line of JSON."""
    print(json.dumps({table: rows[table] for table in TABLES}))
