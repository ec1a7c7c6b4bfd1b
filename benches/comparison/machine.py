"""Describes the machine on which the measurements run."""

import os
import platform
import subprocess
from pathlib import Path


def describe():
    """Returns a description in one line."""
    return ", ".join(
        (
            cpu_model(),
            f"{available_cores()} cores",
            f"{memory_gb():.0f} GB of memory",
            platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
            f"Linux {platform.release()}",
            f"Python {platform.python_version()}",
            rustc_version(),
            f"load {os.getloadavg()[0]:.2f} at the start",
        )
    )


def available_cores():
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def memory_gb():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def rustc_version():
    try:
        command = ["rustc", "--version"]
        result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "no rustc"
    return " ".join(result.stdout.split()[:2])
