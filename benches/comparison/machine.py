"""What the measuring was done on."""

import os
import platform
import subprocess
from pathlib import Path


def describe():
    """The machine in one line."""
    return ", ".join(
        (
            cpu(),
            f"{cores()} cores",
            f"{memory_gb():.0f} GB of memory",
            platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"),
            f"Linux {platform.release()}",
            f"Python {platform.python_version()}",
            compiler(),
            f"load {os.getloadavg()[0]:.2f} at the start",
        )
    )


def cores():
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def memory_gb():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def compiler():
    try:
        command = ["rustc", "--version"]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return "no rustc"
    return " ".join(answer.stdout.split()[:2])
