"""The workloads that are measured, and the generation of their input."""

import gzip
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

SEED = 1
MIN_SCALED_COUNT = 100


@dataclass(frozen=True)
class Workload:
    """The arguments of `sparkify generate`, and whether the logs are compressed afterwards."""

    name: str
    events: int
    songs: int
    users: int
    log_files: int
    gzip: bool = False

    def scaled(self, factor):
        """Multiplies the number of events and songs by `factor`; small numbers stay unchanged."""

        def scale(count):
            return max(min(count, MIN_SCALED_COUNT), round(count * factor))

        return replace(self, events=scale(self.events), songs=scale(self.songs))


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("base", events=2_000_000, songs=20_000, users=50_000, log_files=64),
        Workload("one-file", events=4_200_000, songs=1_000, users=50_000, log_files=1),
        Workload("many-songs", events=20_000, songs=100_000, users=1_000, log_files=8),
        Workload("gzip", events=1_000_000, songs=10_000, users=50_000, log_files=64, gzip=True),
        Workload("tiny", events=30, songs=10, users=5, log_files=1),
    )
}


@dataclass(frozen=True)
class InputData:
    """The directories of the generated input of a workload."""

    workload: Workload
    songs: Path
    logs: Path

    @property
    def summary(self):
        logs = list(list_files(self.logs))
        size = sum(file.stat().st_size for file in logs)
        return (
            f"{self.workload.events:,} events in {len(logs)} log files"
            f" ({size / 1e6:,.2f} MB{' gzip' if self.workload.gzip else ''}),"
            f" {self.workload.songs:,} song files"
        )


def prepare_input(workload, sparkify, work_dir):
    """Returns the input of a workload below `work_dir`, which is generated if it does not exist."""
    sizes = (workload.events, workload.songs, workload.users, workload.log_files)
    data_dir = work_dir / "-".join([workload.name, *map(str, sizes)])
    if not data_dir.exists():
        unfinished = data_dir.with_name(f"{data_dir.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        generate(workload, sparkify, unfinished)
        if workload.gzip:
            for log in list(list_files(unfinished / "log_data")):
                gzip_file(log)
        unfinished.rename(data_dir)
    return InputData(workload, data_dir / "song_data", data_dir / "log_data")


def generate(workload, sparkify, out):
    flags = {
        "--events": workload.events,
        "--songs": workload.songs,
        "--users": workload.users,
        "--files": workload.log_files,
        "--seed": SEED,
    }
    command = [sparkify, "generate", "--quiet", "--out", out]
    for flag, value in flags.items():
        command += [flag, str(value)]
    subprocess.run(command, check=True)


def gzip_file(path):
    """Replaces a file by a gzip file; the bytes are reproducible, as with `gzip -n`."""
    with (
        path.open("rb") as plain,
        Path(f"{path}.gz").open("wb") as target,
        gzip.GzipFile("", "wb", 6, target, mtime=0) as compressed,
    ):
        shutil.copyfileobj(plain, compressed, 1 << 20)
    path.unlink()


def list_files(directory):
    return (path for path in directory.rglob("*") if path.is_file())
