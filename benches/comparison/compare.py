#!/usr/bin/env python3
"""Compares sparkify with other engines that build the same star schema.

Each engine reads the same files in a process of its own, in turns, and all must produce the same row counts.
README.md in this directory explains the output.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import engines as engine_registry
import machine
import measure
import report
from workloads import WORKLOADS, prepare_input

REPOSITORY = Path(__file__).resolve().parents[2]


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    engine_names, workload_names = list(engine_registry.ENGINES), list(WORKLOADS)
    add("--workloads", nargs="+", choices=workload_names, default=workload_names, metavar="WORKLOAD",
        help="workloads to measure: %(choices)s (default: all)")
    add("--engines", nargs="*", choices=engine_names, default=engine_names, metavar="ENGINE",
        help="engines to compare with sparkify: %(choices)s (default: all)")
    add("--runs", type=positive_int, default=3, metavar="N",
        help="measured runs of each engine, after one warm-up run (default: %(default)s)")
    add("--threads", type=positive_int, default=machine.available_cores(), metavar="N",
        help="threads of each engine (default: all cores, %(default)s)")
    add("--scale", type=float, default=1, metavar="FACTOR",
        help="factor for the number of events and songs (default: %(default)s)")
    add("--timeout", type=float, default=900, metavar="SECONDS",
        help="maximum duration of a run (default: %(default)s)")
    add("--slow-after", type=float, default=20, metavar="SECONDS",
        help="an engine whose warm-up takes longer is not run again; its warm-up counts (default: %(default)s)")
    add("--sparkify", type=Path, metavar="PATH", help="sparkify binary (default: a release build of this clone)")
    add("--python", default=sys.executable, metavar="PATH",
        help="interpreter that has the other engines installed (default: this one)")
    add("--work-dir", type=Path, metavar="DIR",
        help="directory in which input is kept and reused (default: a temporary one)")
    add("--json", type=Path, metavar="FILE", help="write all measurements to FILE")
    add("--markdown", action="store_true", help="also print a Markdown table")
    return parser.parse_args()


def positive_int(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def main():
    options = parse_args()
    measure.become_subreaper()
    engines, missing = engine_registry.find_installed(options.engines, options.python)
    for line in missing:
        log(line)
    engines.insert(0, engine_registry.sparkify_engine(options.sparkify or build_sparkify()))
    heading = [
        machine.describe(),
        ", ".join(engine.title for engine in engines),
        f"{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".rstrip(),
    ]
    print(*heading, sep="\n", flush=True)

    comparisons = []
    with open_work_dir(options.work_dir) as work_dir:
        for name in options.workloads:
            workload = WORKLOADS[name].scaled(options.scale)
            comparison = compare(workload, engines, options, Path(work_dir))
            comparisons.append(comparison)
            print("", report.render_text(comparison), sep="\n", flush=True)
    if options.markdown:
        print("", report.render_markdown(comparisons), "", *heading, sep="\n")
    if options.json:
        workloads = [report.to_json(comparison) for comparison in comparisons]
        document = {"heading": heading, "workloads": workloads}
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if any(result.failure for comparison in comparisons for result in comparison.results):
        sys.exit(1)


def build_sparkify():
    """Builds the release binary of this clone and returns its path."""
    log("cargo build --release")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return REPOSITORY / target / "release" / "sparkify"


def open_work_dir(path):
    if path is None:
        return tempfile.TemporaryDirectory(prefix="sparkify-comparison-")
    path.mkdir(parents=True, exist_ok=True)
    return nullcontext(path)


def compare(workload, engines, options, work_dir):
    """Runs all engines on one workload: a warm-up round, then the measured rounds."""
    log(f"{workload.name}: input")
    data = prepare_input(workload, engines[0].program[0], work_dir)
    comparison = report.Comparison(data, [report.Result(engine) for engine in engines])
    slow = set()
    for number in range(options.runs + 1):
        for result in comparison.results:
            name = result.engine.name
            if result.failure or name in slow:
                continue
            measurement = run_once(result, data, options, work_dir)
            label = f"run {number}" if number else "warm-up"
            log(f"{workload.name}: {label}, {name}, {measurement.wall_seconds:.2f} s")
            if measurement.wall_seconds > options.slow_after and not number:
                slow.add(name)
            if number or name in slow:
                result.runs.append(measurement)
        if mismatches := comparison.row_count_mismatches():
            sys.exit(f"{workload.name}: row counts differ\n" + "\n".join(mismatches))
    return comparison


def run_once(result, data, options, work_dir):
    """Runs an engine once into a new directory, and stores its row counts or its failure in `result`."""
    with tempfile.TemporaryDirectory(prefix="out-", dir=work_dir) as out_parent:
        command = result.engine.command(data, Path(out_parent) / "dataset", options.threads)
        measurement = measure.measure(command, options.timeout)
    result.failure = measurement.failure
    if not measurement.failure:
        try:
            result.rows = result.engine.rows(measurement.stdout)
        except (ValueError, LookupError):
            result.failure = f"expected row counts, found {measurement.stdout[-80:]!r}"
    return measurement


def log(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
