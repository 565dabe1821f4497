"""A rolling restart: both servers behind nginx are replaced while clients are connected."""

import asyncio
import json
import urllib.request
from contextlib import AsyncExitStack
from statistics import quantiles
from time import monotonic

import pytest

from tests import services

from .load import STABLE_AFTER, Load
from .system import System, operate
from .trial import PROMPT, Measured

pytestmark = pytest.mark.alone

DRIVERS = range(1001, 1501)
WATCHERS = 3  # of each driver
DRAIN_SECONDS = 20
MAX_GAP = 5.0  # seconds without a frame, for 99 of 100 watchers


@pytest.fixture
def drivers(own_postgres):
    """Return a PostgreSQL server, and the tokens of its drivers."""
    server, _ = own_postgres
    people = [{"id": id_, "email": f"{id_}@example.org", "role": "driver"} for id_ in DRIVERS]
    return server, services.create_users(services.environment(server.url), people)


@pytest.mark.slow_fault
@pytest.mark.timeout(300)
async def test_rolling_restart_of_two_workers_with_2000_clients(drivers, record):
    postgres, tokens = drivers
    settings = {
        "TRACKING_DRAIN_SECONDS": str(DRAIN_SECONDS),
        # All clients connect from this machine.
        "TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS": "0",
    }
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(System(postgres, **settings))
        nginx = services.Nginx([worker.port for worker in system.workers])
        stack.push_async_callback(operate, nginx.__exit__)
        await operate(nginx.start)
        load = Load([nginx.websocket_url], tokens, watchers=WATCHERS, per_second=1)
        await stack.enter_async_context(load)

        began = monotonic()
        for turn, worker in enumerate(system.workers):
            if turn:
                # As docs/operations.md advises: clients that were stable come back sooner.
                await asyncio.sleep(STABLE_AFTER)
            worker.stop_seconds = DRAIN_SECONDS + 20
            assert await operate(worker.stop) == 0
            await operate(worker.start)
            await asyncio.to_thread(until_ready, worker)
        ended = monotonic()
        await asyncio.sleep(5)  # The clients disconnected last reconnect, and go on.
        settling = monotonic()
        await load.settle(10)

        ledger = load.ledger
        gaps = [watcher.gap(began, settling) for watcher in ledger.watchers]
        *_, p99 = quantiles(gaps, n=100)
        outdated = ledger.outdated(of_these(await system.stored()))
        kept = of_these(await system.kept())
        lost = ledger.lost(kept)
        disconnects = dict(load.disconnects)
    assert load.errors == []
    assert lost == outdated == 0
    # All of them with "try again later", and at most once by each server.
    assert set(disconnects) == {1012}
    assert disconnects[1012] <= 2 * len(DRIVERS) * (1 + WATCHERS)
    assert p99 < MAX_GAP, sorted(gaps)[-20:]
    record(
        "Both servers restart in turn behind nginx, with 2,000 clients (gap: p99 of the watchers)",
        Measured(
            sent=ledger.sent,
            acknowledged=ledger.acknowledged(),
            kept=sum(map(len, kept.values())),
            lost=lost,
            delivered=ledger.delivered,
            gap=p99,
            prompt_after=max(0.0, ledger.prompt_since(PROMPT, settling) - ended),
            acknowledged_after=max(0.0, ledger.acknowledged_again(ended) - ended),
            dropped=sum(disconnects.values()),
            slowest_answer=0.0,
        ),
    )


def of_these(by_driver):
    """Return the entries of this scenario's drivers; the database has those of others as well."""
    return {id_: found for id_, found in by_driver.items() if id_ in DRIVERS}


def until_ready(server):
    """Wait, like a deploy, until a started server is ready."""
    while True:
        with urllib.request.urlopen(f"{server.http_url}/health/ready/", timeout=20) as answer:
            if json.load(answer)["status"] == "ready":
                return
