"""Forty people who log in at once, and everybody else meanwhile."""

import asyncio

import pytest

from tests import services

from .http import call
from .stack import RIDER

LOG_INS = 40  # Four times the pool of connections.


@pytest.fixture
def server(cluster_stack):
    environment = {**cluster_stack.environment, "TRUSTED_PROXIES": "127.0.0.1"}
    with services.cluster(environment, 1) as (server,):
        yield server


async def test_log_ins_at_once_take_the_database_from_nobody(cluster_stack, server):
    driver_id, rider = cluster_stack.new_driver(), cluster_stack.tokens[RIDER]
    async with cluster_stack.driver(driver_id) as driver:
        await driver.send(1, 2)

    async def log_in(number):
        return await call(
            server.port,
            "POST",
            "/accounts/token/",
            body={"email": f"nobody{number}@example.org", "password": "wrong"},
            X_Forwarded_For=f"198.51.100.{number}",
        )

    log_ins = asyncio.gather(*(log_in(number) for number in range(LOG_INS)))
    looks = []
    while not log_ins.done():
        looks.append(await call(server.port, "GET", f"/driver/{driver_id}/location/", rider))
        await asyncio.sleep(0.1)
    answers = await log_ins
    assert {look.status for look in looks} == {200}
    assert len(looks) > 5
    assert {answer.status for answer in answers} == {401, 503}
    for answer in answers:
        assert answer.headers.get("retry-after") == ("5" if answer.status == 503 else None)
