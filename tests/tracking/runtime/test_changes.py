"""Changes of states are passed on, and callers can wait until recent ones are."""

import asyncio

import pytest
from django.db import OperationalError

from tracking.pipeline.duty import StateRow, load_states
from tracking.runtime import changes as runtime_changes
from tracking.runtime.changes import Changes, Recent, load_recent, load_use

from ..fakes import NOON, within_deadline

AVAILABLE = StateRow(19, "available", NOON, None, "", None, None, None, [])


class Receiver:
    def handle(self, group, handler):
        pass

    async def join(self, group):
        pass


class Database:
    """Answers the queries once `answers` is set, or fails each time that `fails` is."""

    def __init__(self):
        self.answers = asyncio.Event()
        self.fails = False
        self.in_use = True
        self.failed = asyncio.Event()

    async def __call__(self, function, *args):
        await self.answers.wait()
        if self.fails:
            self.failed.set()
            raise OperationalError
        if function is load_use:
            return self.in_use
        if function is load_recent:
            return Recent({1: 19}, {})
        assert function is load_states
        return {19: AVAILABLE}


@pytest.fixture
def database():
    return Database()


@pytest.fixture
async def changes(database, monkeypatch):
    monkeypatch.setattr(runtime_changes, "POLL_INTERVAL", 0.01)
    states = {}

    async def on_trips(trip_ids):
        pass

    changes = Changes(
        Receiver(),
        database,
        known=list,
        on_states=states.update,
        on_trips=on_trips,
        on_etas=on_trips,
        on_riders=lambda user_ids: None,
    )
    changes.states = states
    await changes.listen()
    yield changes
    await within_deadline(changes.close())


async def test_current_states_were_passed_on(changes, database):
    waiting = asyncio.create_task(changes.current(60))
    await asyncio.sleep(0)
    assert not waiting.done()
    database.answers.set()
    await within_deadline(waiting)
    assert changes.states == {19: AVAILABLE}
    # Nothing to wait for.
    database.answers.clear()
    await within_deadline(changes.current(60))


async def test_old_states_are_not_current_while_the_database_fails(changes, database):
    database.answers.set()
    await within_deadline(changes.current(60))
    database.fails = True
    # The next round begins later than 5 ms after the last one that succeeded.
    await within_deadline(database.failed.wait())
    waiting = asyncio.create_task(changes.current(0.005))
    database.failed.clear()
    await within_deadline(database.failed.wait())
    assert not waiting.done()
    database.fails = False
    await within_deadline(waiting)


async def test_project_without_states_is_read_at_once_for_a_search(changes, database):
    """Otherwise a search would wait for the next of the rare polls."""
    database.in_use = False
    database.answers.set()
    await within_deadline(changes.current(60))
    async with asyncio.timeout(runtime_changes.IDLE_INTERVAL / 2):
        await changes.current(0.1)
