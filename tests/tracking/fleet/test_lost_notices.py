"""Searches of a worker that gets no notices, as while Redis is unavailable."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from tracking import states, trips
from tracking.fleet.nearby import Search
from tracking.models import DriverLocation
from tracking.runtime import get_runtime

from ..fakes import within_deadline

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def runtime(app_layer):
    """Return a runtime with a channel layer of its own, which notices are not sent to."""
    yield get_runtime()
    await within_deadline(get_runtime().close())


@pytest.fixture
async def free(driver):
    """Return a driver who is available."""
    await sync_to_async(states.set_state)(driver, "available")
    at = timezone.now() - timedelta(seconds=1)
    await DriverLocation.objects.acreate(
        driver_id=driver, latitude=1.5, longitude=2.5, recorded_at=at, received_at=at
    )
    return driver


async def found(runtime):
    near = await within_deadline(runtime.nearby.search(Search(1.5, 2.5, 10)))
    return [each.entry.fix.driver_id for each in near]


async def next_states(runtime):
    """Wait for the end of a round that begins after this call; another may be running."""
    for _ in range(2):
        await within_deadline(runtime.changes._round.wait())


async def test_driver_with_a_trip_is_not_found(runtime, free):
    assert await found(runtime) == [free]
    trip = await sync_to_async(trips.create)(driver=free)
    await next_states(runtime)
    assert await found(runtime) == []
    await sync_to_async(trips.complete)(trip)
    await next_states(runtime)
    assert await found(runtime) == [free]


async def test_driver_off_duty_is_not_found(runtime, free):
    assert await found(runtime) == [free]
    await sync_to_async(states.set_state)(free, "non_operational")
    await next_states(runtime)
    assert await found(runtime) == []
