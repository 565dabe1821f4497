"""Effects of fixes: stored in the transaction of the fix, or not at all."""

import pytest
from django.db import OperationalError

from tracking.models import Worker
from tracking.pipeline import storage as storage_module
from tracking.pipeline.rows import Effects, PartlyStoredError, upsert, upsert_and_compare
from tracking.pipeline.storage import Storage

from ..fakes import NOON, Log, NoAudience, Sender, fix_of, within_deadline
from ..rows import FAR_AWAY, drivers, stored

both_databases = pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])
both_functions = pytest.mark.parametrize("write", [upsert, upsert_and_compare])


class Table:
    """Stores the name of each effect as a row, once. The effects of `locked` drivers wait."""

    def __init__(self, locked=(), error=None):
        self.locked = set(locked)
        self.error = error

    def __call__(self, effects):
        for names in effects.values():
            for name in names:
                Worker.objects.get_or_create(
                    pk=name, defaults={"name": name, "sent": 0, "seen_at": NOON}
                )
        if self.error is not None:
            raise self.error
        return self.locked & effects.keys()

    @staticmethod
    def rows():
        return set(Worker.objects.values_list("pk", flat=True))


@both_databases
@both_functions
def test_effects_are_stored_with_the_fixes(database, write):
    one, two, three = drivers(3)
    fixes = [fix_of(each, 1) for each in (one, two, three)]
    write(fixes, (), None, Effects({one: ["a", "b"], three: ["c"]}, Table()))
    assert [stored(each) for each in (one, two, three)] == fixes
    assert Table.rows() == {"a", "b", "c"}


@both_databases
@both_functions
def test_effects_of_a_fix_that_is_refused_are_not_stored(database, write):
    (one,) = drivers(1)
    fixes = [fix_of(one, 1), fix_of(FAR_AWAY, 1)]
    effects = Effects({one: ["a"], FAR_AWAY: ["b"]}, Table())
    result = write(fixes, (), None, effects)
    assert FAR_AWAY in (result if write is upsert else result[0])
    assert stored(one) == fixes[0]
    assert Table.rows() == {"a"}


@both_databases
@both_functions
def test_driver_whose_effects_are_locked_waits_alone(database, write):
    one, two = drivers(2)
    fixes = [fix_of(one, 1), fix_of(two, 1)]
    with pytest.raises(PartlyStoredError) as raised:
        write(fixes, (), None, Effects({one: ["a"], two: ["b"]}, Table(locked=[one])))
    assert (raised.value.failed, raised.value.rejected) == ({one}, set())
    assert (stored(one), stored(two)) == (None, fixes[1])
    assert Table.rows() == {"b"}


@both_databases
@both_functions
def test_batch_of_which_all_effects_are_locked_fails(database, write):
    (one,) = drivers(1)
    with pytest.raises(Exception, match="locked"):
        write([fix_of(one, 1)], (), None, Effects({one: ["a"]}, Table(locked=[one])))
    assert stored(one) is None
    assert Table.rows() == set()


@both_databases
@both_functions
def test_bug_in_effects_does_not_stop_the_fix(database, write, caplog):
    (one,) = drivers(1)
    write([fix_of(one, 1)], (), None, Effects({one: ["a"]}, Table(error=KeyError("a bug"))))
    assert stored(one) == fix_of(one, 1)
    assert Table.rows() == set()
    assert "could not be stored" in caplog.text


@both_databases
@both_functions
def test_unavailable_database_fails_the_whole_batch(database, write):
    (one,) = drivers(1)
    error = OperationalError("the connection is lost")
    with pytest.raises(OperationalError):
        write([fix_of(one, 1)], (), None, Effects({one: ["a"]}, Table(error=error)))
    assert stored(one) is None
    assert Table.rows() == set()


class Thread:
    """A fake database thread: notes the effects of each batch, and raises errors on demand."""

    def __init__(self):
        self.batches = Log()
        self.error = None

    async def run(self, function, fixes, *rest):
        if function is storage_module.locked_drivers:
            return set()
        effects = rest[2].by_driver if len(rest) > 2 else {}
        self.batches.append({driver_id: list(names) for driver_id, names in effects.items()})
        if self.error is not None:
            raise self.error
        return set()


@pytest.fixture
async def storage(monkeypatch):
    monkeypatch.setattr(storage_module, "RETRY_AFTER", 0.01)
    storage = Storage(Thread(), NoAudience(), (), lambda effects: set())
    yield storage
    await within_deadline(storage.close())


async def test_effects_of_a_batch_that_failed_come_again_before_later_ones(storage):
    thread, sender = storage._thread, Sender()
    thread.error = OperationalError("the database is unavailable")
    storage.store([fix_of(1, 1)], sender, None, ["a"])
    await thread.batches.reach(1)
    storage.store([fix_of(1, 2)], sender, None, ["b"])
    await thread.batches.reach(3)
    thread.error = None
    await sender.settled.reach(2)
    assert thread.batches[0] == {1: ["a"]}
    assert thread.batches[-1] == {1: ["a", "b"]}


async def test_effects_of_a_driver_that_is_put_aside_wait_with_its_fix(storage):
    thread, sender = storage._thread, Sender()
    thread.error = PartlyStoredError(set(), set(), {1})
    storage.store([fix_of(1, 1)], sender, None, ["a"])
    storage.store([fix_of(2, 1)], sender, None, ["b"])
    await thread.batches.reach(1)
    thread.error = None
    await sender.settled.reach(2)
    assert thread.batches[:2] == [{1: ["a"], 2: ["b"]}, {1: ["a"]}]


async def test_effects_of_a_fix_that_can_never_be_stored_come_with_the_next_one(storage):
    thread, sender = storage._thread, Sender()
    thread.error = PartlyStoredError(set(), {1}, set())
    storage.store([fix_of(1, 1)], sender, None, ["a"])
    await sender.settled.reach(1)
    thread.error = None
    storage.store([fix_of(1, 2)], sender)
    await sender.settled.reach(2)
    assert thread.batches == [{1: ["a"]}, {1: ["a"]}]


async def test_batch_without_effects_is_written_as_before(storage):
    thread, sender = storage._thread, Sender()
    storage.store([fix_of(1, 1)], sender)
    await sender.settled.reach(1)
    storage.store([fix_of(1, 2)], sender, None, ["a"])
    storage.store([fix_of(1, 3)], sender)
    await sender.settled.reach(3)
    assert [batch for batch in thread.batches if batch] == [{1: ["a"]}]
    assert not storage._effects
