"""Searches for the drivers that arrive first."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import states
from tracking.models import DriverLocation
from tracking.runtime import get_runtime
from tracking.serving.nearby import NearbyFront

from ..eta.fake_engine import serve
from ..fakes import DEADLINE, within_deadline
from .test_nearby import get, view

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest_asyncio.fixture
async def fake(settings, app_layer):
    async with serve() as fake:
        settings.TRACKING = settings.TRACKING | {"ROUTING": {"URL": fake.url}}
        yield fake
        await within_deadline(get_runtime().close())


@pytest.fixture
def staff(db):
    return User.objects.create_user(email="s@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def drivers(db):
    """Return free drivers, the nearest first, 1,112 m apart."""
    at = timezone.now() - timedelta(seconds=1)
    drivers = [
        User.objects.create_user(email=f"d{n}@example.com", role="driver") for n in range(1, 5)
    ]
    for number, driver in enumerate(drivers, 1):
        states.set_state(driver, "available")
        DriverLocation.objects.create(
            driver=driver, latitude=number / 100, longitude=0, recorded_at=at, received_at=at
        )
    return [driver.pk for driver in drivers]


async def search(staff, count=2):
    path = f"/driver/nearby/?lat=0&lon=0&order_by=eta&count={count}"
    status, body = await get(NearbyFront(view), staff, path, seconds=DEADLINE)
    assert status == 200
    return body["results"]


def with_a_river(answer):
    """Make the two nearest drive for long, and the last one, which is not compared, not at all."""
    for cell, seconds in zip(answer["durations"], (900, 800, 700, 0), strict=False):
        cell[0] = seconds
    for row in answer["distances"]:
        row[0] = 5000
    return answer


async def test_first_to_arrive_comes_first_with_one_request(fake, staff, drivers):
    fake.change = with_a_river
    first, second = await search(staff, 1), await search(staff, 2)
    assert [each["userId"] for each in first] == drivers[2:3]
    assert [each["eta"]["seconds"] for each in first] == [700]
    assert first[0]["eta"]["confidence"] == "high"
    assert first[0]["eta"]["distance"] == 5000
    # Three times as many as wanted are compared.
    assert len(fake.requests) == 2
    assert [path.split("?")[0].count(",") for path in fake.requests] == [3 + 1, 4 + 1]
    assert len(second) == 2


async def test_by_distance_no_engine_is_asked(fake, staff, drivers):
    status, body = await get(NearbyFront(view), staff, "/driver/nearby/?lat=0&lon=0")
    assert (status, len(body["results"]), fake.requests) == (200, 4, [])


async def test_failing_engine_costs_the_confidence_only(fake, staff, drivers):
    fake.body = b"<html>Sign in</html>"
    found = await search(staff)
    assert [each["userId"] for each in found] == drivers[:2]
    assert {each["eta"]["confidence"] for each in found} == {"low"}


async def test_driver_that_is_reserved_meanwhile_is_not_found(fake, staff, drivers):
    await search(staff)
    fake.requests.clear()
    fake.delay = 1.5
    asking = asyncio.create_task(search(staff))
    await fake.requests.reach(1)
    await asyncio.to_thread(states.set_state, drivers[0], "reserved")
    found = await within_deadline(asking)
    assert [each["userId"] for each in found] == drivers[1:3]
