"""channels_redis' own pub/sub tests, run against our channel layer.

They need a Redis and a Sentinel, which are started here.
"""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests import services

from .sources import run_pytest, unpack

CONFTEST: Final = Path(__file__).with_name("channels_redis_conftest.py")
FILES: Final = ("test_pubsub.py", "test_pubsub_sentinel.py")
# Of channels_redis 4.3.0, 17 and 13. All pass: no difference is deliberate.
MIN_TESTS: Final = 30
# The configuration that the tests expect of the Sentinel.
MASTER: Final = "sentinel"
PASSWORD: Final = "channels_redis"


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


def run() -> str:
    """Run the tests of the pub/sub layer, and return how many passed."""
    directory = unpack("channels-redis")
    shutil.copyfile(CONFTEST, directory / "tests" / "conftest.py")
    with hosts() as servers:
        return run_pytest(
            directory,
            [
                *("-o", "asyncio_default_fixture_loop_scope=function", "--timeout=60"),
                *(f"tests/{file}" for file in FILES),
            ],
            MIN_TESTS,
            environment={"CONFORMANCE_HOSTS": json.dumps(servers)},
        )
