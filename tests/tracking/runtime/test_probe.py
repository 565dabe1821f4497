import asyncio
import gc

import pytest

from tracking.runtime.probe import Probe

from ..fakes import Log, settle, within_deadline


class Service:
    """Answers with the number of questions so far; hangs or fails on demand."""

    def __init__(self):
        self.asked = Log()
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.error = None

    async def __call__(self):
        self.asked.append(None)
        await self.hangs.wait()
        if self.error is not None:
            raise self.error
        return len(self.asked)


@pytest.fixture
async def service():
    return Service()


async def test_many_callers_at_once_cost_one_question(service):
    probe = Probe(service, keep=60, timeout=20)
    assert await asyncio.gather(*(probe.ask() for _ in range(10))) == [1] * 10


async def test_answer_is_kept_for_a_while(service):
    probe = Probe(service, keep=60, timeout=20)
    assert [await probe.ask(), await probe.ask()] == [1, 1]


async def test_old_answer_is_asked_for_again(service):
    probe = Probe(service, keep=0, timeout=20)
    assert [await probe.ask(), await probe.ask()] == [1, 2]


async def test_failure_is_raised_and_kept_like_an_answer(service):
    service.error = ConnectionError("unavailable")
    probe = Probe(service, keep=60, timeout=20)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await probe.ask()
    assert len(service.asked) == 1


async def test_question_that_hangs_is_not_asked_once_more(service):
    service.hangs.clear()
    probe = Probe(service, keep=0, timeout=0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await within_deadline(probe.ask())
    assert len(service.asked) == 1
    service.hangs.set()
    assert await probe.ask() == 1
    assert await probe.ask() == 2


async def test_failure_after_the_timeout_is_not_logged_as_unretrieved(service):
    unheard = Log()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context))
    service.hangs.clear()
    service.error = ConnectionError("unavailable")
    probe = Probe(service, keep=0, timeout=0.01)
    with pytest.raises(TimeoutError):
        await probe.ask()
    service.hangs.set()
    await settle()
    service.error = None
    assert await probe.ask() == 2
    gc.collect()
    assert unheard == []


async def test_close_ends_the_question_under_way(service):
    service.hangs.clear()
    probe = Probe(service, keep=0, timeout=20)
    asking = asyncio.create_task(probe.ask())
    await service.asked.reach(1)
    await probe.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
