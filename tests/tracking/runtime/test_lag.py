import asyncio
import time

import pytest

from tracking.runtime import lag as lag_module
from tracking.runtime.lag import SUSTAINED_SAMPLES, Lag

from ..fakes import within_deadline


class RecordingLag(Lag):
    """Calls `on_sample` after each measurement."""

    def __init__(self, on_sample):
        self.on_sample = on_sample
        super().__init__()

    def _sample(self):
        super()._sample()
        self.on_sample(len(self._late))


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(lag_module, "INTERVAL", 0.001)


@pytest.fixture
async def sampled(often):
    """Return a function that gives a lag after `count` samples, with `busy` seconds before each."""
    lags = []

    async def sampled(count, busy=0.0):
        done = asyncio.Event()

        def on_sample(number):
            if number >= count:
                done.set()
            elif busy:
                time.sleep(busy)

        lags.append(RecordingLag(on_sample))
        await within_deadline(done.wait())
        return lags[-1]

    yield sampled
    for lag in lags:
        lag.close()


async def test_before_the_first_sample_nothing_is_known():
    lag = Lag()
    lag.close()
    assert (lag.worst(), lag.sustained()) == (0, 0)


async def test_worst_includes_the_latest_sample(sampled):
    assert (await sampled(3, busy=0.05)).worst() >= 0.04


async def test_late_at_every_sample_is_sustained(sampled):
    assert (await sampled(SUSTAINED_SAMPLES + 1, busy=0.02)).sustained() >= 0.01


async def test_a_few_late_samples_are_not_sustained(sampled):
    assert (await sampled(SUSTAINED_SAMPLES - 1, busy=0.02)).sustained() == 0
