#!/usr/bin/env python3
"""Runs the dbt sources that sparkify generates on a loaded PostgreSQL: dbt parse, dbt test and dbt source freshness.

    python3 -m venv .venv && .venv/bin/pip install -r tests/dbt/requirements.txt
    cargo build --release && .venv/bin/python tests/dbt/sources.py target/release/sparkify

It starts a PostgreSQL server of its own and needs no network.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests"))

from servers.postgres import ServerFailed, postgres_server

USER, PASSWORD = "analyst", "password of the tests"

# Not the schema that is the default, so that the variable has an effect.
SCHEMA = "music"

# 5 primary keys, 5 references, and 25 columns that are never null.
EXPECTED_TESTS = 36

PROJECT = f"""
name: analytics
version: "1.0"
config-version: 2
profile: analytics
model-paths: [models]
vars:
  sparkify_schema: {SCHEMA}
"""

# Tests of sources need no schema of dbt, so there is none. Nothing connects to Redshift: dbt only parses for it.
PROFILE = """
analytics:
  target: postgres
  outputs:
    postgres: &connection
      type: postgres
      host: 127.0.0.1
      port: {port}
      user: {user}
      password: "{password}"
      dbname: postgres
      schema: dbt
      threads: 4
    redshift:
      <<: *connection
      type: redshift
"""

# A model as an analyst would write it: it refers to the sources.
MODEL = """
select users.level, count(*) as plays
from {{ source('sparkify', 'songplays') }} songplays
join {{ source('sparkify', 'users') }} users using (user_id)
group by users.level
"""


class CheckFailed(Exception):
    """dbt or sparkify did something else than expected."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the sparkify binary")
    sparkify = parser.parse_args().sparkify.resolve()
    clean_environment()
    try:
        with tempfile.TemporaryDirectory() as directory, postgres_server(USER, PASSWORD) as port:
            check_sources(sparkify, Path(directory), port)
    except (CheckFailed, ServerFailed) as error:
        sys.exit(f"error: {error}")


