"""One run of a command, measured from outside. For Linux."""

import ctypes
import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Run:
    """What a run took and said.

    `wall` lasts until the command returns. `cpu` is user and system time, and `peak_mb` the sum of
    the peaks, of the command and of every process that it left behind (Spark's JVM).
    """

    wall: float
    cpu: float
    peak_mb: float
    stdout: str
    failure: str | None


def adopt_orphans():
    """Makes what children leave behind children of this process, to be waited for."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def measure(command, timeout):
    """Runs `command` to its end or for `timeout` seconds."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        timed_out = threading.Event()

        def give_up():
            timed_out.set()
            kill_group(process.pid)

        timer = threading.Timer(timeout, give_up)
        timer.start()
        try:
            wall, usages = wait_for_all(process, begin)
        finally:
            timer.cancel()
            kill_group(process.pid)
        failure = None
        if timed_out.is_set():
            failure = f"took more than {timeout:g} s"
        elif process.returncode:
            failure = last_line(text(stderr)) or f"exit code {process.returncode}"
        return Run(
            wall=wall,
            cpu=sum(usage.ru_utime + usage.ru_stime for usage in usages),
            peak_mb=sum(usage.ru_maxrss for usage in usages) * 1024 / 1e6,
            stdout=text(stdout),
            failure=failure,
        )


def wait_for_all(process, begin):
    """Waits for the process, then for its orphans; gives the time of the first, the use of all."""
    usages = []
    wall = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return wall, usages
        usages.append(usage)
        if pid == process.pid:
            wall = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)


def kill_group(leader):
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def last_line(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
