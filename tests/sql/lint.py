#!/usr/bin/env python3
"""Holds the SQL of this repository against public grammars: Redshift's and PostgreSQL's, as sqlfluff has them.

    python3 -m venv .venv && .venv/bin/pip install -r tests/sql/requirements.txt
    cargo build --release && .venv/bin/python tests/sql/lint.py --sparkify target/release/sparkify

What a grammar lets through although Redshift refuses it is sought by its words (REFUSED). Before anything else
it shows that it finds mistakes at all: each line of BROKEN must be refused, each of SOUND taken.
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

# Which grammars the scripts of a folder must follow.
FOLDERS = {
    "redshift": ["redshift"],
    "postgres": ["postgres"],
    "analytics": ["redshift", "postgres"],
}

# As psql would put them in: :'name' a literal, :name as it stands.
PLACEHOLDER = re.compile(r"(?<!:):('?)([a-z_]+)\1")
SAMPLES = {
    "run": "20261121T104114123Z-3f9a2c01",
    "from": "2018-11-01 00:00:00",
    "to": "2018-12-01 00:00:00",
    "limit": "10",
    "iam_role": "default",
}

# PostgreSQL's words that sqlfluff takes for Redshift's, too. Its documentation names each as unsupported, or says
# that it ends the transaction that a load is.
REFUSED = [
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
    "MAXERROR",
    "REGION",
]

BROKEN = {
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
        ":'from';",
        "",
    ],
    "postgres": [
        "CREATE TABLE t (a INT) DISTSTYLE ALL;",
        "COPY t FROM 's3://x' IAM_ROLE default FORMAT AS PARQUET MANIFEST;",
        "SELECT FROM WHERE GROUP;",
        "GRUMBLE;",
        "-- nothing but a comment\n",
    ],
}

SOUND = {
    "redshift": [
        "COPY t (a) FROM :'songs' IAM_ROLE :iam_role FORMAT AS PARQUET MANIFEST;",
        "SELECT 'FILTER (' AS a, b::INT FROM t; -- TRUNCATE t",
        "BEGIN; LOCK t; CREATE TEMP TABLE u (LIKE t); COMMIT;",
    ],
    "postgres": [
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING;",
        "CREATE TEMP TABLE u (LIKE t) ON COMMIT DROP;",
    ],
}


class Grammar:
    """A dialect of SQL."""

    def __init__(self, dialect):
        self.dialect = dialect
        overrides = {"dialect": dialect, "templater": "raw", "large_file_skip_byte_limit": 0}
        self.linter = Linter(config=FluffConfig(overrides=overrides))

    def faults(self, sql):
        """What is wrong with a script, a line each."""
        parsed = self.linter.parse_string(PLACEHOLDER.sub(sample, sql))
        # What sqlfluff cannot parse ("unparsable") is among them.
        if parsed.violations:
            return [fault.desc() for fault in parsed.violations]
        tree = parsed.root_variant() and parsed.tree
        if not tree or not any(tree.recursive_crawl("statement")):
            return ["there is no statement in it"]
        if self.dialect != "redshift":
            return []
        code = (segment for segment in tree.raw_segments if segment.is_code)
        words = " ".join("''" if s.is_type("quoted_literal") else s.raw.upper() for s in code)
        return [f"Redshift takes no {refused}" for refused in REFUSED if f" {refused} " in f" {words} "]


def sample(found):
    quoted, name = found.groups()
    # The rest are manifests, by the names of tables.
    value = SAMPLES.get(name, f"s3://bucket/star/{name}.manifest")
    return f"'{value}'" if quoted else value


def main():
    options = arguments()
    grammars = {dialect: Grammar(dialect) for dialect in ["redshift", "postgres"]}
    wrong = itself(grammars)
    count = 0
    for dialect, name, sql in [*scripts(), *options.scripts, *generated(options.sparkify, options.star)]:
        count += 1
        for fault in grammars[dialect].faults(sql):
            wrong.append(f"{name}, as {dialect}: {fault}")
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"{count} scripts follow the grammar of their dialect")


def itself(grammars):
    """What this check does not find although it is broken, or takes for broken although it is not."""
    missed = [
        f"this check takes as {dialect}: {sql!r}"
        for dialect, lines in BROKEN.items()
        for sql in lines
        if not grammars[dialect].faults(sql)
    ]
    refused = [
        f"this check refuses as {dialect}: {sql!r}: {fault}"
        for dialect, lines in SOUND.items()
        for sql in lines
        for fault in grammars[dialect].faults(sql)
    ]
    return missed + refused


def scripts():
    """The scripts in sql/, each with the dialects that it is written in."""
    for path in sorted(SQL.rglob("*.sql")):
        for dialect in FOLDERS[path.parent.relative_to(SQL).name]:
            yield dialect, path.relative_to(REPOSITORY), path.read_text()


def generated(sparkify, star):
    """The SQL that the program makes, for which it connects to no warehouse."""
    if sparkify is None:
        return
    for question in json.loads(output(sparkify, "query", "--list", "--json")):
        query = ["query", question["name"], "--from", "2018-11-15T10:00+01:00", "--dry-run"]
        sql = output(sparkify, *query)
        for dialect in FOLDERS["analytics"]:
            yield dialect, " ".join(query), sql
    for dialect in ["redshift", "postgres"]:
        commands = [["create-tables"], ["create-tables", "--drop"]]
        # Redshift loads from S3 only.
        if star and (dialect == "postgres" or star.startswith("s3://")):
            commands += [["load", "--from", star], ["load", "--from", star, "--full-refresh"]]
        for command in commands:
            warehouse = ["--warehouse", f"{dialect}://nobody@localhost/none", "--dry-run"]
            yield dialect, " ".join(command), output(sparkify, *command, *warehouse)


def output(*command):
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return ran.stdout


def script(text):
    """DIALECT:FILE, as an argument."""
    dialect, colon, name = text.partition(":")
    if not colon or dialect not in ["redshift", "postgres"]:
        raise argparse.ArgumentTypeError("redshift:FILE or postgres:FILE is wanted")
    try:
        return dialect, name, sys.stdin.read() if name == "-" else Path(name).read_text()
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sparkify", type=Path, help="the program, whose SQL is checked too")
    parser.add_argument("--star", help="what --out of a run was: the SQL that loads it is checked, too")
    parser.add_argument(
        "scripts",
        nargs="*",
        type=script,
        metavar="DIALECT:FILE",
        help="further SQL: redshift:FILE or postgres:FILE, - for what is on stdin",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
