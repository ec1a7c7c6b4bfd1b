"""Where the commands of the examples run: with a bucket and a warehouse of their own, or with a stub of sparkify."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from expect import CheckFailed, assert_equal
from servers import moto_s3
from servers.postgres import postgres_server

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "examples"
FIXTURES = REPOSITORY / "fixtures"

USER, PASSWORD = "etl", "password of the tests"
REGION = "eu-west-1"
CREDENTIALS = moto_s3.CREDENTIALS | {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}

# It writes its arguments to a file, and exits with the next of the exit codes that are in another one.
STUB = """\
#!/bin/sh
printf '%s\\037' "$@" >>{calls}
printf '\\036' >>{calls}
code=$(head -n 1 {codes})
sed -i 1d {codes}
exit "${{code:-0}}"
"""

# No command has it, so that clap refuses it after it has accepted all arguments before it.
UNKNOWN_FLAG = "--unknown-flag-of-the-check"


def clean_environment():
    """Removes the settings of this machine, and keeps Airflow and the SDK of AWS from the network."""
    environment = moto_s3.without_aws_env(os.environ) | CREDENTIALS
    prefixes = ("PG", "SPARKIFY_", "OPENLINEAGE_", "AIRFLOW")
    os.environ.clear()
    os.environ.update({name: value for name, value in environment.items() if not name.startswith(prefixes)})


@contextmanager
def sandbox(sparkify, directory):
    """Starts the servers of a sandbox."""
    with moto_s3.moto_server() as aws_endpoint, postgres_server(USER, PASSWORD) as postgres_port:
        yield Sandbox(sparkify, directory, aws_endpoint, postgres_port)


class Sandbox:
    """A folder, a moto server for AWS, a PostgreSQL server, the sparkify under test and a stub of it."""

    def __init__(self, sparkify, directory, aws_endpoint, postgres_port):
        self.sparkify, self.directory, self.aws_endpoint = sparkify, directory, aws_endpoint
        self.postgres_port = postgres_port
        self.warehouse = f"postgres://{USER}@127.0.0.1:{postgres_port}/postgres?sslmode=disable"
        self.environment = os.environ | {"AWS_ENDPOINT_URL": aws_endpoint, "PGPASSWORD": PASSWORD}
        self.config = directory / "dwh.cfg"
        self.config.write_text("[S3]\nSONG_DATA='s3://bucket/song_data'\nLOG_DATA='s3://bucket/log_data'\n")

        self.calls, self.exit_codes = directory / "calls", directory / "codes"
        self.stub_folder = directory / "stub"
        self.stub_folder.mkdir()
        stub = self.stub_folder / "sparkify"
        stub.write_text(STUB.format(calls=self.calls, codes=self.exit_codes))
        stub.chmod(0o755)
        self.expect_exit_codes()

    def client(self, service):
        """Returns a client of a service of AWS, on moto."""
        import boto3

        return boto3.client(service, endpoint_url=self.aws_endpoint, region_name=REGION)

    def create_bucket(self, name):
        """Creates a bucket with the fixtures in it."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        for folder in ["song_data", "log_data"]:
            for path in (FIXTURES / folder).rglob("*.json"):
                s3.upload_file(str(path), name, path.relative_to(FIXTURES).as_posix())

    def expect_exit_codes(self, *codes):
        """Lets the next calls of the stub end with these exit codes, and further ones with 0."""
        self.calls.write_text("")
        self.exit_codes.write_text("".join(f"{code}\n" for code in codes))

    def stub_calls(self):
        """Returns the arguments of each call of the stub."""
        return [call.split("\037")[:-1] for call in self.calls.read_text().split("\036")[:-1]]

    def path_with_stub(self):
        return f"{self.stub_folder}:{os.environ['PATH']}"

    def check_arguments(self, where, arguments):
        """Checks that sparkify accepts arguments, without carrying them out."""
        completed = subprocess.run([self.sparkify, *arguments, UNKNOWN_FLAG], capture_output=True, text=True)
        is_accepted = completed.returncode == 2 and f"unexpected argument '{UNKNOWN_FLAG}'" in completed.stderr
        if not is_accepted:
            raise CheckFailed(f"{where}: sparkify {' '.join(arguments)}: {completed.stderr.strip()}")

    def run_for_real(self, arguments):
        """Runs sparkify with its arguments, but on the servers and in the folder of the sandbox."""
        command, position = [], 0
        while position < len(arguments):
            argument = arguments[position]
            position += 1
            # The role is that of Redshift.
            if argument in ("--warehouse", "--config", "--iam-role"):
                position += 1
            if argument == "--warehouse":
                command += ["--warehouse", self.warehouse]
            elif argument == "--config":
                command += ["--warehouse", self.warehouse] + ["--config", str(self.config)]
            elif argument != "--iam-role":
                command.append(argument.replace("/var/lib/sparkify", str(self.directory)))
        command = [self.sparkify, *command]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)

    def check_run(self, where, arguments):
        """Checks that sparkify succeeds with these arguments."""
        completed = self.run_for_real(arguments)
        if CREDENTIALS["AWS_SECRET_ACCESS_KEY"] in completed.stdout + completed.stderr:
            raise CheckFailed(f"{where}: the output contains the secret key")
        assert_equal(f"{where}: exit code of sparkify {' '.join(arguments)}", completed.returncode, 0)
        return completed
