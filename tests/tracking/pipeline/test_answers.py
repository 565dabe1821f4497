"""Answers for each fix of a batch, whatever fails, without waiting for the other drivers."""

import asyncio
import gc
import threading
from concurrent.futures import BrokenExecutor

import pytest
from django.db import connections, transaction

from tracking import metrics
from tracking.engine.database import DatabaseThread
from tracking.pipeline import storage as storage_module
from tracking.pipeline.rows import PartlyStoredError, load_snapshots, locked_drivers, upsert
from tracking.pipeline.storage import Storage

from ..fakes import Log, NoAudience, Sender, fix_of, settle, within_deadline
from ..rows import FAR_AWAY, drivers, stored


class Database:
    """A fake database thread that fails on demand, for all drivers or for some."""

    def __init__(self):
        self.batches = Log()
        self.error = None
        self.outcome = {"rejected": set(), "discarded": set(), "failed": set()}
        self.locked = set()

    async def run(self, function, fixes):
        if function is locked_drivers:
            return self.locked & set(fixes)
        self.batches.append(fixes)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        drivers_ = {fix.driver_id for fix in fixes}
        outcome = {name: drivers_ & ids for name, ids in self.outcome.items()}
        if outcome["discarded"] or outcome["failed"]:
            raise PartlyStoredError(**outcome) from ValueError("a bug")
        return outcome["rejected"]


@pytest.fixture
def fake_database():
    return Database()


@pytest.fixture
async def storage(fake_database, monkeypatch):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.01)
    storage = Storage(fake_database, NoAudience())
    yield storage
    await within_deadline(storage.close())
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        BrokenExecutor("the thread has died"),
        RuntimeError("cannot schedule new futures after shutdown"),
        UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
        LookupError("a bug"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_batch_that_fails_for_another_reason_than_the_database_is_tried_again(
    storage, fake_database, error, caplog
):
    log = Log()
    fake_database.error = error
    sent = [fix_of(1, 1), fix_of(2, 1), fix_of(1, 3), fix_of(1, 2)]
    for fix in sent:
        storage.store([fix], Sender(log))
    await fake_database.batches.reach(3)
    assert log == []
    assert metrics.degraded.parts() == ["storage"]
    fake_database.error = None
    await log.reach(4)
    assert log == [("acknowledged", fix) for fix in sent]
    assert metrics.degraded.parts() == []
    failures = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(failures) == 1
    assert failures[0].exc_info


async def test_a_waiter_that_raises_leaves_none_of_the_others_without_an_answer(
    storage, fake_database, caplog
):
    class Broken:
        def acknowledge(self, fix):
            raise OSError("a bug")

        reject = discard = acknowledge

    fake_database.outcome = {"rejected": {2}, "discarded": {3}, "failed": set()}
    log = Log()
    for driver_id in (1, 2, 3):
        storage.store([fix_of(driver_id)], Broken())
        storage.store([fix_of(driver_id)], Sender(log))
    await log.reach(3)
    assert [answer for answer, _ in log] == ["acknowledged", "rejected", "discarded"]
    assert len(storage) == 0
    assert "could not be notified" in caplog.text


async def test_a_sender_who_asks_for_more_when_it_is_answered_gets_its_next_answer(
    storage, fake_database
):
    """A connection with many fixes has its newest acknowledged once the one before is."""

    class Asking(Sender):
        def acknowledge(self, fix):
            super().acknowledge(fix)
            if len(self.settled) == 1:
                storage.notify(fix, self)

    fake_database.outcome["failed"] = {2}
    sender = Asking()
    storage.store([fix_of(1)], Sender())
    storage.store([fix_of(2)], sender)
    await fake_database.batches.reach(2)
    fake_database.outcome["failed"] = set()
    await sender.settled.reach(2)
    assert sender.settled == [("acknowledged", fix_of(2))] * 2
    await within_deadline(storage.drain())
    assert len(storage) == 0


async def test_what_fails_for_one_driver_delays_neither_the_others_nor_their_next_fixes(
    storage, fake_database, monkeypatch
):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 600)
    fake_database.outcome["failed"] = {2}
    log = Log()
    for second in range(5):
        for driver_id in (1, 2, 3):
            storage.store([fix_of(driver_id, second)], Sender(log))
        await log.reach(2 * (second + 1))
    assert {fix.driver_id for _, fix in log} == {1, 3}
    assert len(storage) == 5
    # The failing fix is in no batch with the others: it would fail their statement again.
    assert all({fix.driver_id for fix in batch} == {1, 3} for batch in fake_database.batches[1:])


