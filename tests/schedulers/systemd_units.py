"""Checks examples/systemd with the tools of systemd, and runs the units in a systemd of their own."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from expect import CheckFailed, assert_equal, run
from sandbox import EXAMPLES

UNITS = EXAMPLES / "systemd"
BOOT = Path(__file__).with_name("systemd_boot.sh")
INSTALLED_BINARY = "/usr/local/bin/sparkify"

# `systemd-analyze security` rates units from 0 to 10; this is a tenth of its unit.
MAX_EXPOSURE = 20

# What systemd must do after each exit code of sparkify: the attempts, and whether it tells that the job failed.
ENDS = {0: (1, False), 1: (1, True), 2: (1, True), 3: (1, True), 4: (4, True), 143: (1, True)}


def check(sandbox):
    """Returns the arguments of all calls of sparkify."""
    units = copy_with_binary(sandbox)
    services = sorted(path for path in units.glob("*.service") if "@" not in path.name)
    timers = sorted(units.glob("*.timer"))
    verified = run("systemd-analyze", "verify", "--man=no", *services, *timers)
    # A key that systemd does not know is only a warning.
    warnings = [line for line in verified.stderr.splitlines() if "sparkify" in line or str(units) in line]
    assert_equal("warnings of systemd-analyze verify", warnings, [])
    for timer in timers:
        for calendar in re.findall(r"^OnCalendar=(.+)$", timer.read_text(), re.MULTILINE):
            run("systemd-analyze", "calendar", calendar)
        assert_equal(f"{timer.name} has a service", timer.with_suffix(".service") in services, True)
    for service in services:
        run("systemd-analyze", "security", "--offline=yes", f"--threshold={MAX_EXPOSURE}", service)
    run("systemd-sysusers", "--dry-run", UNITS / "sysusers.conf")
    check_verify(units / "sparkify-nightly.service")
    check_time_of_attempts((units / "sparkify-nightly.service").read_text())

    if can_boot():
        check_boot(sandbox)
    else:
        print("systemd: SKIPPED: the units are not run, because this machine does not let a systemd run in namespaces")
    commands = [arguments for service in services for arguments in exec_starts(service, sandbox.sparkify)]
    print(f"systemd: {len(services)} services and {len(timers)} timers are valid")
    return commands


def copy_with_binary(sandbox):
    """Returns a copy of the units that name the sparkify under test, because the program of a unit must exist."""
    units = sandbox.directory / "units"
    shutil.copytree(UNITS, units)
    for path in units.glob("*.service"):
        path.write_text(path.read_text().replace(INSTALLED_BINARY, str(sandbox.sparkify)))
    return units


def check_verify(service):
    """Checks that systemd would refuse a unit that is wrong."""
    text = service.read_text()
    wrong = text.replace("Restart=on-failure", "Restart=always").replace(
        "[Service]", "[Service]\nRestartForceExitStatus=4"
    )
    service.write_text(wrong)
    run("systemd-analyze", "verify", "--man=no", service, exit_code=1)
    service.write_text(text)


def check_time_of_attempts(service):
    """Checks that attempts are counted for as long as all of them may take."""
    limit, attempt, wait = (
        span_seconds(re.search(rf"^{key}=(.+)$", service, re.MULTILINE).group(1))
        for key in ("StartLimitIntervalSec", "TimeoutStartSec", "RestartSec")
    )
    attempts = int(re.search(r"^StartLimitBurst=(\d+)$", service, re.MULTILINE).group(1))
    # At the next night the count must be over.
    if not attempts * (attempt + wait) <= limit < 86_400:
        raise CheckFailed(f"{attempts} attempts of {attempt} s are counted for {limit} s")


def span_seconds(span):
    """Returns the seconds of a time span as systemd understands it."""
    microseconds = run("systemd-analyze", "timespan", span).stdout
    return int(re.search(r"(?:μs|us|µs): (\d+)", microseconds).group(1)) // 1_000_000


def exec_starts(service, binary):
    """Returns the arguments of the commands of a unit."""
    text = service.read_text().replace("\\\n", " ")
    commands = [shlex.split(line) for line in re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)]
    return [command[1:] for command in commands if command[0] == str(binary)]


def can_boot():
    """Tells whether this machine lets a systemd run in namespaces, with control groups of version 2."""
    command = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--net", "mount", "-t", "cgroup2", "none", "/mnt"]
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


def check_boot(sandbox):
    """Runs the nightly unit with each exit code, and sparkify itself within the limits of the unit."""
    namespaces = ["--mount", "--pid", "--fork", "--ipc", "--uts", "--net", "--cgroup", "--mount-proc"]
    results = sandbox.directory / "systemd"
    results.mkdir()
    codes = " ".join(str(code) for code in ENDS)
    # systemd ends its process in a way of its own, so the exit code says nothing.
    command = ["unshare", *namespaces, "bash", BOOT, UNITS, sandbox.sparkify, results, codes]
    booted = subprocess.run(command, capture_output=True, text=True, timeout=120)
    log = (results / "log").read_text() if (results / "log").exists() else booted.stdout + booted.stderr
    for code, (attempts, is_told) in ENDS.items():
        found = re.findall(rf"^exit code {code}: (.*)$", log, re.MULTILINE)
        commands = ["run"] * attempts + ["clean"] * (code == 0)
        expected = " ".join(commands + ["told"] * is_told)
        assert_equal(f"commands of the unit when sparkify exits with {code}", found, [expected])
    if not re.search(
        r"^in the unit: songplays, user sparkify, dwh.cfg readable, the rest read-only$", log, re.MULTILINE
    ):
        raise CheckFailed(f"sparkify within the limits of the unit: {log}")
    print("systemd: a systemd of its own repeats the job after exit code 4 only, and sparkify works within the limits")
