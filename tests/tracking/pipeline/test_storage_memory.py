"""Memory of storage while the database is unavailable: one fix for each connected driver."""

import asyncio

import pytest
from django.db import OperationalError

from tracking.pipeline import storage as storage_module
from tracking.pipeline.storage import Storage

from ..fakes import Log, NoAudience, Sender, fix_of, within_deadline

DRIVERS = 20


class Unavailable:
    """A fake thread of a database that is unavailable."""

    def __init__(self):
        self.batches = Log()

    async def run(self, function, fixes):
        self.batches.append(fixes)
        await asyncio.sleep(0)
        raise OperationalError("unavailable")


@pytest.fixture
async def storage(monkeypatch):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.001)
    storage = Storage(Unavailable(), NoAudience())
    yield storage
    await within_deadline(storage.close())


async def test_of_each_driver_one_fix_is_held_however_long_it_takes(storage):
    tries = storage._thread.batches
    for second in range(100):
        for driver_id in range(1, DRIVERS + 1):
            storage.store([fix_of(driver_id, second)], None)
        await tries.reach(len(tries) + 1)
        assert len(tries[-1]) <= DRIVERS
        assert len(storage._newest) <= DRIVERS
        assert len(storage) == 0
    await tries.reach(len(tries) + 2)
    assert tries[-1] == [fix_of(driver_id, 99) for driver_id in range(1, DRIVERS + 1)]


async def test_a_driver_who_has_left_is_no_longer_held(storage):
    tries = storage._thread.batches
    stays = Sender()
    storage.store([fix_of(1)], stays)
    for second in range(100):
        leaves = Sender()
        storage.store([fix_of(2, second)], leaves)
        storage.forget(leaves)
        await tries.reach(len(tries) + 1)
    await tries.reach(len(tries) + 2)
    held = len(storage._waiting) + len(storage._forgotten)
    assert held <= 1
    assert stays.settled == []
