"""Archives that are the same bytes wherever and whenever they are made from the same files."""

import gzip
import tarfile
from pathlib import Path


def write_archive(archive: Path, files: dict[str, Path], mtime: int) -> None:
    """Writes a `.tar.gz` whose only folder has the name of the archive, with the files under their names in it."""
    folder = archive.name.removesuffix(".tar.gz")
    # The header of gzip has neither a name nor a time.
    with archive.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as stream:
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(files):
                add_file(tar, f"{folder}/{name}", files[name], mtime)


def add_file(tar: tarfile.TarFile, name: str, path: Path, mtime: int) -> None:
    """Adds a file that belongs to root, whoever made it."""
    entry = tarfile.TarInfo(name)
    entry.size = path.stat().st_size
    entry.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    entry.mtime = mtime
    with path.open("rb") as content:
        tar.addfile(entry, content)
