import asyncio
import functools
import operator

import pytest
from django.db import OperationalError

from tracking.engine.batching import Flusher, Loader

from ..fakes import Loads, Log, settle, within_deadline


class Work:
    """Gathers items for a flusher. Its flushes can be held up."""

    def __init__(self):
        self.gathered = []
        self.started = Log()
        self.flushed = Log()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error = None
        self.under_way = 0
        self.flusher = Flusher(self.flush)

    def give(self, item):
        self.gathered.append(item)
        self.flusher.schedule()

    async def flush(self):
        batch, self.gathered = self.gathered, []
        self.under_way += 1
        assert self.under_way == 1
        self.started.append(batch)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            self.flushed.append(batch)
        finally:
            self.under_way -= 1


@pytest.fixture
async def work():
    work = Work()
    yield work
    await work.flusher.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_item_alone_leaves_at_once(work):
    work.give("a")
    await asyncio.sleep(0)
    assert work.flushed == [["a"]]


async def test_what_gathers_before_the_first_flush_goes_together(work):
    work.give("a")
    work.give("b")
    assert await work.flushed.reach(1) == [["a", "b"]]


async def test_what_gathers_during_a_flush_is_the_next_batch(work):
    work.gate.clear()
    work.give("a")
    await work.started.reach(1)
    for item in "bcd":
        work.give(item)
    work.gate.set()
    assert await work.flushed.reach(2) == [["a"], ["b", "c", "d"]]


async def test_two_flushes_are_never_under_way_at_once(work):
    work.gate.clear()
    for item in range(10):
        work.give(item)
        await settle()
    assert work.under_way == 1
    work.gate.set()
    await within_deadline(work.flusher.drain())
    assert functools.reduce(operator.iadd, work.flushed, []) == list(range(10))


async def test_an_error_is_logged_and_the_next_batch_still_goes(work, caplog):
    work.error = RuntimeError("no luck")
    work.give("a")
    await work.started.reach(1)
    work.error = None
    work.give("b")
    assert await work.flushed.reach(1) == [["b"]]
    assert "no luck" in caplog.text


async def test_an_error_that_goes_on_is_logged_once(work, caplog):
    work.error = RuntimeError("no luck")
    for number in range(1, 6):
        work.give(number)
        await work.started.reach(number)
        await settle()
    assert len(caplog.records) == 1


async def test_an_error_does_not_lose_what_gathered_meanwhile(work, caplog):
    work.gate.clear()
    work.error = RuntimeError("no luck")
    work.give("a")
    await work.started.reach(1)
    work.give("b")
    work.gate.set()
    await work.started.reach(2)
    assert work.started == [["a"], ["b"]]


async def test_a_cancellation_that_comes_from_the_batch_does_not_end_the_flusher(work, caplog):
    work.gate.clear()
    work.error = asyncio.CancelledError()
    work.give("a")
    await work.started.reach(1)
    work.give("b")
    work.gate.set()
    await work.started.reach(2)
    assert work.started == [["a"], ["b"]]
    work.error = None
    work.give("c")
    assert await work.flushed.reach(1) == [["c"]]


async def test_a_flusher_without_work_has_no_task(work):
    work.give("a")
    await work.flusher.drain()
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_draining_waits_for_what_gathered_and_what_gathers_meanwhile(work):
    work.gate.clear()
    work.give("a")
    await work.started.reach(1)
    draining = asyncio.create_task(work.flusher.drain())
    work.give("b")
    await settle()
    assert not draining.done()
    work.gate.set()
    await within_deadline(draining)
    assert work.flushed == [["a"], ["b"]]


async def test_draining_without_work_is_done(work):
    await within_deadline(work.flusher.drain())


async def test_closing_cancels_the_flush_under_way(work):
    work.gate.clear()
    work.give("a")
    await work.started.reach(1)
    await within_deadline(work.flusher.close())
    assert (work.under_way, work.flushed) == (0, [])


async def test_closing_right_after_scheduling_cancels_the_flush_too(work):
    work.give("a")
    await within_deadline(work.flusher.close())
    assert work.flushed == []


async def test_a_flush_may_schedule_its_own_flusher():
    times = Log()

    async def flush():
        times.append("flush")
        if len(times) < 3:
            flusher.schedule()

    flusher = Flusher(flush)
    flusher.schedule()
    await within_deadline(flusher.drain())
    assert len(times) == 3


# Loader


@pytest.fixture
def loads():
    return Loads({"a": 1, "b": 2})


