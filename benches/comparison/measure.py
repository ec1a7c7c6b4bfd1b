"""Measures one run of a command from outside. Linux only."""

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
class Measurement:
    """The resource usage and output of a run.

    `wall_seconds` is the time until the command exits. `cpu_seconds` is user and system time, and `peak_mb` the
    sum of the memory peaks, of the command and of every process that outlives it (such as Spark's JVM).
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    stdout: str
    failure: str | None


def become_subreaper():
    """Makes this process the parent of orphaned descendants, so that it can wait for them."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def measure(command, timeout):
    """Runs `command` until it exits, or kills it after `timeout` seconds."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        timed_out = threading.Event()

        def on_timeout():
            timed_out.set()
            kill_group(process.pid)

        timer = threading.Timer(timeout, on_timeout)
        timer.start()
        try:
            wall_seconds, usages = wait_for_children(process, start)
        finally:
            timer.cancel()
            kill_group(process.pid)
        failure = None
        if timed_out.is_set():
            failure = f"took more than {timeout:g} s"
        elif process.returncode:
            failure = last_line(read_text(stderr)) or f"exit code {process.returncode}"
        return Measurement(
            wall_seconds=wall_seconds,
            cpu_seconds=sum(usage.ru_utime + usage.ru_stime for usage in usages),
            peak_mb=sum(usage.ru_maxrss for usage in usages) * 1024 / 1e6,
            stdout=read_text(stdout),
            failure=failure,
        )


def wait_for_children(process, start):
    """Waits for the process and for its orphans; returns the wall time of the process and the usage of all."""
    usages = []
    wall_seconds = None
    while True:
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return wall_seconds, usages
        usages.append(usage)
        if pid == process.pid:
            wall_seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)


def kill_group(leader):
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def read_text(file):
    file.seek(0)
    return file.read().decode(errors="replace")


def last_line(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
