"""Checks examples/cron with the parser of cron, and runs its commands by the shell."""

import fcntl
import re
import subprocess

from expect import CheckFailed, assert_equal, run
from sandbox import EXAMPLES

CRONTAB = EXAMPLES / "cron/crontab"
SCRIPT = EXAMPLES / "cron/sparkify-nightly"
ENVIRONMENT_FILE = "/etc/sparkify/environment"


def check(sandbox):
    """Returns the arguments of all calls of sparkify."""
    run("crontab", "-n", CRONTAB)
    run("sh", "-n", SCRIPT)
    broken = sandbox.directory / "broken-crontab"
    broken.write_text(re.sub(r"^17 2", "17 25", CRONTAB.read_text(), flags=re.MULTILINE))
    run("crontab", "-n", broken, exit_code=1)

    calls = check_exit_codes(sandbox)
    check_environment_file(sandbox)
    check_overlap(sandbox)
    calls += check_status(sandbox)
    print("cron: the crontab is valid, and its commands retry and report as they say")
    return calls


def nightly(sandbox, *codes, script=SCRIPT):
    """Runs the script while sparkify ends with these exit codes. Returns its process, and the commands it called."""
    sandbox.expect_exit_codes(*codes)
    environment = sandbox.environment | {
        "PATH": sandbox.path_with_stub(),
        "SPARKIFY_STATE": str(sandbox.directory),
        "SPARKIFY_RETRY_SECONDS": "0",
    }
    completed = subprocess.run(["sh", script], env=environment, capture_output=True, text=True, timeout=60)
    return completed, [call[0] for call in sandbox.stub_calls()]


def check_exit_codes(sandbox):
    cases = [
        # exit codes of sparkify, commands that are called, exit code of the script
        ([0], ["run", "clean"], 0),
        ([4, 4, 0], ["run"] * 3 + ["clean"], 0),
        ([4] * 9, ["run"] * 4, 4),
        ([1], ["run"], 1),
        ([2], ["run"], 2),
        ([3], ["run"], 3),
        ([143], ["run"], 143),
        ([0, 1], ["run", "clean"], 1),
    ]
    for codes, commands, exit_code in cases:
        completed, called = nightly(sandbox, *codes)
        what = f"sparkify-nightly after exit codes {codes}"
        assert_equal(f"{what}: commands", called, commands)
        assert_equal(f"{what}: exit code", completed.returncode, exit_code)
        is_silent = not completed.stdout + completed.stderr
        # A clean that fails prints its own error, which the stub does not have.
        if codes != [0, 1]:
            assert_equal(f"{what}: prints nothing", is_silent, exit_code == 0)
    nightly(sandbox)
    return sandbox.stub_calls()


def check_environment_file(sandbox):
    """Checks that the file of variables applies to those of the script, too."""
    file = sandbox.directory / "environment"
    file.write_text("SPARKIFY_CONFIG=/etc/other.cfg\nSPARKIFY_OUT=s3://other/star\n")
    script = sandbox.directory / "sparkify-nightly"
    script.write_text(SCRIPT.read_text().replace(ENVIRONMENT_FILE, str(file)))
    nightly(sandbox, script=script)
    run, clean = sandbox.stub_calls()
    assert_equal("configuration of another name", run[1:5], ["--config", "/etc/other.cfg", "--out", "s3://other/star"])
    assert_equal("folder that is cleaned", clean[1], "s3://other/star")


def check_overlap(sandbox):
    with open(sandbox.directory / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        completed, called = nightly(sandbox)
    assert_equal("commands while another run works", called, [])
    if completed.returncode != 1 or "previous run" not in completed.stderr:
        raise CheckFailed(f"an overlapping run: exit code {completed.returncode}: {completed.stderr}")


def check_status(sandbox):
    """Runs the line of the crontab that checks the age of the last load."""
    lines = [line for line in CRONTAB.read_text().splitlines() if "sparkify status" in line]
    command = lines[0].split(maxsplit=5)[5]
    environment = sandbox.environment | {"PATH": sandbox.path_with_stub()}
    for code in [0, 1]:
        sandbox.expect_exit_codes(code)
        completed = run("sh", "-c", command, env=environment)
        assert_equal(f"status with exit code {code} prints a line", completed.stdout != "", code != 0)
    return sandbox.stub_calls()
