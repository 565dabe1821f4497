"""PostgreSQL fails over behind a host name: no acknowledged fix is lost, and storing goes on."""

import pytest

from tests import services

from .conftest import prepare
from .system import operate

pytestmark = [pytest.mark.alone, pytest.mark.slow_fault]


@pytest.fixture
def pair():
    """Start a primary and a standby of our own, and yield them with the drivers' tokens."""
    with services.Postgres(services.find_postgres()) as primary:
        tokens = prepare(primary)
        with services.Standby(services.find_postgres(), primary) as standby:
            yield primary, standby, tokens


async def test_postgres_fails_over_while_its_name_leads_to_the_former_primary(begin, record, pair):
    primary, standby, tokens = pair
    async with begin(primary, tokens, proxied=True) as trial:
        name = trial.system.postgres_proxy
        await trial.go_on(1)
        await operate(primary.kill)
        trial.fault()
        await operate(standby.promote)
        primary.follow(standby)
        await operate(primary.start)
        # New connections reach a server that answers, but takes no writes.
        await trial.go_on(5)
        # Existing connections to it stay open.
        name.target = standby.port
        trial.repaired()
        trial.system.postgres = standby
        await trial.go_on(5)
    record(
        "PostgreSQL fails over; for 5 s its name leads to the former primary, read-only by then",
        trial.measured,
    )
    assert trial.lateness < 0.5
    assert trial.acknowledged_meanwhile == 0
    assert trial.measured.acknowledged_after <= 5
    trial.assert_workers_are_well()
