#!/usr/bin/env python3
"""Checks the examples of schedulers with the tools that exist for them, and runs their commands of sparkify.

    python3 -m venv .venv && .venv/bin/pip install -r tests/schedulers/requirements.txt
    cargo build --release && .venv/bin/python tests/schedulers/check.py target/release/sparkify

It starts servers of its own and needs no network, but the packages cron, systemd and postgresql of Debian. As root, it
also runs the units of systemd. uv installs the requirements in a fifth of the time that pip takes.
"""

import argparse
import re
import shlex
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests"))

import airflow_dags
import aws_jobs
import compose_services
import cron_jobs
import systemd_units
from expect import CheckFailed, assert_equal, run
from servers.postgres import ServerFailed
from sandbox import EXAMPLES, clean_environment, sandbox

DOCUMENT = REPOSITORY / "docs/scheduling.md"

# The modules, by what they check.
CHECKS = {
    "systemd": systemd_units,
    "cron": cron_jobs,
    "airflow": airflow_dags,
    "aws": aws_jobs,
    "compose": compose_services,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the sparkify binary")
    parser.add_argument("--only", choices=CHECKS, action="append", help="check only this; may be repeated")
    options = parser.parse_args()
    clean_environment()
    try:
        with tempfile.TemporaryDirectory() as directory:
            # Services run as other users read it.
            Path(directory).chmod(0o755)
            with sandbox(options.sparkify.resolve(), Path(directory)) as box:
                check_all(box, options.only or CHECKS)
    except (CheckFailed, ServerFailed) as error:
        sys.exit(f"error: {error}")


def check_all(box, names):
    box.create_bucket("bucket")
    box.check_run("the tables", ["create-tables", "--warehouse", "any"])
    commands = {}
    for name in names:
        begun = time.monotonic()
        for arguments in CHECKS[name].check(box):
            commands.setdefault(tuple(arguments), name)
        print(f"{name}: {time.monotonic() - begun:.1f} s", flush=True)
    for arguments in document_commands():
        commands.setdefault(tuple(arguments), DOCUMENT.name)
    check_commands(box, commands)
    check_versions(box)


def document_commands():
    """Returns the arguments of each call of sparkify in the code of the document."""
    commands = []
    for block in DOCUMENT.read_text().split("```")[1::2]:
        lines = block.replace("\\\n", " ").splitlines()
        words = [shlex.split(line, comments=True) for line in lines if line.strip().startswith("sparkify ")]
        commands += [command[1:] for command in words]
    return commands


def check_commands(box, commands):
    """Checks that sparkify accepts all commands, and that each succeeds on the servers of the sandbox."""
    # A run comes first, because the others need what it publishes and loads.
    for arguments, where in sorted(commands.items(), key=lambda item: item[0][0] != "run"):
        box.check_arguments(where, arguments)
        # Those of compose were run with other servers.
        if where != "compose":
            box.check_run(where, arguments)
    print(f"{len(commands)} commands of sparkify are accepted, and succeed")


def check_versions(box):
    """Checks that the examples name the image of this version."""
    version = run(box.sparkify, "--version").stdout.split()[1]
    for name in ["compose.yaml", "aws-batch/job-definition.yaml", "airflow/ecs-task-definition.yaml"]:
        images = set(re.findall(r"image: .*\bsparkify:(.+)", (EXAMPLES / name).read_text()))
        assert_equal(f"version of the image in {name}", images, {version})


if __name__ == "__main__":
    main()
