#!/usr/bin/env python3
"""Completes a release from the packages of all targets: writes SHA256SUMS and, if a base URL is given, the formula.

    infra/release/finish.py target/dist --url https://HOST/PATH/releases/download/vVERSION --homepage https://HOST/PATH
"""

import argparse
import hashlib
import re
import string
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).resolve().parent / "sparkify.rb.template"

# The targets that Homebrew runs on, as the template names them.
FORMULA_TARGETS = {
    "MACOS_ARM": "aarch64-apple-darwin",
    "MACOS_INTEL": "x86_64-apple-darwin",
    "LINUX_ARM": "aarch64-unknown-linux-gnu",
    "LINUX_INTEL": "x86_64-unknown-linux-gnu",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dist", type=Path, help="the folder with the packages")
    parser.add_argument("--url", help="where the archives can be downloaded: the formula names it")
    parser.add_argument("--homepage", help="the home page that the formula names [URL]")
    options = parser.parse_args()
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
    if options.url:
        write_formula(options.dist, version, options.url.rstrip("/"), options.homepage or options.url)
    write_checksums(options.dist)


def write_formula(dist: Path, version: str, url: str, homepage: str) -> None:
    """Writes the formula with the checksums of the archives, all of which must be there."""
    values = {"VERSION": version, "URL": url, "HOMEPAGE": homepage}
    for name, target in FORMULA_TARGETS.items():
        archive = dist / f"sparkify-{version}-{target}.tar.gz"
        if not archive.is_file():
            sys.exit(f"error: the formula needs {archive}: build the packages of {target}, or leave out --url")
        values[name] = archive.name
        values[f"{name}_SHA256"] = sha256(archive)
    template = string.Template(TEMPLATE.read_text())
    # The first lines are a comment on the template.
    formula = re.sub(r"\A(#.*\n)+\n", "", template.substitute(values))
    (dist / "sparkify.rb").write_text(formula)


def write_checksums(dist: Path) -> None:
    """Writes the checksums of all packages, as `sha256sum --check` reads them."""
    packages = sorted(path for path in dist.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    if not packages:
        sys.exit(f"error: {dist} has no packages: run infra/release/build.py first")
    lines = [f"{sha256(path)}  {path.name}\n" for path in packages]
    (dist / "SHA256SUMS").write_text("".join(lines))
    print("".join(lines), end="")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