@pytest.fixture
async def loader(loads):
    loader = Loader(loads)
    yield loader
    await loader.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_all_that_is_asked_for_together_is_loaded_once(loader, loads):
    values = await within_deadline(asyncio.gather(*[loader.get(key) for key in "abab"]))
    assert values == [1, 2, 1, 2]
    assert loads.calls == [["a", "b"]]


async def test_a_key_without_a_value_gives_none(loader):
    assert await within_deadline(loader.get("nobody")) is None


async def test_a_value_is_not_kept(loader, loads):
    assert await within_deadline(loader.get("a")) == 1
    loads.values["a"] = 9
    assert await within_deadline(loader.get("a")) == 9


async def test_a_key_asked_for_during_a_load_is_loaded_by_the_next(loader, loads):
    loads.gate.clear()
    first = asyncio.create_task(loader.get("a"))
    await loads.calls.reach(1)
    loads.values["a"] = 9
    second = asyncio.create_task(loader.get("a"))
    await settle()
    assert len(loads.calls) == 1
    loads.gate.set()
    assert await within_deadline(asyncio.gather(first, second)) == [1, 9]
    assert loads.calls == [["a"], ["a"]]


async def test_an_error_reaches_everybody_who_waits_and_nobody_later(loader, loads):
    loads.error = OSError("unavailable")
    results = await within_deadline(
        asyncio.gather(*[loader.get(key) for key in "aab"], return_exceptions=True)
    )
    assert results == [loads.error] * 3
    loads.error = None
    assert await within_deadline(loader.get("a")) == 1


async def test_cancelling_one_who_waits_does_not_cancel_the_others(loader, loads):
    loads.gate.clear()
    leaving, staying = [asyncio.create_task(loader.get("a")) for _ in range(2)]
    await loads.calls.reach(1)
    leaving.cancel()
    await settle()
    assert leaving.cancelled()
    loads.gate.set()
    assert await within_deadline(staying) == 1


async def test_cancelling_all_who_wait_leaves_the_loader_working(loader, loads):
    loads.gate.clear()
    loads.error = OSError("no caller waits for it")
    leaving = asyncio.create_task(loader.get("a"))
    await loads.calls.reach(1)
    leaving.cancel()
    loads.gate.set()
    await settle()
    loads.error = None
    assert await within_deadline(loader.get("a")) == 1


@pytest.mark.parametrize("started", [True, False])
async def test_closing_cancels_the_callers_that_wait(loader, loads, started):
    loads.gate.clear()
    waiting = [asyncio.create_task(loader.get(key)) for key in "ab"]
    if started:
        await loads.calls.reach(1)
        waiting.append(asyncio.create_task(loader.get("a")))
    await asyncio.sleep(0)
    await within_deadline(loader.close())
    await within_deadline(asyncio.wait(waiting))
    assert all(task.cancelled() for task in waiting)


class OneBadKey(Loads):
    """Raises a new error for each call that asks for the key "bad"."""

    def __init__(self, values, error=ValueError):
        super().__init__(values)
        self._error = error

    async def __call__(self, keys):
        values = await super().__call__(keys)
        if "bad" in keys:
            raise self._error(keys)
        return values


@pytest.fixture
async def bad_loads():
    return OneBadKey(dict.fromkeys("abcdefg", 1))


async def test_a_key_at_fault_fails_none_of_the_others(bad_loads):
    loader = Loader(bad_loads)
    keys = [*"abc", "bad", *"defg"]
    answers = await within_deadline(
        asyncio.gather(*[loader.get(key) for key in keys], return_exceptions=True)
    )
    assert [answer for answer in answers if answer != 1] == [answers[3]]
    assert str(answers[3]) == "['bad']"
    await loader.close()


async def test_an_unavailable_database_is_asked_once_for_all(bad_loads):
    bad_loads._error = OperationalError
    loader = Loader(bad_loads)
    answers = await within_deadline(
        asyncio.gather(*[loader.get(key) for key in ["a", "bad", "b"]], return_exceptions=True)
    )
    assert [type(answer) for answer in answers] == [OperationalError] * 3
    assert len(bad_loads.calls) == 1
    await loader.close()


async def test_an_error_that_concerns_every_key_costs_a_bounded_number_of_loads(loads):
    loads.error = LookupError("a bug")
    loader = Loader(loads)
    answers = await within_deadline(
        asyncio.gather(*[loader.get(key) for key in range(1000)], return_exceptions=True)
    )
    assert answers == [loads.error] * 1000
    assert len(loads.calls) < 100
    await loader.close()


async def test_a_load_that_gives_no_mapping_is_an_error_of_the_callers():
    async def load(keys):
        return None

    loader = Loader(load)
    with pytest.raises(AttributeError):
        await within_deadline(loader.get("a"))
    await loader.close()
