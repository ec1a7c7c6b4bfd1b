#!/usr/bin/env python3
"""Checks the SQL of this repository with the grammars of sqlfluff for Redshift and PostgreSQL.

    python3 -m venv .venv && .venv/bin/pip install -r tests/sql/requirements.txt
    cargo build --release && .venv/bin/python tests/sql/lint.py --sparkify target/release/sparkify

Keywords that the grammar accepts although Redshift does not are searched for (UNSUPPORTED_KEYWORDS). The program
first tests itself: it must reject each line of INVALID_SQL and accept each line of VALID_SQL.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

from sqlfluff.core import FluffConfig, Linter

REPOSITORY = Path(__file__).resolve().parents[2]
SQL = REPOSITORY / "sql"

# The dialects that the scripts of a directory must follow.
DIALECTS_BY_DIR = {
    "redshift": ["redshift"],
    "transform": ["redshift"],
    "postgres": ["postgres"],
    "analytics": ["redshift", "postgres"],
    "views": ["redshift", "postgres"],
    "operations": ["redshift", "postgres"],
}

# As psql replaces them: :'name' by a literal, :name by the text itself.
PLACEHOLDER = re.compile(r"(?<!:):('?)([a-z_]+)\1")
PLACEHOLDER_VALUES = {
    "run": "20261121T104114123Z-3f9a2c01",
    "since": "2018-11-01 00:00:00",
    "until": "2018-12-01 00:00:00",
    "tz": "UTC",
    "limit": "10",
    "iam_role": "default",
}

# A command of psql, which is not SQL.
PSQL_COMMAND = re.compile(r"^\\.*$", re.MULTILINE)

# Keywords that sqlfluff accepts for Redshift. The documentation of Redshift lists each as unsupported, or says that
# it ends the transaction of a load.
UNSUPPORTED_KEYWORDS = [
    "DISTINCT ON (",
    "FILTER (",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
    "ON CONFLICT",
    "RETURNING",
    "ON COMMIT",
    "LATERAL",
    "GENERATE_SERIES",
    "SAVEPOINT",
    "TRUNCATE",
]

# Those of them that only a COPY of Parquet does not have.
UNSUPPORTED_PARQUET_KEYWORDS = ["MAXERROR", "REGION"]

INVALID_SQL = {
    "redshift": [
        "CREATE TABLE t (a INT) DISTSTYLE SOMETIMES;",
        "CREATE TABLE t (a INT) SORTKEY a;",
        "CREATE TABLE t (a INT ENCODE FAST);",
        "CREATE TEMP TABLE t (LIKE u) ON COMMIT DROP;",
        "COPY t FRM 's3://x';",
        "COPY t FROM 's3://x' IAM_ROLE default FORMAT AS PARKET MANIFEST;",
        "COPY t FROM 's3://x' IAM_ROLE default FORMAT AS PARQUET MANIFEST MAXERROR 3;",
        "COPY t FROM 's3://x' IAM_ROLE default FORMAT AS PARQUET MANIFEST REGION 'eu-west-1';",
        "COPY t FROM STDIN WITH (FORMAT \"binary\");",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;",
        "INSERT INTO t VALUES (1) RETURNING a;",
        "SELECT DISTINCT ON (a) a, b FROM t;",
        "SELECT COUNT(*) FILTER (WHERE a > 1) FROM t;",
        "SELECT a IS DISTINCT FROM b FROM t;",
        "TRUNCATE t;",
        "LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE;",
        "SELECT FROM WHERE;",
        "SELECT (a FROM t;",
        "SELECT 'a FROM t;",
        "GRUMBLE;",
        ":'since';",
        "",
    ],
    "postgres": [
        "CREATE TABLE t (a INT) DISTSTYLE ALL;",
        "COPY t FROM 's3://x' IAM_ROLE default FORMAT AS PARQUET MANIFEST;",
        "SELECT FROM WHERE GROUP;",
        "GRUMBLE;",
        "-- nothing but a comment\n",
        "\\set nothing but a command of psql\n",
    ],
}

VALID_SQL = {
    "redshift": [
        "COPY t (a) FROM :'songs' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;",
        "COPY t FROM 's3://x' IAM_ROLE default FORMAT AS JSON 'auto' MANIFEST GZIP REGION 'eu-west-1' MAXERROR 3;",
        "SELECT 'FILTER (' AS a, b::INT FROM t; -- TRUNCATE t",
        "BEGIN; LOCK t; CREATE TEMP TABLE u (LIKE t); COMMIT;",
        "-- comment\n\n\\set ON_ERROR_STOP on\n\nCOMMIT;\n",
    ],
    "postgres": [
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;",
        "CREATE TEMP TABLE u (LIKE t) ON COMMIT DROP;",
    ],
}


class DialectLinter:
    """Checks scripts in one dialect of SQL."""

    def __init__(self, dialect):
        self.dialect = dialect
        overrides = {"dialect": dialect, "templater": "raw", "large_file_skip_byte_limit": 0}
        self.linter = Linter(config=FluffConfig(overrides=overrides))

    def lint(self, sql):
        """Returns the errors of a script, one line each."""
        sql = PSQL_COMMAND.sub("", sql)
        parsed = self.linter.parse_string(PLACEHOLDER.sub(placeholder_value, sql))
        # Sections that sqlfluff cannot parse are among the violations.
        if parsed.violations:
            return [violation.desc() for violation in parsed.violations]
        tree = parsed.root_variant() and parsed.tree
        if not tree or not any(tree.recursive_crawl("statement")):
            return ["no statement found"]
        if self.dialect != "redshift":
            return []
        errors = []
        for statement in tree.recursive_crawl("statement"):
            code = (segment for segment in statement.raw_segments if segment.is_code)
            words = " ".join("''" if s.is_type("quoted_literal") else s.raw.upper() for s in code)
            unsupported = list(UNSUPPORTED_KEYWORDS)
            if " PARQUET " in f" {words} ":
                unsupported += UNSUPPORTED_PARQUET_KEYWORDS
            errors += [f"Redshift does not support {word}" for word in unsupported if f" {word} " in f" {words} "]
        return errors


def placeholder_value(match):
    quoted, name = match.groups()
    # All other placeholders are the manifests of tables.
    value = PLACEHOLDER_VALUES.get(name, f"s3://bucket/dataset/{name}.manifest")
    return f"'{value}'" if quoted else value


def main():
    options = parse_args()
    linters = {dialect: DialectLinter(dialect) for dialect in ["redshift", "postgres"]}
    failures = self_test(linters)
    count = 0
    generated = generated_scripts(options.sparkify, options.dataset)
    for dialect, name, sql in [*repository_scripts(), *options.scripts, *generated]:
        count += 1
        for error in linters[dialect].lint(sql):
            failures.append(f"{name} ({dialect}): {error}")
    for line in failures:
        print(line, file=sys.stderr)
    if failures:
        sys.exit(1)
    print(f"{count} scripts are valid in their dialects")


def self_test(linters):
    """Returns the invalid statements that are accepted, and the valid ones that are rejected."""
    false_negatives = [
        f"self-test: invalid {dialect} accepted: {sql!r}"
        for dialect, lines in INVALID_SQL.items()
        for sql in lines
        if not linters[dialect].lint(sql)
    ]
    false_positives = [
        f"self-test: valid {dialect} rejected: {sql!r}: {error}"
        for dialect, lines in VALID_SQL.items()
        for sql in lines
        for error in linters[dialect].lint(sql)
    ]
    return false_negatives + false_positives


def repository_scripts():
    """Returns the scripts in sql/, once for each dialect that they must follow."""
    for path in sorted(SQL.rglob("*.sql")):
        for dialect in DIALECTS_BY_DIR[path.parent.relative_to(SQL).name]:
            yield dialect, path.relative_to(REPOSITORY), path.read_text()


def generated_scripts(sparkify, dataset):
    """Returns the SQL that sparkify generates, which does not need a connection."""
    if sparkify is None:
        return
    for saved_query in json.loads(run_sparkify(sparkify, "query", "--list", "--json"))["queries"]:
        query = ["query", saved_query["name"], "--since", "2018-11-15T10:00+01:00", "--dry-run"]
        sql = run_sparkify(sparkify, *query)
        for dialect in DIALECTS_BY_DIR["analytics"]:
            yield dialect, " ".join(query), sql
    for dialect in ["redshift", "postgres"]:
        commands = [["create-tables"], ["create-tables", "--drop"], ["create-tables", "--upgrade"]]
        commands += [["create-tables", "--views"], ["create-tables", "--drop", "--views"]]
        # Redshift loads from S3 only.
        if dataset and (dialect == "postgres" or dataset.startswith("s3://")):
            commands += [["load", "--from", dataset], ["load", "--from", dataset, "--full-refresh"]]
        for command in commands:
            warehouse = ["--warehouse", f"{dialect}://nobody@localhost/none", "--dry-run"]
            yield dialect, " ".join(command), run_sparkify(sparkify, *command, *warehouse)


def run_sparkify(*command):
    completed = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return completed.stdout


def parse_script_argument(text):
    """Parses an argument of the form DIALECT:FILE."""
    dialect, colon, name = text.partition(":")
    if not colon or dialect not in ["redshift", "postgres"]:
        raise argparse.ArgumentTypeError("expected redshift:FILE or postgres:FILE")
    try:
        return dialect, name, sys.stdin.read() if name == "-" else Path(name).read_text()
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sparkify", type=Path, help="the sparkify binary, whose generated SQL is checked too")
    parser.add_argument("--from", dest="dataset", metavar="DATASET", help="check the SQL that loads this dataset too")
    parser.add_argument(
        "scripts",
        nargs="*",
        type=parse_script_argument,
        metavar="DIALECT:FILE",
        help="further scripts: redshift:FILE or postgres:FILE, where - means stdin",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
