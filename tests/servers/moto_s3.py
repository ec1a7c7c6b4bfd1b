"""The S3 server of moto for the checks in Python, and the settings with which clients reach it."""

import logging
import os
from contextlib import contextmanager

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIASPARKIFYMOTO0000",
    "AWS_SECRET_ACCESS_KEY": "ThisSecretMustNeverBeSeenAnywhere",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def without_aws_env(environment):
    """Returns the environment without variables for AWS and proxies."""

    def is_cloud_variable(name):
        return name.upper().startswith("AWS_") or name.upper().endswith("_PROXY")

    return {name: value for name, value in environment.items() if not is_cloud_variable(name)}


@contextmanager
def moto_server():
    """Runs a server in a thread, which ends with this process in any case."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()
