"""The main job on the fixtures, by a sparkify that was installed in any way."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FIXTURES = REPOSITORY / "fixtures"
VERSION = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["package"]["version"]

# The rows that the README shows.
ROWS = {"songplays": 1025, "users": 25, "songs": 60, "artists": 27, "time": 1025}


class CheckFailed(Exception):
    """A package does something else than expected."""


def check_sparkify(command: list, out: Path, fixtures: Path = FIXTURES, visible_out: Path | None = None) -> None:
    """Runs the main job. The arguments name the paths as the command sees them; `out` is where this program sees them."""
    printed = run([*command, "--version"])
    ensure(printed.startswith(f"sparkify {VERSION}"), f"--version prints {printed!r}")
    data = ["--songs", fixtures / "song_data", "--logs", fixtures / "log_data"]
    run([*command, "run", *data, "--out", visible_out or out, "--quiet"])
    report = json.loads((out / "_report.json").read_text())
    rows = {name: table["rows"] for name, table in report["tables"].items()}
    ensure(rows == ROWS, f"the report has these rows: {rows}")


def run(command: list, **options) -> str:
    """Returns what a command prints."""
    command = list(map(str, command))
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    ensure(done.returncode == 0, f"exit code {done.returncode} of {' '.join(command)}:\n{done.stdout}")
    return done.stdout


def ensure(condition: bool, otherwise: str) -> None:
    if not condition:
        raise CheckFailed(otherwise)


def only(folder: Path, pattern: str) -> Path:
    """Returns the only file of a folder whose name matches a regular expression."""
    found = [path for path in folder.iterdir() if re.fullmatch(pattern, path.name)]
    ensure(len(found) == 1, f"{folder} has {len(found)} files whose name matches {pattern}")
    return found[0]
