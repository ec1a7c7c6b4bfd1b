#!/usr/bin/env python3
"""Checks what sparkify tells of its runs: metrics by the parser of Prometheus, and OpenLineage events by its schemas.

    python3 -m venv .venv && .venv/bin/pip install -r tests/monitoring/requirements.txt
    cargo build --release && .venv/bin/python tests/monitoring/check.py target/release/sparkify

It needs no network.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from prometheus_client.parser import text_string_to_metric_families
from referencing import Registry, Resource

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMAS = Path(__file__).resolve().parent / "schemas"
FIXTURES = REPOSITORY / "fixtures"
BASE_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json"

# A label of the metrics must survive every character that a path can have.
OUT = 'star "quoted" back\\slash'

# The facets of a run are in these places of an event.
FACET_KEYS = ("facets", "inputFacets", "outputFacets")

# All units that a name may end in, and no other.
UNITS = ("_seconds", "_bytes")


class CheckFailed(Exception):
    """sparkify did something else than expected."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sparkify", type=Path, help="the sparkify binary")
    sparkify = parser.parse_args().sparkify.resolve()
    for name in list(os.environ):
        if name.upper().startswith(("SPARKIFY_", "OPENLINEAGE_", "AWS_", "PG")) or name.upper().endswith("_PROXY"):
            del os.environ[name]
    try:
        with tempfile.TemporaryDirectory() as directory:
            check(sparkify, Path(directory))
    except CheckFailed as error:
        sys.exit(f"error: {error}")


def check(sparkify, directory):
    validate = event_validator()
    bad_logs = directory / "bad_logs"
    bad_logs.mkdir()
    (bad_logs / "a.json").write_text('{"page":"NextSong"}\n' * 3)
    logs = FIXTURES / "log_data"
    events = []
    # Where the arguments lead, with the exit code.
    runs = [
        (["--logs", logs], 0),
        (["--logs", logs, bad_logs, "--max-rejects", "0"], 3),
        (["--logs", directory / "nothing"], 1),
        (["--logs", logs, "--threads", "1"], 0),
    ]
    for arguments, code in runs:
        command = [sparkify, "run", "--quiet", "--songs", FIXTURES / "song_data", "--out", OUT, *arguments]
        command += ["--metrics", "run.prom", "--openlineage", "events.jsonl"]
        execute(command, directory, code, OPENLINEAGE_PARENT_ID="")
        events = [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]
        check_metrics((directory / "run.prom").read_text(), str(directory.resolve() / OUT), code)
    types = [event["eventType"] for event in events]
    expect("events", types, ["START", "COMPLETE", "START", "FAIL", "START", "FAIL", "START", "COMPLETE"])
    execute(
        [sparkify, "replay", "--quiet", "--from", f"{OUT}.failed", "--out", "replayed", "--openlineage", "events.jsonl"],
        directory,
        1,
        OPENLINEAGE_PARENT_ID="airflow/dag.task/01890c5b-6b9c-7a43-9c5d-0d3f4b1f8a11",
    )
    events += [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()][len(types) :]
    events += posted_events(sparkify, directory)
    for event in events:
        validate(event)
    starts = [event["run"]["runId"] for event in events if event["eventType"] == "START"]
    expect("runs with an id of their own", len(set(starts)), len(starts))
    facets = {facet for event in events for facet in facet_names(event)}
    schemas = {path.stem for path in (SCHEMAS / "facets").glob("*.json")}
    expect("facets that were seen", facets, schemas)
    print(f"{len(events)} OpenLineage events and the metrics of {len(runs)} runs are valid")


def execute(command, directory, code, **environment):
    done = subprocess.run(
        command, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )
    if done.returncode != code:
        raise CheckFailed(f"exit code {done.returncode} instead of {code}: {done.stderr}")


def expect(what, found, expected):
    if found != expected:
        raise CheckFailed(f"{what}: {found} instead of {expected}")


