"""Many log-ins at once, and many from one network."""

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


async def test_simultaneous_log_ins_leave_the_database_to_others(cluster_stack, server):
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


@pytest.mark.long
@pytest.mark.parametrize(
    ("inside", "outside"),
    [("203.0.113.{}", "203.0.112.1"), ("2001:db8:7:{:x}::1", "2001:db8:8::1")],
    ids=["IPv4", "IPv6"],
)
async def test_an_account_is_locked_for_the_network_that_guesses(server, inside, outside):
    """Test both databases: PostgreSQL compares addresses as addresses, SQLite does not."""
    email = f"{inside.format(0).replace(':', '-')}@example.org"

    async def guess(address):
        answer = await call(
            server.port,
            "POST",
            "/accounts/token/",
            body={"email": email, "password": "wrong"},
            X_Forwarded_For=address,
        )
        return answer.status

    answers = [await guess(inside.format(number)) for number in range(1, 22)]
    assert answers == [401] * 19 + [429] * 2
    assert await guess(outside) == 401
