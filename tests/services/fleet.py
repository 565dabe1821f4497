"""A fleet that drives in the demo's town, received by a worker of its own."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .process import ServiceError
from .program import PROJECT


@contextmanager
def moving_fleet(
    environment: Mapping[str, str], first_id: int, drivers: int, *, rate: int
) -> Iterator[None]:
    """Make drivers from `first_id` on send in turn, `rate` fixes a second, while the context lasts.

    The fixes are submitted, broadcast and stored as by a worker with thousands of clients, but
    without sockets. The drivers must be users; each has a location when this yields. One in ten is
    offline, and one in ten is stale and later offline.
    """
    program = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.services.fleet_program"),
            *(str(first_id), str(drivers), str(rate)),
        ],
        env=dict(environment),
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    # The program ends with its input, so also when this process is killed.
    with program:
        if not program.stdout.readline():
            raise ServiceError("the moving fleet did not start, see its error above")
        yield
        program.stdin.close()
        if program.wait(timeout=20):
            raise ServiceError("the moving fleet failed, see its error above")
