"""The engines that are compared: how each is called, and whether it is installed."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

# For each engine: its script with flags, its package, and its display name.
ENGINES = {
    "duckdb": (["duckdb_star.py"], "duckdb", "DuckDB"),
    "duckdb-read-json": (["duckdb_star.py", "--read-json"], "duckdb", "DuckDB, read_json only"),
    "polars": (["polars_star.py"], "polars", "Polars"),
    "clickhouse": (["clickhouse_star.py"], "chdb", "ClickHouse (chDB)"),
    "spark": (["spark_star.py"], "pyspark", "Spark"),
}

VERSION_PROBE = """
import json, sys
from importlib.metadata import distributions
versions = {package.name: package.version for package in distributions()}
print(json.dumps({name: versions.get(name) for name in sys.argv[1:]}))
"""


@dataclass(frozen=True)
class Engine:
    """A script that builds the star schema, and the program that runs it."""

    name: str
    version: str
    program: tuple[str, ...]

    @property
    def title(self):
        return f"{self.name} {self.version}"

    def command(self, data, out, threads):
        paths = [data.songs, data.logs, out]
        return [*self.program, *paths, "--threads", str(threads)]

    def rows(self, stdout):
        """Returns the row count of each table from the output of a run."""
        return json.loads(stdout.splitlines()[-1])


class SparkifyEngine(Engine):
    """The sparkify binary, which takes flags and prints its report as JSON."""

    def command(self, data, out, threads):
        paths = ["--songs", data.songs, "--logs", data.logs, "--out", out]
        return [*self.program, "run", *paths, "--threads", str(threads), "--json", "--quiet"]

    def rows(self, stdout):
        return {table: report["rows"] for table, report in json.loads(stdout)["tables"].items()}


def sparkify_engine(binary):
    result = subprocess.run([binary, "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return SparkifyEngine("sparkify", result.stdout.split()[-1], (str(binary),))


def find_installed(names, python):
    """Returns the engines that the interpreter `python` can run, and a message for each other one."""
    probe = [python, "-c", VERSION_PROBE, *(ENGINES[name][1] for name in names)]
    result = subprocess.run(probe, stdout=subprocess.PIPE, check=True)
    versions = json.loads(result.stdout)
    engines, missing = [], []
    for name in names:
        (script, *flags), package, title = ENGINES[name]
        if versions[package] is None:
            install = f"{python} -m pip install -r {HERE / 'requirements.txt'}"
            missing.append(f"{title} skipped: {package} is not installed; run {install}")
        elif name == "spark" and not (os.environ.get("JAVA_HOME") or shutil.which("java")):
            missing.append(f"{title} skipped: Java is not installed; run apt install openjdk-17-jre-headless")
        else:
            engines.append(Engine(title, versions[package], (python, str(HERE / script), *flags)))
    return engines, missing
