import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests import services
from tests.tracking.fakes import DEADLINE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def until(condition):
    """Return the first true result."""
    ends = time.monotonic() + DEADLINE
    while not (result := condition()):
        assert time.monotonic() < ends
        time.sleep(0.02)
    return result


def deliverers_of(pid):
    """Return the deliverers that a process has started."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(child)
            for child in children
            if b"tracking_deliver" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]
    except FileNotFoundError:
        return []


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_runserver_runs_none_if_it_is_told_not_to():
    with services.sqlite() as url:
        environment = services.environment(url)
        services.migrate(environment)
        with services.Runserver(environment) as server:
            # It serves, so it would have started one before.
            assert deliverers_of(server.pid) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_runserver_runs_one_deliverer_and_leaves_none_behind(number):
    with services.sqlite() as url:
        environment = services.environment(url)
        services.migrate(environment)
        with services.Runserver(environment, delivers=True) as server:
            (deliverer,) = until(lambda: deliverers_of(server.pid))
            os.kill(server.pid, number)
            until(lambda: not runs(deliverer))
