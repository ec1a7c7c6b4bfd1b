"""What a Linux binary needs of the machine that it runs on, and its debug symbols."""

import re
import subprocess
from pathlib import Path

# Every distribution with glibc has these libraries. Anything else would have to be installed.
EXPECTED_LIBRARIES = {
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
}


class BinaryUnfit(Exception):
    """The binary would not start on the machines that it is made for."""


def newest_glibc(binary: Path) -> str:
    """Returns the newest version of glibc that a symbol of the binary requires."""
    versions = re.findall(r"GLIBC_(\d+(?:\.\d+)+)", output(["readelf", "--version-info", "--wide", binary]))
    return max(versions, key=version_key)


def needed_libraries(binary: Path) -> list[str]:
    """Returns the shared libraries that the binary names."""
    return sorted(re.findall(r"\(NEEDED\).*\[(.*)\]", output(["readelf", "--dynamic", "--wide", binary])))


def ensure_runs_on(binary: Path, glibc: str | None) -> None:
    """Raises `BinaryUnfit` if the binary needs a newer glibc than that, or other libraries than those of glibc and GCC."""
    newest = newest_glibc(binary)
    if glibc and version_key(newest) > version_key(glibc):
        raise BinaryUnfit(f"{binary} needs glibc {newest}, but it is made for {glibc}: was it linked with zig?")
    unexpected = set(needed_libraries(binary)) - EXPECTED_LIBRARIES
    if unexpected:
        raise BinaryUnfit(f"{binary} needs {', '.join(sorted(unexpected))}: link these libraries statically")


def split_debug_symbols(binary: Path, stripped: Path, symbols: Path) -> None:
    """Writes a binary without symbols that names the file of its symbols, which debuggers look for beside it."""
    if ".debug_line" not in output(["readelf", "--sections", "--wide", binary]):
        raise BinaryUnfit(f"{binary} has no debug symbols: it was stripped before")
    output(["objcopy", "--only-keep-debug", "--compress-debug-sections=zlib", binary, symbols])
    symbols.chmod(0o644)
    output(["objcopy", "--strip-all", f"--add-gnu-debuglink={symbols}", binary, stripped])


def version_key(version: str) -> list[int]:
    """Returns what orders versions by their numbers."""
    return [int(number) for number in version.split(".")]


def output(command: list) -> str:
    """Returns what a command prints."""
    return subprocess.check_output(list(map(str, command)), text=True)
