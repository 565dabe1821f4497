import asyncio
import time

import pytest

from tracking.runtime import lag as lag_module
from tracking.runtime.lag import SUSTAINED_SAMPLES, Lag

from ..fakes import within_deadline


class Looks(Lag):
    """Calls `on_look` after each measurement."""

    def __init__(self, on_look):
        self.on_look = on_look
        super().__init__()

    def _sample(self):
        super()._sample()
        self.on_look(len(self._late))


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(lag_module, "INTERVAL", 0.001)


@pytest.fixture
async def looked(often):
    """Return a function that gives a lag after `count` looks, with `busy` seconds before each."""
    lags = []

    async def looked(count, busy=0.0):
        done = asyncio.Event()

        def on_look(number):
            if number >= count:
                done.set()
            elif busy:
                time.sleep(busy)

        lags.append(Looks(on_look))
        await within_deadline(done.wait())
        return lags[-1]

    yield looked
    for lag in lags:
        lag.close()


async def test_before_the_first_look_nothing_is_known():
    lag = Lag()
    lag.close()
    assert (lag.worst(), lag.sustained()) == (0, 0)


async def test_worst_is_the_latest_look(looked):
    assert (await looked(3, busy=0.05)).worst() >= 0.04


async def test_late_at_every_look_is_sustained(looked):
    assert (await looked(SUSTAINED_SAMPLES + 1, busy=0.02)).sustained() >= 0.01


async def test_a_few_late_looks_are_not_sustained(looked):
    assert (await looked(SUSTAINED_SAMPLES - 1, busy=0.02)).sustained() == 0