async def test_a_driver_whose_fixes_failed_gets_all_its_answers_in_order(storage, fake_database):
    fake_database.outcome["failed"] = {2}
    neighbour, log = Sender(), Log()
    storage.store([fix_of(1)], neighbour)
    storage.store([fix_of(2, 0)], Sender(log))
    storage.store([fix_of(2, 2)], Sender(log))
    await neighbour.settled.reach(1)
    storage.store([fix_of(2, 1)], Sender(log))
    await fake_database.batches.reach(3)
    storage.store([fix_of(2, 3)], Sender(log))
    await fake_database.batches.reach(4)
    assert log == []
    fake_database.outcome["failed"] = set()
    await log.reach(4)
    assert [fix for _, fix in log] == [fix_of(2, second) for second in (0, 2, 1, 3)]
    await within_deadline(storage.drain())
    assert len(storage) == 0
    assert metrics.degraded.parts() == []
    storage.store([fix_of(2, 4)], Sender(log))
    await log.reach(5)


async def test_draining_waits_for_what_failed_for_one_driver(storage, fake_database):
    fake_database.outcome["failed"] = {2}
    neighbour, sender = Sender(), Sender()
    storage.store([fix_of(1)], neighbour)
    storage.store([fix_of(2)], sender)
    await neighbour.settled.reach(1)
    draining = asyncio.create_task(storage.drain())
    await fake_database.batches.reach(4)
    assert not draining.done()
    fake_database.outcome["failed"] = set()
    await within_deadline(draining)
    assert sender.settled == [("acknowledged", fix_of(2))]


async def test_a_driver_who_leaves_while_its_fix_fails_is_no_longer_held(storage, fake_database):
    fake_database.outcome["failed"] = {2}
    neighbour, stays = Sender(), Sender()
    storage.store([fix_of(1)], neighbour)
    storage.store([fix_of(2)], stays)
    await neighbour.settled.reach(1)
    for second in range(1, 50):
        leaves = Sender()
        storage.store([fix_of(2, second)], leaves)
        storage.forget(leaves)
        if second % 10 == 0:
            await fake_database.batches.reach(len(fake_database.batches) + 1)
    assert len(storage._aside_waiting + storage._aside_tried) == 1
    storage.store([fix_of(1, 60)], neighbour)
    await neighbour.settled.reach(2)
    await fake_database.batches.reach(len(fake_database.batches) + 2)
    gc.collect()
    assert len(storage._aside_waiting + storage._aside_tried) == 1


async def test_what_is_locked_is_not_waited_for_again_until_it_is_free(storage, fake_database):
    fake_database.outcome["failed"] = {2, 3}
    neighbour, log = Sender(), Log()
    storage.store([fix_of(1)], neighbour)
    storage.store([fix_of(2)], Sender(log))
    storage.store([fix_of(3)], Sender(log))
    fake_database.locked = {2}
    await neighbour.settled.reach(1)
    storage.store([fix_of(2, 1)], Sender(log))
    fake_database.outcome["failed"] = {2}
    assert await log.reach(1) == [("acknowledged", fix_of(3))]
    assert fake_database.batches[1:] == [[fix_of(3)]]
    assert metrics.degraded.parts() == ["storage"]
    fake_database.outcome["failed"] = set()
    fake_database.locked = set()
    await log.reach(3)
    assert [fix for _, fix in log] == [fix_of(3), fix_of(2), fix_of(2, 1)]
    assert metrics.degraded.parts() == []


class BrokenAnnouncer:
    """An announcer that raises at every call."""

    has_receivers = True

    def stored(self, fixes, replaced):
        raise AttributeError("a bug")


async def test_an_announcer_that_fails_keeps_no_acknowledgement_back(monkeypatch):
    class Thread:
        async def run(self, function, fixes):
            return set(), {}

    storage = Storage(Thread(), BrokenAnnouncer())
    sender = Sender()
    storage.store([fix_of()], sender)
    assert await sender.settled.reach(1) == [("acknowledged", fix_of())]
    await storage.close()


async def test_a_metric_that_fails_keeps_no_acknowledgement_back(
    storage, fake_database, monkeypatch
):
    def fail(*args):
        raise ArithmeticError("a bug")

    monkeypatch.setattr(metrics, "stored", fail)
    fake_database.outcome["failed"] = {2}
    log = Log()
    storage.store([fix_of(1)], Sender(log))
    storage.store([fix_of(2)], Sender(log))
    await log.reach(1)
    fake_database.outcome["failed"] = set()
    assert await log.reach(2) == [("acknowledged", fix_of(1)), ("acknowledged", fix_of(2))]


# In the database

both_databases = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


@pytest.fixture
def statements(database):
    """Return the list of functions that are called with each batch before it is written."""
    hooks = []

    def wrapper(execute, sql, params, many, context):
        if sql.startswith("INSERT INTO tracking_driverlocation"):
            for hook in hooks:
                hook(params[0])
        return execute(sql, params, many, context)

    with connections[database].execute_wrapper(wrapper):
        yield hooks


