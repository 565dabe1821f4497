"""The pub/sub tests of channels_redis, of the pinned version, run against our channel layer.

    python -m tests.conformance.channels_redis

It downloads the source distribution, which has the tests, into `.make/`, and starts a Redis and a
Sentinel of its own. It succeeds if at least one test of each file ran and every test passed.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests import services
from tests.services.program import PROJECT

DIRECTORY: Final = PROJECT / ".make" / "conformance" / "channels_redis"
FILES: Final = ("test_pubsub.py", "test_pubsub_sentinel.py")
# Imported by the tests, and not needed by this project on Python 3.11 and later.
PACKAGES: Final = ("async-timeout==5.0.1",)
# What the tests themselves expect of the Sentinel.
MASTER: Final = "sentinel"
PASSWORD: Final = "channels_redis"
TIMEOUT: Final = 300.0  # seconds

PIP: Final = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


class Sentinel(services.Redis):
    """A Sentinel that watches one Redis."""

    def __init__(self, redis: services.Redis, directory: Path) -> None:
        super().__init__(services.find_redis())
        self.name = "Sentinel"
        self._redis = redis
        self._file = directory / "sentinel.conf"

    def command(self) -> list[str | os.PathLike[str]]:
        self._file.write_text(
            f"port {self.port}\n"
            "bind 127.0.0.1\n"
            f"dir {self._file.parent}\n"
            f"requirepass {PASSWORD}\n"
            f"sentinel monitor {MASTER} 127.0.0.1 {self._redis.port} 1\n"
        )
        return [self._program.path, self._file, "--sentinel"]

    def ask(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            if not connection.recv(64).startswith(b"-NOAUTH"):
                raise ConnectionError("the Sentinel does not answer yet")


def version() -> str:
    """Return the version of channels_redis that this project is pinned to."""
    pin = re.search(
        r"^channels-redis==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert pin is not None, "requirements.txt does not pin channels-redis"
    return pin[1]


def download(version: str) -> Path:
    """Return the directory with the tests of this version, and what configures them.

    The package itself stays in the archive: the one that is installed is tested.
    """
    directory = DIRECTORY / version
    if not list(directory.glob("*.tar.gz")):
        options = ("--no-deps", "--no-binary", ":all:", "--dest", directory)
        subprocess.run([*PIP, "download", *options, f"channels-redis=={version}"], check=True)
    (archive,) = directory.glob("*.tar.gz")
    (directory / "tests").mkdir(exist_ok=True)
    with tarfile.open(archive) as source:
        for name in ("setup.cfg", *(f"tests/{file}" for file in FILES)):
            content = source.extractfile(f"channels_redis-{version}/{name}")
            assert content is not None, f"{name} is no file"
            (directory / name).write_bytes(content.read())
    return directory


def install() -> Path:
    """Return a directory with the packages that only these tests import."""
    directory = DIRECTORY / "packages"
    if not directory.is_dir():
        options = ("--no-deps", "--target", directory)
        subprocess.run([*PIP, "install", *options, *PACKAGES], check=True)
    return directory


@contextmanager
def hosts() -> Iterator[dict[str, list[object]]]:
    """Start the servers, and yield the hosts that each file of tests connects to."""
    with (
        tempfile.TemporaryDirectory() as directory,
        services.Redis(services.find_redis()) as redis,
        Sentinel(redis, Path(directory)) as sentinel,
    ):
        by_sentinel = {
            "sentinels": [("127.0.0.1", sentinel.port)],
            "master_name": MASTER,
            "sentinel_kwargs": {"password": PASSWORD},
        }
        yield dict(zip(FILES, ([redis.url], [by_sentinel]), strict=True))


def failures(report: Path) -> list[str]:
    """Return the tests that did not pass, skipped ones too, and the files of which none ran."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    found = [f"{case.get('classname')}.{case.get('name')}" for case in cases if len(case)]
    for file in FILES:
        ran = [case for case in cases if f"{case.get('classname')}.".endswith(f"{file[:-3]}.")]
        print(f"channels_redis' {file}: {sum(not len(case) for case in ran)} of {len(ran)} passed")
        if not ran:
            found.append(f"{file} has no test that ran")
    return found


def run() -> bool:
    """Run the tests, and return whether all passed."""
    directory = download(version())
    report = DIRECTORY / "report.xml"
    report.unlink(missing_ok=True)
    with hosts() as servers:
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "--rootdir", directory),
                *("-c", directory / "setup.cfg", "-p", "tests.conformance.channels_redis_plugin"),
                *("-p", "no:cacheprovider", f"--junitxml={report}"),
                *("-o", "asyncio_default_fixture_loop_scope=function"),
                *(directory / "tests" / file for file in FILES),
            ],
            cwd=directory,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (PROJECT, install()))),
                "CONFORMANCE_HOSTS": json.dumps(servers),
            },
            timeout=TIMEOUT,
        )
    found = failures(report) if report.exists() else ["no report was written"]
    for failure in found:
        print(f"failed: {failure}")
    return answer.returncode == 0 and not found


if __name__ == "__main__":
    sys.exit(not run())
