"""Recording of streams in the audit trail while the database fails and recovers."""

import asyncio

import pytest
from django.db import OperationalError, ProgrammingError

from tracking import access_log
from tracking.access_log import Way, recent, recorder
from tracking.access_log.recorder import Recorder

from ..fakes import within_deadline


class Database:
    """Stores batches in memory, or raises `error` if it is set."""

    def __init__(self):
        self.batches = []
        self.error = None
        self.tried = asyncio.Event()

    async def run(self, function, batch):
        self.tried.set()
        if self.error is not None:
            raise self.error
        self.batches.append(batch)

    @property
    def keys(self):
        return [look.key for batch in self.batches for look in batch]


@pytest.fixture
async def database():
    return Database()


@pytest.fixture
async def looks(database):
    recorder = Recorder(database.run)
    yield recorder
    await recorder.close()


async def test_looks_that_come_during_a_write_are_written_together(database, looks):
    for driver_id in (1, 2, 3):
        looks.record(7, Way.STREAM, driver_id)
    await looks.drain()
    assert database.keys == [(7, 1, Way.STREAM), (7, 2, Way.STREAM), (7, 3, Way.STREAM)]
    assert len(database.batches) == 1


async def test_a_look_is_recorded_once_in_ten_minutes_by_viewer_driver_and_way(
    database, looks, monkeypatch
):
    for _ in range(3):
        looks.record(7, Way.STREAM, 1)
        looks.record(7, Way.FLEET)
        looks.record(8, Way.STREAM, 1)
    await looks.drain()
    assert sorted(database.keys, key=str) == sorted(
        [(7, 1, Way.STREAM), (7, None, Way.FLEET), (8, 1, Way.STREAM)], key=str
    )
    began = access_log.time.monotonic()
    monkeypatch.setattr(access_log.time, "monotonic", lambda: began + access_log.PERIOD + 1)
    looks.record(7, Way.STREAM, 1)
    await looks.drain()
    assert len(database.keys) == 4


async def test_a_driver_who_looks_at_itself_leaves_nothing(database, looks):
    looks.record(7, Way.STREAM, 7)
    await looks.drain()
    assert database.keys == []


async def test_nothing_is_recorded_when_the_retention_is_zero(database, looks, settings):
    settings.TRACKING = settings.TRACKING | {"ACCESS_LOG_DAYS": 0}
    looks.record(7, Way.STREAM, 1)
    await looks.drain()
    assert database.keys == []


async def test_looks_wait_for_a_database_that_is_unavailable(database, looks, monkeypatch):
    monkeypatch.setattr(recorder, "RETRY_DELAY", 0.01)
    database.error = OperationalError("the database is unavailable")
    looks.record(7, Way.STREAM, 1)
    await within_deadline(database.tried.wait())
    looks.record(7, Way.STREAM, 2)
    database.error = None
    database.tried.clear()
    await within_deadline(database.tried.wait())
    await looks.drain()
    assert database.keys == [(7, 1, Way.STREAM), (7, 2, Way.STREAM)]


async def test_looks_that_cannot_be_stored_are_in_the_log_and_may_be_recorded_again(
    database, looks, caplog
):
    database.error = ProgrammingError("no such table")
    looks.record(7, Way.STREAM, 1)
    await looks.drain()
    assert "1 looks at locations could not be recorded: ProgrammingError" in caplog.text
    database.error = None
    looks.record(7, Way.STREAM, 1)
    await looks.drain()
    assert database.keys == [(7, 1, Way.STREAM)]


async def test_more_than_can_wait_are_lost_and_counted(database, looks, monkeypatch, caplog):
    monkeypatch.setattr(recorder, "MAX_WAITING", 2)
    database.error = OperationalError("the database is unavailable")
    for driver_id in range(5):
        looks.record(7, Way.STREAM, driver_id)
    assert "could not be recorded: BufferError" in caplog.text
    assert len(looks._waiting) == 2
    await looks.drain()


def test_memory_of_recorded_looks_is_bounded(monkeypatch):
    monkeypatch.setattr(access_log, "MAX_RECENT", 3)
    recent.add(recent.new(7, Way.STREAM, range(100, 110)))
    assert len(recent._until) == 3
    assert [look.driver_id for look in recent.new(7, Way.STREAM, range(106, 110))] == [106]
