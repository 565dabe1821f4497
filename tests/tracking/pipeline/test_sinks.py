"""Sinks: other tables that store fixes in the transaction of the last known location."""

import pytest
from django.db import OperationalError

from tracking.models import Worker
from tracking.pipeline import storage as storage_module
from tracking.pipeline.rows import PartlyStoredError, upsert, upsert_and_compare
from tracking.pipeline.storage import Storage

from ..fakes import Log, NoAudience, Sender, fix_of, within_deadline
from ..rows import drivers, stored

both_databases = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])


class TableSink:
    """A sink that stores each fix in a table, here any table with a text key.

    The statement for `refused` drivers fails in the database.
    """

    def __init__(self, refused=()):
        self.refused = refused

    def insert(self, fixes):
        refused = ", ".join(map(str, self.refused)) or "NULL"
        return (
            f"INSERT INTO {Worker._meta.db_table} (id, name, sent, seen_at)"
            " SELECT CAST(driver_id AS text) || ' ' || substr(CAST(recorded_at AS text), 12, 8),"
            " '',"
            f" CASE WHEN driver_id IN ({refused}) THEN NULL ELSE 0 END, recorded_at"
            " FROM fix WHERE true ON CONFLICT DO NOTHING"
        )

    def may_retry(self, error):
        return False

    @staticmethod
    def rows():
        return set(Worker.objects.values_list("id", flat=True))


@both_databases
@pytest.mark.parametrize("write", [upsert, upsert_and_compare])
def test_a_sink_gets_every_fix_and_the_last_known_location_is_the_newest(database, write):
    (driver,) = drivers(1)
    fixes = [fix_of(driver, second) for second in (1, 2, 3)]
    write([fixes[-1]], [TableSink()], {driver: fixes})
    assert stored(driver) == fixes[-1]
    assert TableSink.rows() == {f"{driver} 12:00:0{second}" for second in (1, 2, 3)}


@both_databases
@pytest.mark.parametrize("write", [upsert, upsert_and_compare])
def test_what_a_sink_refuses_is_in_no_table_and_the_others_are_in_both(database, write):
    refused, good = drivers(2)
    newest = [fix_of(refused, 1), fix_of(good, 1)]
    every = {fix.driver_id: [fix] for fix in newest}
    with pytest.raises(PartlyStoredError) as raised:
        write(newest, [TableSink(refused={refused})], every)
    assert raised.value.discarded == {refused}
    assert (stored(refused), stored(good)) == (None, newest[1])
    assert TableSink.rows() == {f"{good} 12:00:01"}


class Thread:
    """A fake database thread: passes batches to the sinks, and raises errors on demand."""

    def __init__(self):
        self.batches = Log()
        self.error = None

    async def run(self, function, fixes, sinks, every):
        self.batches.append({driver_id: list(fixes) for driver_id, fixes in every.items()})
        if self.error is not None:
            raise self.error
        return set()


async def test_fixes_of_a_batch_that_failed_are_written_again_before_those_that_came_meanwhile(
    monkeypatch,
):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.01)
    thread = Thread()
    storage = Storage(thread, NoAudience(), [TableSink()])
    thread.error = OperationalError("the database is unavailable")
    sender = Sender()
    storage.store([fix_of(1, 1), fix_of(1, 2)], sender)
    await thread.batches.reach(1)
    storage.store([fix_of(1, 3)], sender)
    await thread.batches.reach(3)
    thread.error = None
    await sender.settled.reach(2)
    assert thread.batches[0] == {1: [fix_of(1, 1), fix_of(1, 2)]}
    assert thread.batches[-1] == {1: [fix_of(1, 1), fix_of(1, 2), fix_of(1, 3)]}
    await within_deadline(storage.close())


async def test_a_fix_that_waits_once_more_is_not_written_twice():
    thread = Thread()
    storage = Storage(thread, NoAudience(), [TableSink()])
    sender = Sender()
    storage.store([fix_of(1, 1)], None)
    storage.notify(fix_of(1, 1), sender)
    await sender.settled.reach(1)
    assert thread.batches == [{1: [fix_of(1, 1)]}]
    await within_deadline(storage.close())
