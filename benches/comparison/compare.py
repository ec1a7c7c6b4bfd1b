#!/usr/bin/env python3
"""Measures sparkify and its peers at the same job, side by side.

Each builds the whole star from the same files as a process of its own, in turn, and all must come
to the same number of rows. README.md in this folder says how to read what comes out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import contestants
import machine
import measure
import tables
from shapes import SHAPES, make

REPOSITORY = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES), metavar="SHAPE")
    add("--peers", nargs="*", choices=contestants.PEERS, default=list(contestants.PEERS))
    add("--runs", type=at_least_one, default=3, help="measured runs of each, after one to warm up")
    add("--threads", type=at_least_one, default=machine.cores())
    add("--scale", type=float, default=1, help="so many times the events and songs")
    add("--timeout", type=float, default=900, help="seconds that a run may take")
    add("--slow", type=float, default=20, help="whose first run takes longer has no other, and it counts")
    add("--sparkify", type=Path, help="the binary; a release build of this clone if not given")
    add("--python", default=sys.executable, help="the interpreter that has the peers")
    add("--work", type=Path, help="keep the input here and use it again; a temporary folder if not")
    add("--json", type=Path, metavar="FILE", help="write every figure to FILE")
    add("--markdown", action="store_true", help="print a table for the README as well")
    return parser.parse_args()


def at_least_one(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def main():
    options = arguments()
    measure.adopt_orphans()
    peers, missing = contestants.installed(options.peers, options.python)
    for line in missing:
        say(line)
    peers.insert(0, contestants.sparkify(options.sparkify or build()))
    heading = [
        machine.describe(),
        ", ".join(peer.title for peer in peers),
        f"{Path(sys.argv[0]).name} {' '.join(sys.argv[1:])}".rstrip(),
    ]
    print(*heading, sep="\n", flush=True)

    comparisons = []
    with work_folder(options.work) as work:
        for name in options.shapes:
            comparison = compare(SHAPES[name].scaled(options.scale), peers, options, Path(work))
            comparisons.append(comparison)
            print("", tables.text(comparison), sep="\n", flush=True)
    if options.markdown:
        print("", tables.markdown(comparisons), "", *heading, sep="\n")
    if options.json:
        shapes = [tables.for_json(comparison) for comparison in comparisons]
        options.json.write_text(json.dumps({"heading": heading, "shapes": shapes}, indent=2) + "\n")
    if any(result.failure for comparison in comparisons for result in comparison.results):
        sys.exit(1)


def build():
    """The release binary of this clone."""
    say("cargo build --release")
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return REPOSITORY / target / "release" / "sparkify"


def work_folder(given):
    if given is None:
        return tempfile.TemporaryDirectory(prefix="sparkify-peers-")
    given.mkdir(parents=True, exist_ok=True)
    return nullcontext(given)


def compare(shape, peers, options, work):
    """All peers on one shape: a round to warm up, then the measured rounds."""
    say(f"{shape.name}: input")
    data = make(shape, peers[0].program[0], work)
    comparison = tables.Comparison(data, [tables.Result(peer) for peer in peers])
    slow = set()
    for number in range(options.runs + 1):
        for result in comparison.results:
            name = result.peer.name
            if result.failure or name in slow:
                continue
            run = run_once(result, data, options, work)
            which = f"run {number}" if number else "warm-up"
            say(f"{shape.name}: {which}, {name}, {run.wall:.2f} s")
            if run.wall > options.slow and not number:
                slow.add(name)
            if number or name in slow:
                result.runs.append(run)
        if differences := comparison.disagreements():
            sys.exit(f"{shape.name}: not the same number of rows\n" + "\n".join(differences))
    return comparison


def run_once(result, data, options, work):
    """One run into a fresh folder; takes down the rows or why there are none."""
    with tempfile.TemporaryDirectory(prefix="out-", dir=work) as folder:
        out = Path(folder) / "star"
        run = measure.measure(result.peer.command(data, out, options.threads), options.timeout)
    result.failure = run.failure
    if not run.failure:
        try:
            result.rows = result.peer.rows(run.stdout)
        except (ValueError, LookupError):
            result.failure = f"gives no row counts but {run.stdout[-80:]!r}"
    return run


def say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
