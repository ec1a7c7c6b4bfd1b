"""The crates that are linked into the binary, as Cargo describes them."""

import json
import subprocess
from pathlib import Path

# Build dependencies do not become a part of the binary, except for this one, whose OpenSSL does.
LINKED_BUILD_DEPENDENCIES = ["openssl-src"]


def linked_crates(root: Path, target: str) -> list[dict]:
    """Returns the metadata of the crates of other projects that the binary for a target contains, sorted by name."""
    tree = ["cargo", "tree", "--locked", "--target", target, "--prefix", "none", "--no-dedupe", "--format", "{p}"]
    lines = subprocess.check_output([*tree, "--edges", "normal,no-proc-macro"], cwd=root, text=True).splitlines()
    versions = {tuple(line.split()[:2]) for line in lines if line}
    metadata = subprocess.check_output(["cargo", "metadata", "--locked", "--format-version", "1"], cwd=root)
    linked = [
        package
        for package in json.loads(metadata)["packages"]
        # A package of the workspace has no source.
        if package["source"]
        if (package["name"], f"v{package['version']}") in versions or package["name"] in LINKED_BUILD_DEPENDENCIES
    ]
    return sorted(linked, key=lambda package: (package["name"], package["version"]))
