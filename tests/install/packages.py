#!/usr/bin/env python3
"""Installs the wheel and the archive that infra/release/build.py has written, and runs the main job with each.

    python3 -m venv .venv && .venv/bin/pip install -r infra/release/requirements.txt -r tests/install/requirements.txt
    .venv/bin/python infra/release/build.py --out dist && .venv/bin/python tests/install/packages.py dist
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from main_job import REPOSITORY, VERSION, CheckFailed, check_sparkify, ensure, only, run

RELEASE = REPOSITORY / "infra/release"
sys.path.insert(0, str(RELEASE))
from archive import write_archive  # noqa: E402

ARCHIVE = r"sparkify-[\d.]+-\w+-[\w-]+\.tar\.gz"

# Each shell reads the file without running it.
SYNTAX_CHECKS = {"sparkify.bash": "bash", "_sparkify": "zsh", "sparkify.fish": "fish"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", type=Path, help="the folder with the packages")
    dist = parser.parse_args().dist.resolve()
    try:
        with tempfile.TemporaryDirectory() as directory:
            check_wheel(only(dist, r".*\.whl"), Path(directory))
            check_archive(only(dist, ARCHIVE), Path(directory))
            check_formula(Path(directory))
    except CheckFailed as error:
        sys.exit(f"error: {error}")


def check_wheel(wheel: Path, scratch: Path) -> None:
    """The wheel needs no other package and no network, and leaves nothing behind."""
    environment = scratch / "venv"
    venv.create(environment, with_pip=True)
    pip = [environment / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    command = environment / "bin/sparkify"
    run([*pip, "install", "--no-index", wheel])
    check_sparkify([command], scratch / "star-of-the-wheel")
    # Without --quiet, which would leave the list out.
    installed = run([pip[0], "-m", "pip", "show", "--files", "sparkify"])
    for name in ("LICENSE", "THIRD-PARTY-LICENSES"):
        ensure(f"licenses/{name}" in installed, f"the wheel has no {name}")
    run([*pip, "uninstall", "--yes", "sparkify"])
    ensure(not command.exists(), f"{command} is still there after pip uninstall")
    print(f"{wheel.name}: installed, run and uninstalled")


def check_archive(path: Path, scratch: Path) -> None:
    """The archive holds all that a packager needs, and the same files give the same bytes."""
    with tarfile.open(path) as archive:
        ensure(all(entry.uid == entry.gid == 0 for entry in archive), f"{path.name} has files of another user than root")
        mtime = archive.getmembers()[0].mtime
        archive.extractall(scratch, filter="data")
    folder = scratch / path.name.removesuffix(".tar.gz")
    check_sparkify([folder / "sparkify"], scratch / "star-of-the-archive")
    check_documents(folder)
    check_links(folder)
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*") if file.is_file()}
    for file in files.values():
        os.utime(file, (0, 0))
    again = scratch / "again" / path.name
    again.parent.mkdir()
    write_archive(again, files, mtime)
    ensure(again.read_bytes() == path.read_bytes(), f"{path.name} differs if it is packed again")
    print(f"{path.name}: unpacked, run and packed again: {len(files)} files")


def check_documents(folder: Path) -> None:
    licenses = (folder / "THIRD-PARTY-LICENSES").read_text()
    # A crate in Rust, one with a NOTICE, and the sources in C of two others.
    for text in ("memchr 2.", "Apache Arrow", "openssl-src 300.", "Meta Platforms, Inc."):
        ensure(text in licenses, f"THIRD-PARTY-LICENSES does not have {text!r}")
    check_bill((folder / "sparkify.cdx.json").read_text())
    for name, shell in SYNTAX_CHECKS.items():
        script = folder / "completions" / name
        ensure(script.stat().st_size > 0, f"{script} is empty")
        ensure_program(shell)
        run([shell, "-n", script])
    pages = {page.name for page in (folder / "man/man1").iterdir()}
    ensure({"sparkify.1", "sparkify-run.1"} <= pages, f"the man pages are {sorted(pages)}")


def check_links(folder: Path) -> None:
    """The documents of the archive link to documents, examples and SQL that are in it."""
    links = 0
    for document in [folder / "README.md", *(folder / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            path = Path(os.path.normpath(document.parent / target)).relative_to(folder)
            # Contributors, to whom other links go, have the repository.
            if path.parts[0] in ("docs", "examples", "sql"):
                links += 1
                ensure((folder / path).exists(), f"{document.relative_to(folder)} links to {path}, which is not there")
    ensure(links > 0, "the documents have no links")


def ensure_program(name: str) -> None:
    ensure(shutil.which(name) is not None, f"{name} is not installed: .ci/run installs it with apt-get")


def check_bill(text: str) -> None:
    """The bill of materials is valid, and lists what the binary contains, with no paths of the machine that built it."""
    invalid = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    ensure(invalid is None, f"the bill of materials is not valid: {str(invalid).splitlines()[0]}")
    components = json.loads(text)["components"]
    names = {item["name"] for part in components for item in [part, *part.get("components", [])]}
    ensure({"parquet", "openssl-src", "openssl", "zstd"} <= names, f"the bill of materials has only {sorted(names)}")
    # The crates of other targets, of build scripts and of tests.
    others = names & {"windows-sys", "cc", "criterion"}
    ensure(not others, f"the bill of materials lists what is not in the binary: {sorted(others)}")
    ensure("file://" not in text, "the bill of materials names a path")


def check_formula(scratch: Path) -> None:
    """The formula names the archive and the checksum of each target, and is Ruby."""
    dist = scratch / "dist"
    dist.mkdir()
    targets = [f"{machine}-{system}" for machine in ("aarch64", "x86_64") for system in ("apple-darwin", "unknown-linux-gnu")]
    for target in targets:
        (dist / f"sparkify-{VERSION}-{target}.tar.gz").write_text(target)
    run([sys.executable, RELEASE / "finish.py", dist, "--url", "https://localhost/v1/"])
    formula = (dist / "sparkify.rb").read_text()
    for target in targets:
        checksum = hashlib.sha256(target.encode()).hexdigest()
        lines = f'url "https://localhost/v1/sparkify-{VERSION}-{target}.tar.gz"\n      sha256 "{checksum}"\n'
        ensure(lines in formula, f"the formula does not have these lines: {lines}")
    ensure_program("ruby")
    run(["ruby", "-c", dist / "sparkify.rb"])
    if sys.platform == "linux":
        run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist)
    print("the formula: written for four targets")


if __name__ == "__main__":
    main()
