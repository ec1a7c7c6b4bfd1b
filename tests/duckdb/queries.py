#!/usr/bin/env python3
"""Compares the answers of DuckDB to `sparkify query --from OUT --dry-run` with those of PostgreSQL after a load.

    python3 -m venv .venv && .venv/bin/pip install -r tests/duckdb/requirements.txt
    cargo build --release && .venv/bin/python tests/duckdb/queries.py target/release/sparkify

The scripts are piped to the command line of DuckDB, as the documentation says. The servers run only for this test,
which needs no network.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests"))

from servers.moto_s3 import CREDENTIALS, moto_server, without_aws_env
from servers.postgres import ServerFailed, postgres_server

USER, PASSWORD = "analyst", "password of the tests"
NO_LIMIT = ["--limit", "1000000"]
NO_ROWS = ([], {"considered": 0, "in_range": 0})

# Arguments of a query, and those of a query whose result depends on the time zone.
RANGES = [[], ["--since", "2018-11-10", "--until", "2018-11-15 12:30"], ["--since", "2030-01-01"]]
ZONES = [[], ["--tz", "Europe/Berlin"], ["--tz", "America/St_Johns"], ["--tz", "Asia/Kathmandu"]]

# Folders whose names are wildcards, SQL or a partition for DuckDB.
ODD_FOLDERS = ["it's", "a [b] *?", "[[]", "**", "year=2018/level=x", "%20 +&#é", "back\\slash", ";DROP TABLE x;--", "~"]


class CheckFailed(Exception):
    """DuckDB answers otherwise than expected."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the sparkify binary")
    sparkify = parser.parse_args().sparkify.resolve()
    clean_environment()
    try:
        with tempfile.TemporaryDirectory() as directory:
            check = QueryCheck(sparkify, Path(directory))
            with postgres_server(USER, PASSWORD) as port:
                check.answers_equal_those_of_postgres(port)
            check.odd_folders()
            check.tables_without_rows()
            check.database_is_unchanged()
            check.dataset_in_s3()
    except (CheckFailed, ServerFailed) as error:
        sys.exit(f"error: {error}")


def clean_environment():
    """Removes the settings of this machine."""
    for name in list(os.environ):
        if name.upper().startswith(("PG", "SPARKIFY_")):
            del os.environ[name]
    environment = without_aws_env(os.environ)
    os.environ.clear()
    # The result must not depend on the time zone of this machine.
    os.environ.update(environment | {"TZ": "Pacific/Kiritimati"})


