"""The phones of a depot, which share one address, reconnect at once after a restart."""

import asyncio

import pytest

from benchmarks.strangers import PHONES, come_back, stay_silent
from tests import services

from .client import DEADLINE
from .stack import person

FIRST = 10_001
DRIVERS = range(FIRST, FIRST + PHONES)


@pytest.fixture(scope="module")
def environment(postgres_service, redis_service):
    """Return an environment with the default limits, and an account for every phone."""
    environment = services.environment(postgres_service.new_database(), redis_service.url)
    services.migrate(environment)
    services.create_users(environment, [person(driver) for driver in DRIVERS])
    return environment


@pytest.mark.long
async def test_two_thousand_phones_of_one_address_are_back_within_ten_seconds(environment):
    with services.Uvicorn(environment, "depot") as server:
        seconds, refusals = await come_back(server.port, DRIVERS)
    assert refusals == {}
    assert seconds < 10
    assert len(services.locations(environment)) == PHONES


async def test_silent_connections_of_one_address_keep_no_other_address_out(environment):
    limit = {"TRACKING_MAX_CONNECTIONS": "100"}
    with services.Uvicorn(environment | limit, "full") as server:
        silent = await stay_silent(server.port, 150)
        async with asyncio.timeout(DEADLINE):
            _, refusals = await come_back(server.port, DRIVERS[:9])
        # Each phone displaced one; the connections beyond the limit had been refused at once.
        ended = [listener.code for listener in silent if listener.code.done()]
        assert refusals == {}
        assert len(ended) == 50 + 9
        assert {code.result() for code in ended} == {1013}