def check_metrics(text, out, code):
    """Checks a file of metrics by what Prometheus asks of names, types, units and labels."""
    families = list(text_string_to_metric_families(text))
    names = [family.name for family in families]
    expect("distinct metrics", len(set(names)), len(names))
    values = {}
    for family in families:
        expect(f"type of {family.name}", family.type, "gauge")
        if not family.documentation or not family.name.startswith("sparkify_"):
            raise CheckFailed(f"{family.name} has no help or no prefix")
        is_measure = family.name.endswith(UNITS)
        for word in ("seconds", "bytes"):
            if word in family.name and not is_measure:
                raise CheckFailed(f"{family.name} does not end in its unit")
        if family.name.endswith("_total"):
            raise CheckFailed(f"{family.name} is no counter")
        for sample in family.samples:
            expect(f"labels of {family.name}", (sample.labels["command"], sample.labels["out"]), ("run", out))
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key in values:
                raise CheckFailed(f"{key} occurs twice")
            values[key] = sample.value
    by_name = {name: value for (name, _), value in values.items()}
    expect("success", by_name["sparkify_last_run_success"], float(code == 0))
    expect("exit code", by_name["sparkify_last_run_exit_code"], float(code))
    last, success = by_name["sparkify_last_run_timestamp_seconds"], by_name["sparkify_last_success_timestamp_seconds"]
    if (success == last) != (code == 0):
        raise CheckFailed(f"the last success was at {success}, and the last run at {last}")
    has_counts = "sparkify_records" in by_name
    expect("whether there are counts", has_counts, code != 1)
    document = (REPOSITORY / "docs/operating.md").read_text()
    undocumented = [name for name in names if f"`{name}`" not in document]
    expect("metrics that docs/operating.md does not have", undocumented, [])


def event_validator():
    """Returns a function that validates an event, and each of its facets by the schema that the facet names."""
    documents = [json.loads(path.read_text()) for path in SCHEMAS.rglob("*.json")]
    by_id = {document["$id"]: document for document in documents}
    registry = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in by_id.items())
    formats = Draft202012Validator.FORMAT_CHECKER
    for needed in ("date-time", "uri", "uuid"):
        if needed not in formats.checkers:
            raise CheckFailed(f"the validator does not check {needed}")

    def validate_by(reference, instance):
        validator = Draft202012Validator({"$ref": reference}, registry=registry, format_checker=formats)
        error = best_match(validator.iter_errors(instance))
        if error:
            raise CheckFailed(f"{reference}: {error.json_path}: {error.message}")

    def validate(event):
        expect("schemaURL", event["schemaURL"], f"{BASE_SCHEMA}#/$defs/RunEvent")
        validate_by(event["schemaURL"], event)
        for key, facet in facets_of(event):
            url, _, _ = facet["_schemaURL"].partition("#")
            if url not in by_id:
                raise CheckFailed(f"the facet {key} names an unknown schema: {facet['_schemaURL']}")
            validate_by(facet["_schemaURL"], facet)
            # The document of a facet says under which key the facet stands.
            expect(f"key of {url}", list(by_id[url]["properties"]), [key])

    return validate


def facets_of(event):
    for holder in [event["run"], event["job"], *event["inputs"], *event["outputs"]]:
        for place in FACET_KEYS:
            yield from holder.get(place, {}).items()


def facet_names(event):
    return [facet["_schemaURL"].rpartition("/")[2] for _, facet in facets_of(event)]


def posted_events(sparkify, directory):
    """Returns the events of a run that posts them to a server."""
    events = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            events.append(json.loads(body))
            self.send_response(201 if self.path == "/api/v1/lineage" else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sparkify, "run", "--quiet", "--songs", FIXTURES / "song_data", "--logs", FIXTURES / "log_data"]
        command += ["--out", "posted", "--openlineage", f"http://127.0.0.1:{server.server_port}"]
        execute(command, directory, 0)
        server.shutdown()
    expect("posted events", [event["eventType"] for event in events], ["START", "COMPLETE"])
    return events


if __name__ == "__main__":
    main()
