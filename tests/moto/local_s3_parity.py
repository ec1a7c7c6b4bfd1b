#!/usr/bin/env python3
"""Runs sparkify from S3 to S3 on moto, an independent S3 server, and compares the output with a local run.

    python3 -m venv .venv && .venv/bin/pip install -r tests/moto/requirements.txt
    cargo build --release && .venv/bin/python tests/moto/local_s3_parity.py target/release/sparkify
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.append(str(REPOSITORY / "tests"))

from servers.moto_s3 import CREDENTIALS, moto_server, without_aws_env

SAMPLE = REPOSITORY.parent / "shared/data/sparkify_sample"
TABLES = ["artists", "songplays", "songs", "time", "users"]
SOURCE_OBJECTS = "merge_state/source_objects"
MERGE_STATE = [SOURCE_OBJECTS, *(f"merge_state/{name}" for name in ("users", "artists", "songs", "songplays"))]

# The expected counts of the public sample.
SAMPLE_COUNTS = {
    "events": 8056,
    "songplays": 6820,
    "users": 96,
    "songs": 71,
    "artists": 69,
    "time": 6813,
    "matched": 1,
}


class CheckFailed(Exception):
    """The output differs from the expected one."""


def main():
    options = parse_args()
    environment = without_aws_env(os.environ) | CREDENTIALS
    os.environ.clear()
    os.environ.update(environment)
    cases = {"fixtures": (REPOSITORY / "fixtures", None)}
    if options.sample.is_dir():
        cases["sample"] = (options.sample, SAMPLE_COUNTS)
    else:
        print(f"no sample in {options.sample}: skipped")
    temp_dir = tempfile.TemporaryDirectory()
    cases["generated"] = (generate_data(options.sparkify.resolve(), Path(temp_dir.name)), None)
    try:
        with temp_dir, moto_server() as endpoint:
            for name, (data, expected_counts) in cases.items():
                case = ParityCase(options.sparkify.resolve(), endpoint, name, data)
                case.check(expected_counts)
                if options.sql:
                    options.sql.write_text(case.load_sql())
    except CheckFailed as error:
        sys.exit(f"{name}: {error}")


def generate_data(sparkify, directory):
    """Generates 200,000 events, but few songs, because each object is a request to a slow server."""
    sizes = ["--events", "200000", "--songs", "200", "--users", "5000", "--files", "12"]
    command = [sparkify, "generate", "--quiet", "--out", directory / "data", "--seed", "1", *sizes]
    subprocess.run(command, check=True)
    return directory / "data"


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the sparkify binary")
    parser.add_argument("--sql", type=Path, help="write the SQL that loads a run into Redshift to this file")
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="the public sample (default: %(default)s)")
    return parser.parse_args()


class ParityCase:
    """The same songs and logs in a local directory and in a bucket."""

    def __init__(self, sparkify, endpoint, bucket, data):
        import boto3

        self.sparkify, self.endpoint, self.bucket, self.data = sparkify, endpoint, bucket, data
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name=CREDENTIALS["AWS_REGION"])

    def check(self, expected_counts):
        self.s3.create_bucket(Bucket=self.bucket)
        uploaded = self.upload("song_data") + self.upload("log_data")
        with tempfile.TemporaryDirectory() as directory:
            expected = self.run_locally(Path(directory))
        if expected_counts:
            report = json.loads(expected["_report.json"])
            assert_equal("counts of the local run", counts(report), expected_counts)

        first = self.run_on_s3(expected)
        second = self.run_on_s3(expected)
        runs = {key.split("/")[1] for key in self.keys("warehouse/") if key.count("/") > 1}
        assert_equal("runs in the bucket", runs, {first, second})
        print(f"{self.bucket}: {uploaded} input objects, {len(expected)} output files equal to those of the local run")

    def upload(self, name):
        files = [path for path in (self.data / name).rglob("*") if path.is_file()]
        for path in files:
            self.s3.upload_file(str(path), self.bucket, path.relative_to(self.data).as_posix())
        return len(files)

    def keys(self, prefix):
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def get(self, key):
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def run(self, songs, logs, out):
        self.run_sparkify("run", "--quiet", "--songs", songs, "--logs", logs, "--out", out)

    def load_sql(self):
        """Returns the SQL that loads the newest run into Redshift."""
        redshift = ["--warehouse", "redshift://etl@cluster.example.com/dev", "--dry-run"]
        return self.run_sparkify("load", "--from", f"s3://{self.bucket}/warehouse", *redshift)

    def run_sparkify(self, *arguments):
        """Runs sparkify, which must succeed, and returns its stdout."""
        command = [self.sparkify, *arguments]
        environment = os.environ | {"AWS_ENDPOINT_URL_S3": self.endpoint}
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        if CREDENTIALS["AWS_SECRET_ACCESS_KEY"] in completed.stdout + completed.stderr:
            raise CheckFailed("the output contains the secret key")
        if (completed.returncode, completed.stderr) != (0, ""):
            raise CheckFailed(f"exit code {completed.returncode}: {completed.stderr.strip()}")
        return completed.stdout

    def run_locally(self, directory):
        """Runs between local directories, and returns the output files by path."""
        out = directory / "warehouse"
        self.run(self.data / "song_data", self.data / "log_data", out)
        files = (path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}

    def run_on_s3(self, expected):
        """Runs in the bucket, compares the output with the expected files, and returns the id of the run."""
        url = f"s3://{self.bucket}"
        self.run(f"{url}/song_data", f"{url}/log_data", f"{url}/warehouse")
        run = json.loads(self.get("warehouse/latest.json"))["run"]
        run_prefix = f"warehouse/{run}/"
        names = {key.removeprefix(run_prefix) for key in self.keys(run_prefix)}
        manifests = {f"{table}.manifest" for table in TABLES + MERGE_STATE}
        assert_equal("objects of the run", names, set(expected) | manifests)
        for name, expected_bytes in expected.items():
            # These files contain locations or times, which differ.
            is_location_dependent = name.startswith(SOURCE_OBJECTS) or not name.endswith(".parquet")
            if not is_location_dependent and self.get(run_prefix + name) != expected_bytes:
                raise CheckFailed(f"{name} differs from that of the local run")
        report = json.loads(self.get(run_prefix + "_report.json"))
        expected_report = json.loads(expected["_report.json"])
        assert_equal("counts", counts(report), counts(expected_report))
        for table in TABLES + MERGE_STATE:
            self.check_manifest(run_prefix, table, expected)
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        assert_equal("unfinished uploads", [upload["Key"] for upload in uploads], [])
        return run

    def check_manifest(self, run_prefix, table, expected):
        """Checks that a COPY manifest lists every part with its exact length, and nothing else."""
        entries = json.loads(self.get(f"{run_prefix}{table}.manifest"))["entries"]
        lengths = {entry["url"]: entry["meta"]["content_length"] for entry in entries}
        parts = {name: len(part) for name, part in expected.items() if name.startswith(f"{table}/")}
        expected_lengths = {f"s3://{self.bucket}/{run_prefix}{name}": length for name, length in parts.items()}
        if table == SOURCE_OBJECTS:
            assert_equal(f"{table}.manifest", set(lengths), set(expected_lengths))
        else:
            assert_equal(f"{table}.manifest", lengths, expected_lengths)
        assert_equal(f"entries of {table}.manifest", len(entries), len(expected_lengths))
        if any(entry["mandatory"] is not True for entry in entries):
            raise CheckFailed(f"{table}.manifest has entries that are not mandatory")
        for url, length in lengths.items():
            key = url.removeprefix(f"s3://{self.bucket}/")
            stored = self.s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
            assert_equal(f"length of {url}", stored, length)


def counts(report):
    rows = {table: report["tables"][table]["rows"] for table in TABLES}
    return {"events": report["logs"]["records"], "matched": report["matched_songplays"]} | rows


def assert_equal(what, actual, expected):
    if actual != expected:
        raise CheckFailed(f"{what}: expected {expected}, found {actual}")


if __name__ == "__main__":
    main()
