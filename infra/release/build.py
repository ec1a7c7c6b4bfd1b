#!/usr/bin/env python3
"""Builds the packages of one target: archive, wheel, software bill of materials and an archive of debug symbols.

    python3 -m venv .venv && .venv/bin/pip install -r infra/release/requirements.txt
    .venv/bin/python infra/release/build.py

One binary is in all of them. It needs glibc 2.28 or later, because zig links it. With --native, the compiler of this
machine links it for this machine's glibc, and cargo reuses what a release build has left in `target`.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from archive import write_archive
from bill_of_materials import reduce_bill
from binary import BinaryUnfit, ensure_runs_on, needed_libraries, newest_glibc, split_debug_symbols
from licenses import LicenseMissing, standard_library_notices, write_licenses
from linked_crates import linked_crates

ROOT = Path(__file__).resolve().parents[2]
PROJECT = Path(__file__).resolve().parent

# Debian 10, RHEL 8, Amazon Linux 2023 and all later ones have it.
GLIBC = "2.28"

COMPLETIONS = {"bash": "sparkify.bash", "zsh": "_sparkify", "fish": "sparkify.fish"}


def main() -> None:
    options = parse_args()
    # The tools of the environment that this Python belongs to.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as directory:
            build_packages(options, Path(directory))
    except (BinaryUnfit, LicenseMissing) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: this command failed with exit code {error.returncode}: {' '.join(map(str, error.cmd))}")


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "target/dist", help="where to put the packages [%(default)s]")
    parser.add_argument("--native", action="store_true", help="link for this machine instead of an old glibc")
    return parser.parse_args()


def build_packages(options: argparse.Namespace, scratch: Path) -> None:
    """Builds the binary once, and packs it in all forms."""
    target = host_target()
    name = f"sparkify-{version()}-{target}"
    is_linux = platform.system() == "Linux"
    wheel = build_wheel(target, scratch, use_zig=is_linux and not options.native)
    unpacked = unpack_wheel(wheel, scratch)
    binary = only(unpacked.glob("*.data/scripts/sparkify"))
    crates = linked_crates(ROOT, target)
    bill = only(unpacked.glob("*.dist-info/sboms/*"))
    reduce_bill(bill, crates, mtime())
    if is_linux:
        ensure_runs_on(binary, None if options.native else GLIBC)
        symbols = scratch / "sparkify.debug"
        split_debug_symbols(binary, scratch / "sparkify", symbols)
        write_archive(options.out / f"{name}.debug.tar.gz", {symbols.name: symbols}, mtime())
        shutil.move(scratch / "sparkify", binary)
    licenses = scratch / "THIRD-PARTY-LICENSES"
    write_licenses(licenses, crates)
    add_licenses(only(unpacked.glob("*.dist-info")), [ROOT / "LICENSE", licenses])
    pack_wheel(unpacked, options.out)
    shutil.copyfile(bill, options.out / f"{name}.cdx.json")
    files = {binary.name: binary, "sparkify.cdx.json": bill, licenses.name: licenses}
    write_archive(options.out / f"{name}.tar.gz", files | documents(binary, scratch), mtime())
    print_result(options.out, name, binary, is_linux)


def build_wheel(target: str, scratch: Path, use_zig: bool) -> Path:
    """Builds the binary, and puts it into a wheel with all of its symbols."""
    command = ["maturin", "build", "--release", "--locked", "--out", str(scratch / "wheels")]
    if use_zig:
        command += ["--zig", "--target", target, "--compatibility", f"manylinux_{GLIBC.replace('.', '_')}"]
    if platform.system() == "Linux":
        # Flags for the last crate alone, so that Cargo reuses all others. Only zig needs to be asked for a build id.
        command += ["--", "-C", "strip=none", "-C", "link-arg=-Wl,--build-id=sha1"]
        if not use_zig and platform.machine() == "x86_64":
            # The linker of Rust on this platform, LLD, merges functions that are equal, which saves megabytes.
            command += ["-C", "link-arg=-Wl,--icf=all"]
    subprocess.run(command, cwd=PROJECT, check=True)
    return only((scratch / "wheels").glob("*.whl"))


def unpack_wheel(wheel: Path, scratch: Path) -> Path:
    """Unpacks a wheel, and returns its folder."""
    run([sys.executable, "-m", "wheel", "unpack", wheel, "--dest", scratch / "unpacked"])
    return only((scratch / "unpacked").iterdir())


def add_licenses(dist_info: Path, licenses: list[Path]) -> None:
    """Adds license files to a wheel, as PEP 639 wants them. They are outside the folder of pyproject.toml, which may not
    name them."""
    folder = dist_info / "licenses"
    folder.mkdir(exist_ok=True)
    metadata = dist_info / "METADATA"
    head, separator, description = metadata.read_text().partition("\n\n")
    for path in licenses:
        shutil.copyfile(path, folder / path.name)
        head += f"\nLicense-File: {path.name}"
    metadata.write_text(head + separator + description)


def pack_wheel(unpacked: Path, out: Path) -> None:
    """Packs a wheel again, with the checksums of what has changed."""
    # Cargo must not see this variable: its crates in C would be compiled again at each commit.
    os.environ["SOURCE_DATE_EPOCH"] = str(mtime())
    run([sys.executable, "-m", "wheel", "pack", unpacked, "--dest-dir", out])


def documents(binary: Path, scratch: Path) -> dict[str, Path]:
    """Returns what the archive contains besides, by name: documents, examples, SQL, completions and manual pages."""
    files = {"RUST-COPYRIGHT.html": standard_library_notices()}
    files |= {name: ROOT / name for name in ("README.md", "LICENSE", "CHANGELOG.md")}
    # The README links to the documents, and they link to the examples and the SQL.
    files |= {f"docs/{path.name}": path for path in (ROOT / "docs").glob("*.md")}
    files |= {name: ROOT / name for name in committed_files("examples", "infra/policies", "infra/warehouse.yaml", "sql")}
    for shell, name in COMPLETIONS.items():
        path = scratch / name
        path.write_text(run([binary, "completions", shell]))
        files[f"completions/{name}"] = path
    pages = scratch / "man1"
    pages.mkdir()
    run([binary, "man", pages])
    return files | {f"man/man1/{path.name}": path for path in pages.iterdir()}


def committed_files(*folders: str) -> list[str]:
    """Returns the files in some folders of the repository, without what else this machine has there."""
    return run(["git", "ls-files", "-z", "--", *folders]).split("\0")[:-1]


def print_result(out: Path, name: str, binary: Path, is_linux: bool) -> None:
    print(f"\n{binary.stat().st_size:>12,}  sparkify")
    for path in sorted(out.glob(f"{name}*")) + sorted(out.glob("*.whl")):
        print(f"{path.stat().st_size:>12,}  {path}")
    if is_linux:
        print(f"the binary needs glibc {newest_glibc(binary)} and {', '.join(needed_libraries(binary))}")


def host_target() -> str:
    """Returns the target triple of this machine. The binary that is built must run here, to print its completions."""
    lines = run(["rustc", "--version", "--verbose"]).splitlines()
    return only(line.removeprefix("host: ") for line in lines if line.startswith("host: "))


def version() -> str:
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]


def mtime() -> int:
    """Returns the time that all files in the packages get: that of the commit, if no other is given."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run(["git", "log", "-1", "--format=%ct"]))


def only(items):
    """Returns the only one of some items."""
    (item,) = items
    return item


def run(command: list) -> str:
    """Returns what a command prints."""
    return subprocess.check_output(list(map(str, command)), cwd=ROOT, text=True)


if __name__ == "__main__":
    main()
