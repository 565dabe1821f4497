"""PostgreSQL fails over behind a host name.

For a while the name leads to the former primary, a standby by then. Connections to it stay open
after the name leads to the new primary.
"""

import asyncio

import psycopg
import pytest

from tests import services
from tests.faults.proxy import Proxy
from tests.faults.system import operate

from .client import Driver
from .http import call, readiness
from .stack import DRIVER, person

# A standby answers, but takes no writes. The second URL does not make libpq refuse it.
CONNECTIONS = {"read-write by default": "", "any": "?target_session_attrs=any"}


@pytest.fixture(params=CONNECTIONS)
async def failing_over(request):
    """Start a primary, its standby, a proxy as their host name, and a worker that uses the name."""
    async with Proxy(0) as name:
        with services.Postgres(services.find_postgres()) as primary:
            environment = services.environment(primary.url)
            services.migrate(environment)
            tokens = services.create_users(environment, [person(DRIVER)])
            with services.Standby(services.find_postgres(), primary) as standby:
                name.target = primary.port
                url = primary.url.replace(f":{primary.port}/", f":{name.port}/")
                environment = services.environment(
                    url + CONNECTIONS[request.param], TRACKING_MAX_FIXES_PER_SECOND="0"
                )
                worker = services.Uvicorn(environment, "worker")
                await operate(worker.start)
                try:
                    yield primary, standby, name, worker, tokens[DRIVER]
                finally:
                    await operate(worker.__exit__)


class Sender:
    """Sends a fix ten times a second, each one step further north."""

    def __init__(self, driver):
        self.driver = driver
        self.sent = 0

    async def run(self):
        while True:
            self.sent += 1
            await self.driver.send_message(
                command="send", token=self.driver.token, lat=self.sent / 1000, lon=1
            )
            await asyncio.sleep(0.1)

    @property
    def acknowledged(self):
        return len(self.driver.frames)

    async def acknowledge(self, number):
        """Wait for this number of acknowledgements."""
        await self.driver.until(lambda frames: len(frames) >= number)


def latitude_in(url):
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT latitude FROM tracking_driverlocation").fetchone()
        return row[0]


@pytest.mark.long
async def test_acknowledgements_go_on_after_a_failover_and_none_was_untrue(failing_over):
    primary, standby, name, worker, token = failing_over
    async with Driver(worker.websocket_url, DRIVER, token=token) as driver:
        sender = Sender(driver)
        sending = asyncio.create_task(sender.run())
        await sender.acknowledge(5)
        assert (await readiness(worker.port, 200))["checks"]["database"] == "ok"

        await operate(primary.kill)
        await operate(standby.promote)
        primary.follow(standby)
        await operate(primary.start)
        # The name leads to the former primary, which accepts connections and refuses writes.
        assert (await readiness(worker.port, 503))["checks"]["database"] == "failing"
        acknowledged = sender.acknowledged
        assert latitude_in(standby.url) >= acknowledged / 1000

        name.target = standby.port
        await sender.acknowledge(sender.sent + 5)
        sending.cancel()
        await sender.acknowledge(sender.sent)
        # Each in order, none twice, and the newest is stored in the new primary.
        assert driver.frames == [
            f'{{"location_lat": "{number / 1000:g}", "location_lon": "1"}}'
            for number in range(1, sender.sent + 1)
        ]
    assert latitude_in(standby.url) == sender.sent / 1000
    assert (await readiness(worker.port, 200))["checks"]["database"] == "ok"
    answer = await call(
        worker.port, "PUT", f"/driver/{DRIVER}/location/", token, {"lat": 5, "lon": 6}
    )
    assert answer.status == 204
    assert latitude_in(standby.url) == 5
    assert "Traceback" not in worker.log()
