"""Who does the job: sparkify and its peers, how each is called and whether it is installed."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

# Of each peer the script with its flags, the package and the name for people.
PEERS = {
    "duckdb": (["duckdb_star.py"], "duckdb", "DuckDB"),
    "duckdb-read-json": (["duckdb_star.py", "--read-json"], "duckdb", "DuckDB, all by read_json"),
    "polars": (["polars_star.py"], "polars", "Polars"),
    "clickhouse": (["clickhouse_star.py"], "chdb", "ClickHouse (chDB)"),
    "spark": (["spark_star.py"], "pyspark", "Spark"),
}

PROBE = """
import json, sys
from importlib.metadata import distributions
versions = {found.name: found.version for found in distributions()}
print(json.dumps({package: versions.get(package) for package in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Peer:
    """A script that builds the star, and what runs it."""

    name: str
    version: str
    program: tuple[str, ...]

    @property
    def title(self):
        return f"{self.name} {self.version}"

    def command(self, data, out, threads):
        places = [data.songs, data.logs, out]
        return [*self.program, *places, "--threads", str(threads)]

    def rows(self, stdout):
        """The rows of each table, from what a run said."""
        return json.loads(stdout.splitlines()[-1])


class Sparkify(Peer):
    """The same of the binary, which takes flags and answers with its report."""

    def command(self, data, out, threads):
        places = ["--songs", data.songs, "--logs", data.logs, "--out", out]
        return [*self.program, "run", *places, "--threads", str(threads), "--json", "--quiet"]

    def rows(self, stdout):
        return {table: report["rows"] for table, report in json.loads(stdout)["tables"].items()}


def sparkify(binary):
    answer = subprocess.run([binary, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return Sparkify("sparkify", answer.stdout.split()[-1], (str(binary),))


def installed(names, python):
    """The peers that the interpreter `python` can run, and what to say of the others."""
    probe = [python, "-c", PROBE, *(PEERS[name][1] for name in names)]
    answer = subprocess.run(probe, stdout=subprocess.PIPE, check=True)
    versions = json.loads(answer.stdout)
    peers, missing = [], []
    for name in names:
        (script, *flags), package, title = PEERS[name]
        if versions[package] is None:
            install = f"{python} -m pip install -r {HERE / 'requirements.txt'}"
            missing.append(f"{title} is skipped, {package} is not installed: {install}")
        elif name == "spark" and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
            missing.append(f"{title} is skipped, no Java: apt install openjdk-17-jre-headless")
        else:
            peers.append(Peer(title, versions[package], (python, str(HERE / script), *flags)))
    return peers, missing
