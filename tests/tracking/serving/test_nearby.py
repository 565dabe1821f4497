"""Searches for free drivers in front of Django: answered here, or passed to the view."""

from datetime import timedelta

import msgspec
import pytest
from channels.testing import HttpCommunicator
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from django.utils import timezone

from accounts.tokens import access_token_for
from tracking import states
from tracking.models import DriverLocation, LocationAccess
from tracking.rest.throttling import NearbyThrottle
from tracking.runtime import get_runtime
from tracking.serving.nearby import NearbyFront

from ..fakes import within_deadline

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()
PATH = "/driver/nearby/?lat=0&lon=0"


async def view(scope, receive, send):
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.fixture(autouse=True)
async def _runtime(app_layer):
    yield
    await within_deadline(get_runtime().close())


@pytest.fixture
def staff():
    return User.objects.create_user(email="s@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def driver():
    user = User.objects.create_user(email="d@example.com", role="driver")
    states.set_state(user, "available")
    at = timezone.now() - timedelta(seconds=1)
    DriverLocation.objects.create(
        driver=user, latitude=0.01, longitude=0, recorded_at=at, received_at=at
    )
    return user.pk


async def get(application, user=None, path=PATH, method="GET", seconds=1, **headers):
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    if user is not None:
        sent.append((b"authorization", f"Bearer {access_token_for(user)}".encode()))
    asking = HttpCommunicator(application, method, path, headers=sent)
    response = await within_deadline(asking.get_response(seconds))
    return response["status"], msgspec.json.decode(response["body"] or b"null")


async def test_answer_is_the_views(staff, driver):
    status, fast = await get(NearbyFront(view), staff)
    assert status == 200
    token = {"Authorization": f"Bearer {access_token_for(staff)}"}
    slow = (await AsyncClient().get(PATH, headers=token)).json()
    for body in (fast, slow):
        assert body["results"][0].pop("age") >= 1
    assert fast == slow
    assert fast["results"][0]["userId"] == driver
    await get_runtime().access_log.drain()
    assert await LocationAccess.objects.filter(viewer=staff, way="search").aexists()


@pytest.mark.parametrize(
    "request_",
    [
        {"path": "/driver/nearby/?lat=0"},
        {"path": "/driver/nearby/?lat=0&lon=0&lng=0"},
        {"path": "/driver/search/?q=a"},
        {"method": "POST"},
        {"origin": "https://elsewhere.example"},
    ],
)
async def test_other_requests_go_to_the_host(staff, request_):
    assert await get(NearbyFront(view), staff, **request_) == (299, {})


async def test_refusals_are_left_to_the_view(driver):
    user = await User.objects.aget(pk=driver)
    application = NearbyFront(view)
    assert (await get(application))[0] == 299
    assert (await get(application, user))[0] == 299
    assert (await get(application, authorization="Bearer nonsense"))[0] == 299
    assert len(get_runtime().searchers) == 0


async def test_host_without_the_view_answers_itself(staff, settings):
    settings.ROOT_URLCONF = "tests.tracking.no_urls"
    assert await get(NearbyFront(view), staff) == (299, {})


async def test_dispatcher_who_is_deactivated_is_refused_at_once(staff, driver):
    application = NearbyFront(view)
    assert (await get(application, staff))[0] == 200
    token = access_token_for(staff)
    permits = get_runtime().searchers
    await within_deadline(permits.user_of(token))
    await User.objects.filter(pk=staff.pk).aupdate(is_active=False)
    # What the notice of `tracking.revocation` has each worker do.
    get_runtime().registry.recheck([staff.pk])
    assert (await get(application, authorization=f"Bearer {token}"))[0] == 299


async def test_too_many_searches_are_refused(staff, driver, monkeypatch):
    monkeypatch.setattr(NearbyThrottle, "default_rate", "2/hour")
    application = NearbyFront(view)
    assert [(await get(application, staff))[0] for _ in range(3)] == [200, 200, 429]
