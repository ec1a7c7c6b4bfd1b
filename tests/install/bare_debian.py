#!/usr/bin/env python3
"""Runs the main job on a bare Debian, which has nothing but its essential packages, and in the image.

    mmdebstrap --variant=apt bookworm debian.tar
    infra/release/build.py --out dist && tests/install/bare_debian.py dist debian.tar

It needs root, buildah for the image, and the network for the Python of Debian, which the wheel is for.
"""

import argparse
import http.server
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

from main_job import FIXTURES, REPOSITORY, VERSION, CheckFailed, check_sparkify, ensure, only, run

ARCHIVE = r"sparkify-[\d.]+-\w+-[\w-]+\.tar\.gz"
WHEEL = r"sparkify-[\d.]+-.*\.whl"
BASE = "localhost/debian"
IMAGE = "localhost/sparkify"
USER = 65532
# As docs/installing.md says.
INSTALL_PYTHON = "apt-get update -q && apt-get install -y -q --no-install-recommends python3-venv"
MAX_IMAGE_BYTES = 40_000_000
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dist", type=Path, help="the folder with the packages")
    parser.add_argument("debian", type=Path, help="a tar file of the root of a bare Debian")
    options = parser.parse_args()
    archive, wheel = (only(options.dist.resolve(), pattern) for pattern in (ARCHIVE, WHEEL))
    # The kernel does not let a chroot into a folder that others may write.
    scratch = Path(tempfile.mkdtemp(prefix="sparkify-install-"))
    scratch.chmod(0o755)
    try:
        check_bare_debian(archive, wheel, options.debian, scratch)
        check_image(archive, options.debian, scratch)
    except CheckFailed as error:
        sys.exit(f"error: {error}")
    finally:
        shutil.rmtree(scratch)


def check_bare_debian(archive: Path, wheel: Path, debian: Path, scratch: Path) -> None:
    root = scratch / "debian"
    root.mkdir()
    run(["tar", "-xf", debian, "-C", root])
    run(["tar", "-xzf", archive, "-C", root / "opt"])
    shutil.copytree(FIXTURES, root / "fixtures")
    binary = Path("/opt", archive.name.removesuffix(".tar.gz"), "sparkify")
    check_sparkify(["chroot", root, binary], root / "star", Path("/fixtures"), Path("/star"))
    print(f"{archive.name}: unpacked and run on a bare Debian")
    shutil.rmtree(root / "star")
    shutil.copy(wheel, root)
    # It names the servers that this machine asks.
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    run(["chroot", root, "sh", "-c", INSTALL_PYTHON])
    run(["chroot", root, "python3", "-m", "venv", "/venv"])
    run(["chroot", root, "/venv/bin/pip", "install", "--quiet", "--no-index", f"/{wheel.name}"])
    check_sparkify(["chroot", root, "/venv/bin/sparkify"], root / "star", Path("/fixtures"), Path("/star"))
    print(f"{wheel.name}: installed and run on a bare Debian with python3-venv")


def check_image(archive: Path, debian: Path, scratch: Path) -> None:
    """The image is built as its users build it, from another Debian. It is run without the right to anything else."""
    buildah = Buildah(scratch)
    try:
        size = build_and_run_image(buildah, archive, debian, scratch)
    finally:
        # This unmounts their files, too.
        buildah.run("rm", "--all")
    print(f"the image of {archive.name}: built and run, {size:,} bytes")


def build_and_run_image(buildah: "Buildah", archive: Path, debian: Path, scratch: Path) -> int:
    """Returns the size of the files in the image."""
    buildah.import_root(BASE, debian)
    arguments = [f"--build-arg={name}={value}" for name, value in
                 {"BASE": BASE, "ARCHIVE": archive.name, "VERSION": VERSION, "REVISION": "unknown"}.items()]
    dockerfile = REPOSITORY / "infra/release/Dockerfile"
    buildah.run("build", "--file", dockerfile, "--tag", IMAGE, *arguments, archive.parent)
    image = json.loads(buildah.run("inspect", "--type", "image", IMAGE))
    config = image["OCIv1"]["config"]
    ensure(config["User"] == f"{USER}:{USER}", f"the image runs as {config['User']}")
    ensure(config["Entrypoint"] == ["/usr/bin/sparkify"], f"the image starts {config['Entrypoint']}")
    ensure(config["Labels"]["org.opencontainers.image.version"] == VERSION, f"the labels are {config['Labels']}")
    container = buildah.run("from", IMAGE).strip()
    root = Path(buildah.run("mount", container).strip())
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    ensure(size < MAX_IMAGE_BYTES, f"the image has {size:,} bytes")
    check_container(buildah, container, scratch)
    return size


def check_container(buildah: "Buildah", container: str, scratch: Path) -> None:
    data = scratch / "data"
    data.mkdir()
    os.chown(data, USER, USER)
    volumes = [f"--volume={FIXTURES}:/fixtures:ro", f"--volume={data}:/data"]
    check_sparkify(buildah.command("run", *volumes, container, "--", "/usr/bin/sparkify"),
                   data / "star", Path("/fixtures"), Path("star"))
    owner = (data / "star/_report.json").stat().st_uid
    ensure(owner == USER, f"the output belongs to user {owner}")
    with https_server(scratch) as (port, certificate, requests):
        job = ["--songs", "s3://bucket/songs", "--logs", "s3://bucket/logs", "--out", "s3://bucket/star", "--dry-run"]
        sparkify = ["/usr/bin/sparkify", "run", *job, "--endpoint-url", f"https://localhost:{port}"]
        keys = ["--env=AWS_ACCESS_KEY_ID=AKIASPARKIFYIMAGE000", "--env=AWS_SECRET_ACCESS_KEY=nobody-checks-it"]
        command = lambda *flags: list(map(str, buildah.command("run", *keys, *flags, container, "--", *sparkify)))
        unknown = subprocess.run(command(), capture_output=True, text=True)
        ensure("certificate" in unknown.stderr and not requests, f"the certificate is taken as it is: {unknown.stderr}")
        known = subprocess.run(command(f"--volume={certificate}:{CERTIFICATES}:ro"), capture_output=True, text=True)
        ensure(requests, f"the image does not read {CERTIFICATES}: {known.stderr}")


class Buildah:
    """buildah with storage of its own, and without the rights that containers need otherwise."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def command(self, *arguments) -> list:
        storage = ["--storage-driver=vfs", "--root", self.scratch / "storage", "--runroot", self.scratch / "runtime"]
        return ["env", "BUILDAH_ISOLATION=chroot", "buildah", *storage, *arguments]

    def run(self, *arguments) -> str:
        return run(self.command(*arguments))

    def import_root(self, name: str, root: Path) -> None:
        """Makes an image of the files in a tar file."""
        container = self.run("from", "scratch").strip()
        self.run("add", container, root, "/")
        self.run("commit", "--rm", container, name)


@contextmanager
def https_server(scratch: Path):
    """Runs a server that is not S3, but has a certificate. Yields its port, the certificate and the requests to it."""
    certificate, key = scratch / "certificate.pem", scratch / "key.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", key, "-out", certificate])
    requests = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            self.send_error(403)

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            """A client that does not trust the certificate hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], certificate, requests
    finally:
        server.shutdown()


if __name__ == "__main__":
    main()
