"""What all checks of the schedulers use: the error, and the commands that they run."""

import subprocess


class CheckFailed(Exception):
    """An example does not do what it says."""


def assert_equal(what, actual, expected):
    if actual != expected:
        raise CheckFailed(f"{what}: expected {expected}, found {actual}")


def run(*command, exit_code=0, **options):
    """Runs a command that must end with `exit_code`, and returns what it printed."""
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    if completed.returncode != exit_code:
        output = (completed.stdout + completed.stderr).strip()
        raise CheckFailed(f"{command[0]}: expected exit code {exit_code}, found {completed.returncode}: {output}")
    return completed
