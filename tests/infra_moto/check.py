#!/usr/bin/env python3
"""Runs `sparkify infra` against moto, whose APIs validate the requests for CloudFormation, clusters, snapshots and secrets.

    python3 -m venv .venv && .venv/bin/pip install -r tests/infra_moto/requirements.txt
    cargo build --release --features cloud && .venv/bin/python tests/infra_moto/check.py target/release/sparkify

moto does not delete clusters with their stack, so that `infra down` has to notice that one is left.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests"))

from servers.moto_s3 import CREDENTIALS, moto_server, without_aws_env


class CheckFailed(Exception):
    """A command did something else than it should."""


class Sparkify:
    """The binary, with moto as its AWS and a folder to run in."""

    def __init__(self, binary, endpoint, folder):
        self.binary = Path(binary).resolve()
        self.folder = folder
        self.environment = without_aws_env(os.environ) | CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}

    def infra(self, *arguments, code=0):
        """Runs a command, and returns its JSON document."""
        command = [self.binary, "infra", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300)
        if done.returncode != code:
            raise CheckFailed(f"infra {arguments}: exit code {done.returncode}: {done.stderr}{done.stdout}")
        return json.loads(done.stdout), done.stderr


def check(condition, what):
    if not condition:
        raise CheckFailed(what)


def main():
    with tempfile.TemporaryDirectory() as folder, moto_server() as endpoint:
        sparkify = Sparkify(sys.argv[1], endpoint, folder)
        up = ["up", "--yes", "--kind", "cluster", "--node-type", "ra3.xlplus", "--nodes", "2"]
        up += ["--allowed-cidr", "10.64.0.0/22", "--out", "s3://bucket/star"]
        document, _ = sparkify.infra(*up)
        check(document["result"] == "created", document)
        check("HOST = " in (Path(folder) / "dwh.cfg").read_text(), "dwh.cfg has no host")
        document, _ = sparkify.infra("status")
        check(document["warehouse"]["kind"] == "cluster", document)
        for command, status in [("pause", "paused"), ("resume", "available")]:
            document, _ = sparkify.infra(command)
            check(document["warehouse_status"] == status, document)
        _, message = sparkify.infra("down", "--yes", "--final-snapshot", "last", code=1)
        check("something is left that costs money: cluster 'sparkify'" in message, message)
        document, _ = sparkify.infra("status")
        check(document["stack_status"] is None, document)
    print("moto accepts the requests of sparkify infra")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CheckFailed as error:
        sys.exit(f"failed: {error}")