def clean_environment():
    """Removes the settings of this machine, and turns off what dbt would send and ask over the network."""
    for name in list(os.environ):
        if name.upper().startswith(("PG", "DBT_", "SPARKIFY_", "AWS_")):
            del os.environ[name]
    os.environ |= {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1", "DBT_VERSION_CHECK": "false"}


def check_sources(sparkify, directory, port):
    import psycopg2

    database = psycopg2.connect(host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres")
    database.autocommit = True
    sql = database.cursor()
    sql.execute(f"CREATE SCHEMA {SCHEMA}; ALTER ROLE {USER} SET search_path = {SCHEMA}")
    url = f"postgres://{USER}@127.0.0.1:{port}/postgres?sslmode=disable"
    load_fixtures(sparkify, directory / "warehouse", url)
    project = DbtProject(directory / "project", port, run_sparkify(sparkify, "schema", "--format", "dbt"))
    schema = json.loads(run_sparkify(sparkify, "schema", "--format", "json"))

    for target in ["redshift", "postgres"]:
        project.parse(target)
    project.check_descriptions(schema)
    tests = expected_tests(schema)
    assert_equal("results of the tests", project.test(), {name: "pass" for name in tests})
    assert_equal("freshness after a load", project.freshness(), {"load_history": "pass"})
    print(f"dbt parses the sources, and their {len(tests)} tests pass")

    search_path = f"SET search_path = {SCHEMA}; "
    sql.execute(search_path + "UPDATE load_history SET loaded_at = loaded_at - interval '37 hours'")
    assert_equal("freshness after 37 hours", project.freshness(), {"load_history": "warn"})
    sql.execute(search_path + "UPDATE load_history SET loaded_at = loaded_at - interval '36 hours'")
    assert_equal("freshness after 73 hours", project.freshness(), {"load_history": "error"})
    sql.execute(
        search_path
        + """
        ALTER TABLE songplays DROP CONSTRAINT songplays_user;
        UPDATE songplays SET user_id = -1
            WHERE songplay_id = (SELECT min(songplay_id) FROM songplays);
        ALTER TABLE users DROP CONSTRAINT users_pkey;
        INSERT INTO users SELECT * FROM users WHERE user_id = (SELECT min(user_id) FROM users);
        ALTER TABLE time ALTER week DROP NOT NULL;
        UPDATE time SET week = NULL WHERE start_time = (SELECT min(start_time) FROM time);
        """
    )
    broken = {("songplays", "user_id", "relationships"), ("users", "user_id", "unique"), ("time", "week", "not_null")}
    expected = {name: "fail" if name in broken else "pass" for name in tests}
    assert_equal("results of the tests with broken rows", project.test(), expected)
    print("dbt reports stale loads, and rows that are broken")
    database.close()


def load_fixtures(sparkify, out, url):
    fixtures = REPOSITORY / "fixtures"
    inputs = ["--songs", fixtures / "song_data", "--logs", fixtures / "log_data"]
    run_sparkify(sparkify, "create-tables", "--quiet", "--warehouse", url)
    run_sparkify(sparkify, "run", "--quiet", *inputs, "--out", out, "--warehouse", url)


def run_sparkify(sparkify, *arguments):
    """Runs sparkify, which must succeed, and returns its stdout."""
    command = [sparkify, *arguments]
    environment = os.environ | {"PGPASSWORD": PASSWORD}
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if (completed.returncode, completed.stderr) != (0, ""):
        raise CheckFailed(f"sparkify {arguments[0]}: exit code {completed.returncode}: {completed.stderr.strip()}")
    return completed.stdout


def expected_tests(schema):
    """Returns the tests that follow from the keys, references and nulls of the model: table, column and kind."""
    names = set()
    for table in schema["tables"]:
        if table["kind"] == "merge_state":
            continue
        not_null = [column["name"] for column in table["columns"] if not column["nullable"]]
        names |= {(table["name"], column, "not_null") for column in not_null}
        names |= {(table["name"], reference["column"], "relationships") for reference in table["references"]}
        if len(table["primary_key"]) == 1:
            names.add((table["name"], table["primary_key"][0], "unique"))
    assert_equal("number of tests of the model", len(names), EXPECTED_TESTS)
    return names


class DbtProject:
    """A dbt project with the generated sources and a model. Nothing in it may cause a warning."""

    def __init__(self, directory, port, sources):
        self.directory = directory
        (directory / "models").mkdir(parents=True)
        (directory / "dbt_project.yml").write_text(PROJECT)
        (directory / "profiles.yml").write_text(PROFILE.format(port=port, user=USER, password=PASSWORD))
        (directory / "models/sparkify.yml").write_text(sources)
        (directory / "models/plays_by_level.sql").write_text(MODEL)

    def parse(self, target):
        """Parses the project, in which a deprecated property is an error. For Redshift dbt also checks unknown ones."""
        result = self.invoke("parse", "--no-partial-parse", "--target", target)
        if not result.success:
            raise CheckFailed(f"dbt parse for {target}: {result.exception}")
        self.sources = {node.name: node for node in result.result.sources.values()}

    def check_descriptions(self, schema):
        """Checks that the YAML has the tables and columns of the model with their types and descriptions."""
        expected = {
            table["name"]: [(column["name"], column["type"], column["description"]) for column in table["columns"]]
            for table in schema["tables"]
            if table["kind"] != "merge_state"
        }
        actual = {
            name: [(column.name, column.data_type, column.description) for column in source.columns.values()]
            for name, source in self.sources.items()
        }
        assert_equal("columns of the sources", actual, expected)

    def test(self):
        """Tests the sources, and returns the status of each test by table, column and kind."""
        result = self.invoke("test", "--select", "source:*")
        if result.exception:
            raise CheckFailed(f"dbt test: {result.exception}")
        return {test_name(run.node): str(run.status) for run in result.result.results}

    def freshness(self):
        """Checks how old the newest load is, and returns the status of each table with a limit."""
        result = self.invoke("source", "freshness", warn_error=False)
        if result.exception:
            raise CheckFailed(f"dbt source freshness: {result.exception}")
        return {run.node.name: str(run.status) for run in result.result.results}

    def invoke(self, *arguments, warn_error=True):
        from dbt.cli.main import dbtRunner

        options = ["--quiet", "--log-level", "none", "--log-level-file", "none"] + ["--warn-error"] * warn_error
        directory = ["--project-dir", str(self.directory), "--profiles-dir", str(self.directory)]
        return dbtRunner().invoke([*options, *arguments, *directory])


def test_name(node):
    """Returns the table that has the test, its column, and the kind of the test."""
    # A reference names two sources. The one that has the test is in a call of source().
    _, table = re.search(r"source\('(\w+)', '(\w+)'\)", node.test_metadata.kwargs["model"]).groups()
    return (table, node.column_name, node.test_metadata.name)


def assert_equal(what, actual, expected):
    if actual != expected:
        raise CheckFailed(f"{what}: expected {expected}, found {actual}")


if __name__ == "__main__":
    main()
