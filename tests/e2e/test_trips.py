"""The lives of twenty trips at once: each rider sees the trip's driver of the moment."""

import pytest

from tests.faults.dispatch import Dispatch
from tests.faults.host import Host
from tests.faults.load import Load
from tests.services import create_users

from .client import DEADLINE
from .conftest import DEVELOPMENT_IS_LONG
from .stack import person

TRIPS, SPARE_DRIVERS = 20, 5
# The duration of all their lives.
SECONDS = 6.0
RIDERS = range(5_001, 5_001 + TRIPS)


@pytest.fixture(scope="module")
def riders(stack):
    return create_users(stack.environment, [person(id_, "rider") for id_ in RIDERS])


@pytest.mark.parametrize("stack", DEVELOPMENT_IS_LONG, indirect=True)
async def test_riders_see_the_driver_of_their_trip_alone(stack, riders):
    drivers = [stack.new_driver() for _ in range(TRIPS + SPARE_DRIVERS)]
    urls = [server.websocket_url for server in stack.servers]
    tokens = {driver: stack.tokens[driver] for driver in drivers}
    load = Load(urls, tokens, watchers=0, per_second=1.0)
    async with (
        Host(stack.environment) as host,
        load,
        # How soon changes take effect is measured by tests/faults/test_trips.py alone.
        Dispatch(host, load, urls, riders, drivers, by_grants=False, prompt=DEADLINE) as dispatch,
    ):
        await dispatch.run(SECONDS)
        lives = await dispatch.settle(DEADLINE)
        left_over = await dispatch.left_over()
        await load.settle(DEADLINE)
    assert load.errors == []
    assert left_over == {"unfinished": 0, "busy": 0, "assigned": 0, "granted": 0}
    assert (lives.trips, lives.streams, lives.leaks, lives.cut) == (TRIPS, TRIPS, 0, 0)
    assert max(lives.move, lives.end) < DEADLINE, lives
