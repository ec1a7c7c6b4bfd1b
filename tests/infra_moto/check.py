#!/usr/bin/env python3
"""Runs `sparkify infra` against moto, whose APIs validate the requests for CloudFormation, clusters, snapshots and secrets.

    python3 -m venv .venv && .venv/bin/pip install -r tests/infra_moto/requirements.txt
    cargo build --release --features cloud && .venv/bin/python tests/infra_moto/check.py target/release/sparkify

moto's CloudFormation cannot create a cluster with a password that Secrets Manager manages. The stack of this check is
therefore a small one with the same parameters and tag, and the cluster is beside it, so that `infra down` has to notice that
it is left. `infra up` sends its requests to the stub in tests/cloud.
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


TEMPLATE = {
    "Parameters": {"Name": {"Type": "String"}, "WarehouseKind": {"Type": "String"}},
    "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.64.0.0/22"}}},
}


def create_warehouse(endpoint):
    """Creates the stack and the cluster."""
    import boto3

    session = boto3.Session(
        CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], region_name=CREDENTIALS["AWS_REGION"]
    )
    parameters = {"Name": "sparkify", "WarehouseKind": "cluster"}
    session.client("cloudformation", endpoint_url=endpoint).create_stack(
        StackName="sparkify",
        TemplateBody=json.dumps(TEMPLATE),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Tags=[{"Key": "sparkify:stack", "Value": "sparkify"}],
    )
    session.client("redshift", endpoint_url=endpoint).create_cluster(
        ClusterIdentifier="sparkify",
        NodeType="ra3.xlplus",
        NumberOfNodes=2,
        MasterUsername="sparkify_admin",
        ManageMasterPassword=True,
        MasterUserPassword="Unused1234",
    )


def main():
    with tempfile.TemporaryDirectory() as folder, moto_server() as endpoint:
        sparkify = Sparkify(sys.argv[1], endpoint, folder)
        create_warehouse(endpoint)
        document, _ = sparkify.infra("status")
        check(document["stack_status"] == "CREATE_COMPLETE", document)
        check(document["warehouse"]["capacity"] == "2 nodes of ra3.xlplus", document)
        for command, status in [("pause", "paused"), ("resume", "available")]:
            for result in ["changed", "unchanged"]:
                document, _ = sparkify.infra(command)
                check((document["result"], document["warehouse_status"]) == (result, status), document)
        _, message = sparkify.infra("down", "--yes", "--final-snapshot", "sparkify-final-1", code=1)
        check("something is left that costs money: cluster 'sparkify'" in message, message)
    print("moto accepts the requests of sparkify infra")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CheckFailed as error:
        sys.exit(f"failed: {error}")
