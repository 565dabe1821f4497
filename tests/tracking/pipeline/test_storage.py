"""Batches and acknowledgements, on a fake database."""

import asyncio

import pytest
from django.db import DatabaseError, InternalError, OperationalError, ProgrammingError

from tracking.pipeline import storage as storage_module
from tracking.pipeline.rows import upsert
from tracking.pipeline.storage import Storage

from ..fakes import Log, NoAudience, Sender, fix_of, settle, within_deadline


class Database:
    """A fake database thread that records batches, and raises errors on demand."""

    def __init__(self):
        self.batches = Log()
        self.error = None
        self.rejected = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, function, fixes):
        assert function is upsert
        self.batches.append(fixes)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.rejected


@pytest.fixture
def fake_database():
    return Database()


@pytest.fixture
async def storage(fake_database, monkeypatch):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.01)
    storage = Storage(fake_database, NoAudience())
    yield storage
    fake_database.gate.set()
    await within_deadline(storage.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_is_acknowledged_before_it_is_committed(storage, fake_database):
    sender = Sender()
    fake_database.gate.clear()
    storage.store([fix_of()], sender)
    await fake_database.batches.reach(1)
    await settle()
    assert sender.settled == []
    fake_database.gate.set()
    assert await sender.settled.reach(1) == [("acknowledged", fix_of())]


async def test_of_a_drivers_fixes_in_a_batch_the_newest_is_stored_and_all_are_acknowledged_in_order(
    storage, fake_database
):
    sender = Sender()
    for second in (1, 3, 2):
        storage.store([fix_of(second=second)], sender)
    await sender.settled.reach(3)
    assert fake_database.batches == [[fix_of(second=3)]]
    assert [fix for _, fix in sender.settled] == [fix_of(second=second) for second in (1, 3, 2)]


async def test_what_gathers_while_a_batch_is_written_is_the_next_batch(storage, fake_database):
    fake_database.gate.clear()
    storage.store([fix_of(1)], Sender())
    await fake_database.batches.reach(1)
    sender = Sender()
    for driver_id in (1, 2, 3):
        storage.store([fix_of(driver_id, 1)], sender)
    fake_database.gate.set()
    await sender.settled.reach(3)
    assert fake_database.batches == [[fix_of(1)], [fix_of(driver_id, 1) for driver_id in (1, 2, 3)]]


async def test_acknowledgements_keep_the_order_of_the_sends_over_several_batches(
    storage, fake_database
):
    log = Log()
    fake_database.gate.clear()
    sent = [fix_of(number % 3 + 1, number) for number in range(30)]
    for number, fix in enumerate(sent):
        storage.store([fix], Sender(log))
        if number % 10 == 5:
            await settle()
    fake_database.gate.set()
    await log.reach(30)
    assert [fix for _, fix in log] == sent


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("the connection is lost"),
        InternalError("cannot execute INSERT in a read-only transaction"),
        ProgrammingError("relation does not exist"),
        DatabaseError("whatever it is"),
    ],
)
async def test_what_cannot_be_stored_now_is_kept_and_stored_when_the_database_is_back(
    storage, fake_database, error
):
    log = Log()
    fake_database.error = error
    sent = [fix_of(1, 1), fix_of(2, 1), fix_of(1, 3), fix_of(1, 2)]
    for fix in sent[:3]:
        storage.store([fix], Sender(log))
    await fake_database.batches.reach(2)
    storage.store([sent[3]], Sender(log))
    await fake_database.batches.reach(4)
    assert log == []
    fake_database.error = None
    await log.reach(4)
    assert log == [("acknowledged", fix) for fix in sent]
    newest = sorted(fake_database.batches[-1], key=lambda fix: fix.driver_id)
    assert newest == [fix_of(1, 3), fix_of(2, 1)]


async def test_an_outage_is_logged_once_and_so_is_its_end(storage, fake_database, caplog):
    caplog.set_level("INFO")
    fake_database.error = OperationalError("unavailable")
    sender = Sender()
    storage.store([fix_of()], sender)
    await fake_database.batches.reach(4)
    fake_database.error = None
    await sender.settled.reach(1)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


async def test_only_the_senders_of_a_refused_drivers_fixes_get_a_refusal(storage, fake_database):
    fake_database.rejected = {2}
    log = Log()
    for driver_id in (1, 2, 3, 2):
        storage.store([fix_of(driver_id)], Sender(log))
    await log.reach(4)
    assert [(answer, fix.driver_id) for answer, fix in log] == [
        ("acknowledged", 1),
        ("rejected", 2),
        ("acknowledged", 3),
        ("rejected", 2),
    ]


async def test_draining_waits_until_the_database_is_back_and_everything_is_acknowledged(
    storage, fake_database
):
    sender = Sender()
    fake_database.error = OperationalError("unavailable")
    storage.store([fix_of()], sender)
    draining = asyncio.create_task(storage.drain())
    await fake_database.batches.reach(3)
    assert not draining.done()
    fake_database.error = None
    await within_deadline(draining)
    assert len(sender.settled) == 1
