"""The simulator against real servers, and the demo that runs both."""

import asyncio
import re
import signal
import sys

import pytest

from tests import services
from tests.services.program import PROJECT

from .client import Driver, Watcher
from .stack import DRIVER


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

    def __init__(self, database_url):
        environment = {**services.environment(database_url), "DEBUG": "true"}
        super().__init__(
            "demo", environment=environment, directory=PROJECT, stop_signal=signal.SIGINT
        )

    def command(self):
        return [sys.executable, PROJECT / "manage.py", "demo", "--port", str(self.port)]

    def ask(self):
        if "SEND as driver" not in self.log():
            raise ConnectionError("it has not yet said what to paste")
        super().ask()


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
