"""The shapes of input that the job is measured on, and how each is made."""

import gzip
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

SEED = 1
SCALED_TO_AT_LEAST = 100


@dataclass(frozen=True)
class Shape:
    """What `sparkify generate` is asked for, and whether the logs are compressed afterwards."""

    name: str
    events: int
    songs: int
    users: int
    log_files: int
    gzip: bool = False

    def scaled(self, factor):
        """The same with so many times the events and songs; what is small stays as it is."""

        def scaled(count):
            return max(min(count, SCALED_TO_AT_LEAST), round(count * factor))

        return replace(self, events=scaled(self.events), songs=scaled(self.songs))


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("base", events=2_000_000, songs=20_000, users=50_000, log_files=64),
        Shape("one-file", events=4_200_000, songs=1_000, users=50_000, log_files=1),
        Shape("many-songs", events=20_000, songs=100_000, users=1_000, log_files=8),
        Shape("gzip", events=1_000_000, songs=10_000, users=50_000, log_files=64, gzip=True),
        Shape("tiny", events=30, songs=10, users=5, log_files=1),
    )
}


@dataclass(frozen=True)
class Input:
    """The folders of a shape that has been made, and what is in them."""

    shape: Shape
    songs: Path
    logs: Path

    @property
    def summary(self):
        logs = list(files_below(self.logs))
        size = sum(file.stat().st_size for file in logs)
        return (
            f"{self.shape.events:,} events in {len(logs)} log files"
            f" ({size / 1e6:,.2f} MB{' gzip' if self.shape.gzip else ''}),"
            f" {self.shape.songs:,} song files"
        )


def make(shape, sparkify, work):
    """The input of a shape below `work`: what is there already, or made now."""
    folder = work / f"{shape.name}-{shape.events}-{shape.songs}-{shape.users}-{shape.log_files}"
    if not folder.exists():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        generate(shape, sparkify, unfinished)
        if shape.gzip:
            for log in list(files_below(unfinished / "log_data")):
                compress(log)
        unfinished.rename(folder)
    return Input(shape, folder / "song_data", folder / "log_data")


def generate(shape, sparkify, folder):
    amounts = {
        "--events": shape.events,
        "--songs": shape.songs,
        "--users": shape.users,
        "--files": shape.log_files,
        "--seed": SEED,
    }
    command = [sparkify, "generate", "--quiet", "--out", folder]
    for flag, value in amounts.items():
        command += [flag, str(value)]
    subprocess.run(command, check=True)


def compress(log):
    """Puts `log` into `log`.gz, with the same bytes each time, as `gzip -n` does."""
    with (
        log.open("rb") as plain,
        Path(f"{log}.gz").open("wb") as target,
        gzip.GzipFile("", "wb", 6, target, mtime=0) as compressed,
    ):
        shutil.copyfileobj(plain, compressed, 1 << 20)
    log.unlink()


def files_below(folder):
    return (path for path in folder.rglob("*") if path.is_file())