class QueryCheck:
    """Datasets below a directory, and the programs that answer from them."""

    def __init__(self, sparkify, directory):
        self.sparkify = sparkify
        self.directory = directory
        self.duckdb = Path(sys.executable).parent / "duckdb"
        # Extensions are found below the home directory.
        self.home = directory / "home"
        for extension in ["aws", "httpfs"]:
            package = Path(find_spec(f"duckdb_extension_{extension}").origin).parent
            for version in (package / "extensions").iterdir():
                target = self.home / ".duckdb/extensions" / version.name / "linux_amd64"
                shutil.copytree(version, target, dirs_exist_ok=True)
        self.queries = [query["name"] for query in json.loads(self.run("query", "--list", "--json"))["queries"]]

    def run(self, *arguments, **variables):
        """Runs sparkify, which must succeed, and returns its stdout."""
        environment = os.environ | {"PGPASSWORD": PASSWORD} | variables
        command = [self.sparkify, *arguments]
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=self.directory)
        if (completed.returncode, completed.stderr) != (0, ""):
            raise CheckFailed(f"{command}: exit code {completed.returncode}: {completed.stderr.strip()}")
        return completed.stdout

    def build(self, out, *more, **variables):
        fixtures = REPOSITORY / "fixtures"
        inputs = ["--songs", fixtures / "song_data", "--logs", fixtures / "log_data", "--out", out]
        self.run("run", "--quiet", *inputs, *more, **variables)

    def script(self, query, out, *arguments, **variables):
        return self.run("query", query, "--from", out, "--dry-run", *arguments, **variables)

    def answer(self, script, *duckdb_arguments, **variables):
        """Returns the rows and the coverage that a script prints in DuckDB."""
        command = [self.duckdb, "-bail", "-json", *duckdb_arguments]
        environment = os.environ | {"HOME": str(self.home)} | variables
        completed = subprocess.run(
            command, input=script, env=environment, capture_output=True, text=True, cwd=self.home
        )
        if (completed.returncode, completed.stderr) != (0, ""):
            raise CheckFailed(f"DuckDB: {completed.stderr.strip()}\n{script}")
        results = parse_documents(completed.stdout)
        # DuckDB prints [{] for no rows in this format.
        *rows, coverage = results
        return texts(rows[-1] if rows else []), coverage[0]

    def answers_equal_those_of_postgres(self, port):
        url = f"postgres://{USER}@127.0.0.1:{port}/postgres?sslmode=disable"
        self.run("create-tables", "--quiet", "--warehouse", url)
        # Runs with a warehouse are kept side by side: latest.json names the newest.
        self.build("runs", "--warehouse", url)
        count = 0
        for query in self.queries:
            for times, arguments in self.variants(query):
                loaded = self.run("query", query, "--json", *arguments, "--warehouse", url)
                loaded = json.loads(loaded, parse_float=Decimal)
                expected = texts(loaded["rows"]), loaded["coverage"]
                actual = self.answer(self.script(query, "runs", *arguments))
                assert_equal(f"{query} {arguments}", actual, expected)
                count += 1
                if times == [] and not loaded["rows"]:
                    raise CheckFailed(f"{query} has no rows")
        print(f"DuckDB and PostgreSQL agree on {count} answers")

    def variants(self, query):
        """Yields times, and the arguments that have them."""
        limit = NO_LIMIT if query.startswith("top-") or query in LIMITED else []
        for times in RANGES:
            for zone in ZONES if query in ZONED else ZONES[:1]:
                yield times, [*times, *zone, *limit]

    def odd_folders(self):
        self.build("plain")
        # The levels must not be those in the name of a folder.
        query = "free-and-paid-by-month"
        expected = self.answer(self.script(query, "plain"))
        # The rows of a folder that a wildcard matches would be counted, too.
        shutil.copytree(self.directory / "plain", self.directory / "a b xy" / "star")
        for folder in ODD_FOLDERS:
            shutil.copytree(self.directory / "plain", self.directory / folder / "star")
            actual = self.answer(self.script(query, f"./{folder}/star"))
            assert_equal(f"folder {folder}", actual, expected)
        print(f"{len(ODD_FOLDERS)} odd folders are read")

    def tables_without_rows(self):
        logs = self.directory / "no_plays"
        logs.mkdir()
        (logs / "a.json").write_text('{"page":"Home","ts":1541000000000,"userId":"1","sessionId":1}\n')
        inputs = ["--songs", REPOSITORY / "fixtures/song_data", "--logs", logs, "--out", "empty"]
        command = [self.sparkify, "run", "--quiet", "--allow-empty", *inputs]
        # It warns that there are no plays.
        subprocess.run(command, check=True, capture_output=True, cwd=self.directory)
        for query in self.queries:
            actual = self.answer(self.script(query, "empty"))
            assert_equal(f"{query} without plays", actual, NO_ROWS)
        # Without any file of a table, its columns must be there nevertheless.
        report = json.loads((self.directory / "empty/_report.json").read_text())
        for table in report["tables"]:
            (self.directory / "empty" / table / "part-00000.parquet").unlink()
            report["tables"][table] = {"rows": 0, "files": 0, "bytes": 0}
        (self.directory / "empty/_report.json").write_text(json.dumps(report))
        for query in self.queries:
            assert_equal(f"{query} without files", self.answer(self.script(query, "empty")), NO_ROWS)
        print("queries about no plays have no rows")

    def database_is_unchanged(self):
        """The script leaves nothing in a database, and is not misled by tables of the same names in it."""
        database = self.directory / "own.duckdb"
        setup = "CREATE TABLE songplays (a INT); CREATE VIEW users AS SELECT 7 AS b; SELECT 1 AS one; SELECT 1 AS one"
        self.answer(setup, database)
        expected = self.answer(self.script("busiest-users", "plain"))
        assert_equal("answer", self.answer(self.script("busiest-users", "plain"), database), expected)
        objects = "SELECT count(*) AS n FROM duckdb_views() WHERE NOT internal UNION ALL SELECT count(*) FROM duckdb_tables()"
        assert_equal("objects", self.answer(f"{objects}; SELECT 1 AS one", database)[0], [{"n": "1"}, {"n": "1"}])
        print("the database of the user is unchanged")

    def dataset_in_s3(self):
        import boto3

        with moto_server() as endpoint:
            credentials = CREDENTIALS | {"AWS_ENDPOINT_URL_S3": endpoint}
            client = boto3.client(
                "s3",
                endpoint_url=endpoint,
                region_name=CREDENTIALS["AWS_REGION"],
                aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            )
            client.create_bucket(Bucket="music")
            for prefix in ["star", "it's a [b] *", "year=2018"]:
                out = f"s3://music/{prefix}/star"
                self.build(out, **credentials)
                expected = self.answer(self.script("top-songs", "plain"))
                script = self.script("top-songs", out, **credentials)
                assert_equal(out, self.answer(script, **CREDENTIALS), expected)
        print("datasets in S3 are read")


LIMITED = ["plays-by-location", "plays-by-user-agent", "busiest-users"]
ZONED = [
    "plays-by-hour",
    "plays-by-weekday",
    "plays-by-hour-and-weekday",
    "match-rate",
    "free-and-paid-by-day",
    "free-and-paid-by-month",
    "busiest-users",
]


def parse_documents(text):
    """Returns the JSON documents in a text, one after the other."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    documents, position = [], 0
    text = text.replace("[{]", "[]")
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        document, position = decoder.raw_decode(text, position)
        documents.append(document)
    return documents


def texts(rows):
    """Returns the rows with all numbers as texts, because DuckDB prints decimal numbers so."""
    return [{name: value if value is None else str(value) for name, value in row.items()} for row in rows]


def assert_equal(what, actual, expected):
    if actual != expected:
        raise CheckFailed(f"{what}: expected {expected}, found {actual}")


if __name__ == "__main__":
    main()
