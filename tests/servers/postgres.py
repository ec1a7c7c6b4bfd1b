"""A PostgreSQL server for the checks in Python, which the supervisor of the Rust tests runs."""

import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SUPERVISOR = REPOSITORY / "crates/testkit/src/postgres_server/supervisor.sh"


class ServerFailed(Exception):
    """The server did not start."""


@contextmanager
def postgres_server(user, password):
    """Runs a server with a superuser, and returns its port. The supervisor removes its directory in the end."""
    directory = Path(tempfile.mkdtemp(prefix="sparkify-pg-"))
    # Times without a time zone must be taken as UTC wherever the server is.
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": directory,
        "fsync": "off",
        "timezone": "Pacific/Kiritimati",
    }
    (directory / "settings").write_text("".join(f"{name} = '{value}'\n" for name, value in settings.items()))
    (directory / "password").write_text(password)
    command = ["sh", "-c", SUPERVISOR.read_text(), "sh", directory, find_postgres(), user]
    supervisor = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=directory)
    try:
        expect_ready(supervisor, "initdb", directory)
        port = free_port()
        print(port, file=supervisor.stdin, flush=True)
        expect_ready(supervisor, "PostgreSQL", directory)
        yield port
    finally:
        supervisor.stdin.close()
        supervisor.wait()


def expect_ready(supervisor, what, directory):
    if supervisor.stdout.readline() != "ready\n":
        raise ServerFailed(f"{what} did not start: {(directory / 'log').read_text()}")


def find_postgres():
    """Returns the directory with the programs of the newest server. Debian does not put them on the path."""
    initdb = shutil.which("initdb")
    if initdb:
        return Path(initdb).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parent.parent.name), default=None)
    if newest is None:
        raise ServerFailed("this test needs PostgreSQL: apt-get install postgresql")
    return newest.parent


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
