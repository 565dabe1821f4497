"""A fleet that drives about the demo's town, and is heard by another worker."""

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
    """`rate` fixes a second of the drivers from `first_id` on, in turn, while the context lasts.

    They are submitted, broadcast and stored as by a worker whose clients they are, without the
    thousands of sockets. The drivers are users already; each has a location when this yields.
    One in ten is offline and one in ten is stale, until it is offline a while later.
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
    # It ends with its input, so also when this process is killed.
    with program:
        if not program.stdout.readline():
            raise ServiceError("the moving fleet did not start, see its error above")
        yield
        program.stdin.close()
        if program.wait(timeout=20):
            raise ServiceError("the moving fleet failed, see its error above")
