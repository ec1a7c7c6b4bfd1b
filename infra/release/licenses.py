"""The licenses of everything that is linked into the binary, with the notices that they require.

Tools that collect licenses (cargo-about, cargo-bundle-licenses) read what crates declare. They leave out NOTICE files,
which the Apache license requires, and the C code in crates: OpenSSL, zstd, BoringSSL in ring. Every file counts here.
"""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

FILE_NAME = re.compile(r"(un)?licen[cs]e|copying|notice|copyright", re.IGNORECASE)

# Sources with such a name, and the licenses of test data and tools, which are not linked.
SKIPPED_SUFFIXES = {".rs", ".toml", ".py", ".pm", ".c", ".h"}
SKIPPED_FOLDERS = {"tests", "external", "test"}


class LicenseMissing(Exception):
    """The text of a license cannot be found."""


def write_licenses(path: Path, crates: list[dict]) -> None:
    """Writes each text once, below the names of all crates that it belongs to."""
    owners = defaultdict(list)
    for crate in crates:
        for text in sorted(license_texts(crate)):
            owners[text].append(f"{crate['name']} {crate['version']} ({crate['license']})")
    rule = "=" * 100
    with path.open("w", encoding="utf-8") as out:
        out.write("The binary of sparkify contains the following works. Each text applies to those above it.\n")
        for text, names in sorted(owners.items(), key=lambda item: item[1]):
            out.write("\n".join(["", rule, *names, rule, "", text, ""]))


def license_texts(crate: dict) -> set[str]:
    """Returns the license files of a crate, or the general text of its license if it has no such file."""
    folder = Path(crate["manifest_path"]).parent
    texts = {read_text(path) for path in folder.rglob("*") if is_license(path, folder)}
    return texts or {general_text(crate)}


def is_license(path: Path, folder: Path) -> bool:
    """Returns whether a file holds a license or a notice of the code that a crate links."""
    if not FILE_NAME.match(path.name) or path.suffix in SKIPPED_SUFFIXES or not path.is_file():
        return False
    return SKIPPED_FOLDERS.isdisjoint(path.relative_to(folder).parts)


def general_text(crate: dict) -> str:
    """Returns the text of the license that a crate only names, as Rust ships it."""
    for name in re.findall(r"[\w.-]+", crate["license"] or ""):
        path = rust_documents() / "licenses" / f"{name}.txt"
        if path.is_file():
            return read_text(path)
    raise LicenseMissing(f"{crate['name']} {crate['version']} has no license file: add its text to {__file__}")


def standard_library_notices() -> Path:
    """Returns the file with the notices of Rust's standard library, which is linked, too."""
    return rust_documents() / "COPYRIGHT-library.html"


def rust_documents() -> Path:
    """Returns the folder with the documents of the Rust toolchain."""
    sysroot = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
    return Path(sysroot) / "share/doc/rust"


def read_text(path: Path) -> str:
    """Returns a text without differences that have no meaning."""
    lines = path.read_text(encoding="utf-8", errors="replace").strip("\n").splitlines()
    return "\n".join(line.rstrip() for line in lines)