@both_databases
def test_a_fix_that_cannot_be_encoded_is_discarded_and_its_neighbours_are_stored(database):
    ids = drivers(5)
    fixes = [fix_of(driver_id) for driver_id in ids]
    fixes[3] = fix_of(ids[3], accuracy=object())
    with pytest.raises(PartlyStoredError) as raised:
        upsert(fixes)
    assert (raised.value.rejected, raised.value.discarded) == (set(), {ids[3]})
    assert raised.value.failed == set()
    assert set(load_snapshots(ids)) == {*ids} - {ids[3]}


@both_databases
def test_a_fix_that_a_bug_fails_may_be_tried_again_and_its_neighbours_are_stored(statements):
    ids = drivers(5)

    def fail(batch):
        if f'"driver_id":{ids[3]},' in batch:
            raise ValueError("a bug")

    statements.append(fail)
    fixes = [fix_of(driver_id) for driver_id in [*ids, FAR_AWAY]]
    with pytest.raises(PartlyStoredError) as raised:
        upsert(fixes)
    assert (raised.value.rejected, raised.value.failed) == ({FAR_AWAY}, {ids[3]})
    assert raised.value.discarded == set()
    assert str(raised.value.__cause__) == "a bug"
    assert set(load_snapshots(ids)) == {*ids} - {ids[3]}


@both_databases
def test_a_bug_that_fails_every_fix_costs_a_bounded_number_of_statements(statements):
    tried = []

    def fail(batch):
        tried.append(batch)
        raise ValueError("a bug")

    statements.append(fail)
    fixes = [fix_of(driver_id) for driver_id in range(1, 1001)]
    with pytest.raises(ValueError, match="a bug"):
        upsert(fixes)
    assert len(tried) < 64


TRIGGER = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON tracking_driverlocation
FOR EACH ROW WHEN (NEW.driver_id = {}) EXECUTE FUNCTION refuse()
"""


def execute(sql):
    with connections["postgresql"].cursor() as cursor:
        cursor.execute(sql)


@both_databases
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_trigger_that_fails_for_one_driver_is_no_outage_for_the_others(
    database, monkeypatch
):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.01)
    thread = DatabaseThread("test-answers")
    storage = Storage(thread, NoAudience())
    try:
        unlucky, *others = await thread.run(drivers, 20)
        await thread.run(execute, TRIGGER.format(unlucky))
        sender, log = Sender(), Log()
        storage.store([fix_of(unlucky)], sender)
        for driver_id in others:
            storage.store([fix_of(driver_id)], Sender(log))
        await log.reach(19)
        assert {answer for answer, _ in log} == {"acknowledged"}
        assert set(await thread.run(load_snapshots, others)) == {*others}
        await settle()
        assert sender.settled == []
        await thread.run(execute, "DROP FUNCTION refuse CASCADE")
        assert await sender.settled.reach(1) == [("acknowledged", fix_of(unlucky))]
        assert await thread.run(stored, unlucky) == fix_of(unlucky)
    finally:
        await thread.run(execute, "DROP FUNCTION IF EXISTS refuse CASCADE")
        await storage.close()
        thread.close()


@both_databases
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("wanted", [False, True], ids=["", "announced"])
async def test_a_row_that_somebody_holds_keeps_the_others_waiting_no_longer_than_said(
    database, monkeypatch, wanted
):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.01)
    thread, holder = DatabaseThread("test-answers", lock_wait=0.2), DatabaseThread("test-holder")
    audience = NoAudience()
    monkeypatch.setattr(audience, "has_receivers", wanted)
    monkeypatch.setattr(audience, "stored", lambda fixes, replaced: None, raising=False)
    storage = Storage(thread, audience)
    held, released = threading.Event(), threading.Event()

    def hold(driver_id):
        with transaction.atomic("postgresql"):
            execute(f"DELETE FROM tracking_driverlocation WHERE driver_id = {driver_id}")
            held.set()
            released.wait()
            transaction.set_rollback(True, using="postgresql")

    unlucky, *others = await thread.run(drivers, 10)
    await thread.run(upsert, [fix_of(unlucky)])
    holding = asyncio.ensure_future(holder.run(hold, unlucky))
    try:
        await within_deadline(asyncio.to_thread(held.wait))
        assert await thread.run(locked_drivers, [unlucky, *others]) == {unlucky}
        sender, log = Sender(), Log()
        storage.store([fix_of(unlucky, 1)], sender)
        for second in (1, 2):
            for driver_id in others:
                storage.store([fix_of(driver_id, second)], Sender(log))
            await log.reach(9 * second)
        assert {answer for answer, _ in log} == {"acknowledged"}
        assert sender.settled == []
        released.set()
        await within_deadline(holding)
        assert await sender.settled.reach(1) == [("acknowledged", fix_of(unlucky, 1))]
        assert await thread.run(stored, unlucky) == fix_of(unlucky, 1)
        assert await thread.run(locked_drivers, [unlucky, *others]) == set()
    finally:
        released.set()
        await storage.close()
        thread.close()
        holder.close()
