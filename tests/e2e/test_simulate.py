"""The simulator against real servers, and the demo that runs both."""

import asyncio
import re
import signal
import sys

import pytest

from tests import services
from tests.services.program import PROJECT

from .client import Driver, Watcher
from .conftest import DEVELOPMENT_IS_LONG
from .stack import DRIVER

DEADLINE = 120


@pytest.mark.parametrize("stack", DEVELOPMENT_IS_LONG, indirect=True)
def test_every_location_of_the_simulator_is_acknowledged(stack):
    said = services.manage(
        stack.environment,
        "tracking_simulate",
        *("--drivers", "20", "--interval", "0.5", "--duration", "4"),
        *("--url", stack.driver_server.websocket_url),
    )
    summary = re.search(r"20 drivers, \d+ s: sent (\d+), acknowledged (\d+)", said)
    sent, acknowledged = map(int, summary.groups())
    assert sent == acknowledged
    assert sent >= 20 * 4
    assert " x " not in said


class Demo(services.Process):
    """`manage.py demo`, which is ready once it has printed everything."""

    def __init__(self, database_url, *options, **environment):
        self.options = options
        environment = {**services.environment(database_url), "DEBUG": "true", **environment}
        super().__init__(
            "demo", environment=environment, directory=PROJECT, stop_signal=signal.SIGINT
        )

    def command(self):
        manage = [sys.executable, PROJECT / "manage.py"]
        return [*manage, "demo", "--port", str(self.port), *self.options]

    async def until(self, pattern):
        """Return once a line of the output matches."""
        async with asyncio.timeout(DEADLINE):
            while not re.search(pattern, self.log()):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(0.2)

    def query(self, code):
        return services.manage(self.environment, "shell", "--no-imports", "-c", code).split()

    def ask(self):
        if "SEND as driver" not in self.log():
            raise ConnectionError("it has not yet said what to paste")
        super().ask()


@pytest.mark.long
async def test_the_demo_prints_valid_tokens_and_ctrl_c_ends_it_cleanly():
    with services.sqlite() as database_url, Demo(database_url) as demo:
        rider, driver = re.findall(
            r"^(?:  (?:rider|driver) \d+:\n)(\S+)$", demo.log(), re.MULTILINE
        )
        url = f"ws://127.0.0.1:{demo.port}"
        async with Watcher(url, DRIVER, rider) as watcher, Driver(url, DRIVER, driver) as phone:
            acknowledgement = await phone.send("-1.4354", "0.9871")
            await watcher.start()
            # The simulator drives this one too.
            await watcher.frame(3)
            assert "error" not in acknowledgement
            assert not any("error" in frame for frame in watcher.frames)
        assert demo.stop() == 0
        assert demo.log().rstrip().endswith("The demo has stopped.")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", demo.port)


@pytest.mark.long
async def test_the_demo_drives_whole_rides_and_its_rider_may_watch_by_a_grant():
    policy = {"TRACKING_WATCH_POLICY": "tracking.permissions.granted"}
    with services.sqlite() as database_url, Demo(database_url, "--speed", "60", **policy) as demo:
        await demo.until(r"[1-9]\d* riding, [1-9]\d* done")
        rider, _ = re.findall(r"^(?:  (?:rider|driver) \d+:\n)(\S+)$", demo.log(), re.MULTILINE)
        async with Watcher(f"ws://127.0.0.1:{demo.port}", DRIVER, rider) as watcher:
            await watcher.start()
            await watcher.frame(3)
            assert not any("error" in frame for frame in watcher.frames)
        assert demo.stop() == 0
        summary = re.search(r"100 drivers, \d+ s: sent (\d+), acknowledged (\d+).*", demo.log())
        assert summary.group(1) == summary.group(2)
        assert " x " not in demo.log()
        # The rider's trip goes on; of the others none is left, and no driver waits for one.
        assert demo.query(
            "from tracking.models import *;"
            "print(*Trip.objects.filter(ended_at=None).values_list('reference', flat=True));"
            "print(*DriverState.objects.exclude(trip=None).values_list('pk', flat=True))"
        ) == ["DEMO", str(DRIVER)]
        (done,) = demo.query(
            "from tracking.models import *; print(Trip.objects.filter(status='complete').count())"
        )
        assert int(done) >= 1
