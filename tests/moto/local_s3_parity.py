#!/usr/bin/env python3
"""Runs sparkify from S3 to S3 on moto, a server that is not ours, and compares with the same run on folders.

    python3 -m venv .venv && .venv/bin/pip install -r tests/moto/requirements.txt
    cargo build --release && .venv/bin/python tests/moto/local_s3_parity.py target/release/sparkify
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY.parent / "shared/data/sparkify_sample"
TABLES = ["artists", "songplays", "songs", "time", "users"]
OBJECTS = "merge_state/source_objects"
LEDGER = [OBJECTS, *(f"merge_state/{name}" for name in ("users", "artists", "songs", "songplays"))]

# The sample is the same for everybody, and so is what comes of it.
KNOWN = {
    "events": 8056,
    "songplays": 6820,
    "users": 96,
    "songs": 71,
    "artists": 69,
    "time": 6813,
    "matched": 1,
}

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIASPARKIFYMOTO0000",
    "AWS_SECRET_ACCESS_KEY": "ThisSecretMustNeverBeSeenAnywhere",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


class Wrong(Exception):
    """Something is not as it must be."""


def main():
    options = arguments()
    surroundings = without_a_cloud(os.environ) | CREDENTIALS
    os.environ.clear()
    os.environ.update(surroundings)
    cases = {"fixtures": (REPOSITORY / "fixtures", None)}
    if options.sample.is_dir():
        cases["sample"] = (options.sample, KNOWN)
    else:
        print(f"no sample in {options.sample}: only the fixtures")
    generated = tempfile.TemporaryDirectory()
    cases["generated"] = (generate(options.sparkify.resolve(), Path(generated.name)), None)
    try:
        with generated, moto() as endpoint:
            for name, (data, known) in cases.items():
                case = Case(options.sparkify.resolve(), endpoint, name, data)
                case.check(known)
                if options.sql:
                    options.sql.write_text(case.sql())
    except Wrong as wrong:
        sys.exit(f"{name}: {wrong}")


def generate(sparkify, folder):
    """200,000 events and few songs, for every object is a request of a slow server."""
    shape = ["--events", "200000", "--songs", "200", "--users", "5000", "--files", "12"]
    command = [sparkify, "generate", "--quiet", "--out", folder / "data", "--seed", "1", *shape]
    subprocess.run(command, check=True)
    return folder / "data"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the binary")
    parser.add_argument("--sql", type=Path, help="file for the SQL that would load a run into Redshift")
    parser.add_argument("--sample", type=Path, default=SAMPLE, help="the real sample (%(default)s)")
    return parser.parse_args()


def without_a_cloud(environment):
    """An environment in which nothing is said about AWS or proxies."""
    told = lambda name: name.upper().startswith("AWS_") or name.upper().endswith("_PROXY")
    return {name: value for name, value in environment.items() if not told(name)}


@contextmanager
def moto():
    """A server in a thread, so that it ends with this process however that ends."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


class Case:
    """Songs and logs, in a folder and in a bucket."""

    def __init__(self, sparkify, endpoint, bucket, data):
        import boto3

        self.sparkify, self.endpoint, self.bucket, self.data = sparkify, endpoint, bucket, data
        self.s3 = boto3.client("s3", endpoint_url=endpoint, region_name=CREDENTIALS["AWS_REGION"])

    def check(self, known):
        self.s3.create_bucket(Bucket=self.bucket)
        uploaded = self.upload("song_data") + self.upload("log_data")
        with tempfile.TemporaryDirectory() as folder:
            expected = self.on_folders(Path(folder))
        if known:
            equal("counts of the run on folders", counts(json.loads(expected["_report.json"])), known)

        first = self.on_s3(expected)
        second = self.on_s3(expected)
        runs = {key.split("/")[1] for key in self.keys("warehouse/") if key.count("/") > 1}
        equal("runs in the bucket", runs, {first, second})
        print(f"{self.bucket}: {uploaded} objects in, {len(expected)} files, the same as on folders")

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
        self.sparkify_does("run", "--quiet", "--songs", songs, "--logs", logs, "--out", out)

    def sql(self):
        """What would load the newest run into Redshift."""
        redshift = ["--warehouse", "redshift://etl@cluster.example.com/dev", "--dry-run"]
        return self.sparkify_does("load", "--from", f"s3://{self.bucket}/warehouse", *redshift)

    def sparkify_does(self, *arguments):
        """What it printed."""
        command = [self.sparkify, *arguments]
        environment = os.environ | {"AWS_ENDPOINT_URL_S3": self.endpoint}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        if CREDENTIALS["AWS_SECRET_ACCESS_KEY"] in done.stdout + done.stderr:
            raise Wrong("the secret key is in what was printed")
        if (done.returncode, done.stderr) != (0, ""):
            raise Wrong(f"exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def on_folders(self, folder):
        """The files of a run on folders by their names."""
        out = folder / "warehouse"
        self.run(self.data / "song_data", self.data / "log_data", out)
        files = (path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}

    def on_s3(self, expected):
        """Runs on the bucket and compares. The id of the run."""
        url = f"s3://{self.bucket}"
        self.run(f"{url}/song_data", f"{url}/log_data", f"{url}/warehouse")
        run = json.loads(self.get("warehouse/latest.json"))["run"]
        home = f"warehouse/{run}/"
        names = {key.removeprefix(home) for key in self.keys(home)}
        equal("objects of the run", names, set(expected) | {f"{table}.manifest" for table in TABLES + LEDGER})
        for name, wanted in expected.items():
            # Objects have other names here.
            same = name.startswith(OBJECTS) or not name.endswith(".parquet")
            if not same and self.get(home + name) != wanted:
                raise Wrong(f"{name} differs from that of the run on folders")
        report, wanted = json.loads(self.get(home + "_report.json")), json.loads(expected["_report.json"])
        equal("counts", counts(report), counts(wanted))
        for table in TABLES + LEDGER:
            self.check_manifest(home, table, expected)
        uploads = self.s3.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        equal("unfinished uploads", [upload["Key"] for upload in uploads], [])
        return run

    def check_manifest(self, home, table, expected):
        """A manifest of COPY names every part with its exact length, and nothing else."""
        entries = json.loads(self.get(f"{home}{table}.manifest"))["entries"]
        lengths = {entry["url"]: entry["meta"]["content_length"] for entry in entries}
        parts = {name: len(part) for name, part in expected.items() if name.startswith(f"{table}/")}
        wanted = {f"s3://{self.bucket}/{home}{name}": length for name, length in parts.items()}
        if table == OBJECTS:
            equal(f"{table}.manifest", set(lengths), set(wanted))
        else:
            equal(f"{table}.manifest", lengths, wanted)
        equal(f"entries of {table}.manifest", len(entries), len(wanted))
        if any(entry["mandatory"] is not True for entry in entries):
            raise Wrong(f"{table}.manifest has entries that may be missing")
        for url, length in lengths.items():
            key = url.removeprefix(f"s3://{self.bucket}/")
            stored = self.s3.head_object(Bucket=self.bucket, Key=key)["ContentLength"]
            equal(f"length of {url}", stored, length)


def counts(report):
    rows = {table: report["tables"][table]["rows"] for table in TABLES}
    return {"events": report["logs"]["records"], "matched": report["matched_songplays"]} | rows


def equal(what, found, wanted):
    if found != wanted:
        raise Wrong(f"{what}: {found}, not {wanted}")


if __name__ == "__main__":
    main()
