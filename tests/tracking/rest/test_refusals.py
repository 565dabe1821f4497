"""Refusals over HTTP: throttled like answers, and never cached."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from tracking.grants import open_grant
from tracking.models import DriverLocation, WatchGrant

from ..fakes import NOON
from ..sockets import token_for

pytestmark = pytest.mark.django_db(transaction=True)


def answers(count, call):
    return [call().status_code for _ in range(count)]


@pytest.mark.parametrize("path", ["/driver/{}/location/", "/driver/locations/"])
def test_what_is_forbidden_is_throttled(rest, driver, other_driver, settings, rates, path):
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": "tracking.permissions.own_location"}
    rates(location_read="3/min")
    target = path.format(other_driver)
    assert answers(5, lambda: rest("GET", target, driver)) == [403] * 3 + [429] * 2


def test_reports_for_others_are_throttled(rest, driver, other_driver, rates):
    rates(location_report="3/min")
    here = {"lat": 1, "lon": 2}
    call = lambda: rest("PUT", f"/driver/{other_driver}/location/", driver, here)  # noqa: E731
    assert answers(5, call) == [403] * 3 + [429] * 2


def test_calls_about_grants_are_throttled(rest, driver, rates):
    rates(grants="3/min")
    assert answers(5, lambda: rest("GET", "/driver/grants/", driver)) == [403] * 3 + [429] * 2


@pytest.mark.parametrize("path", ["/driver/19/location/", "/driver/grants/", "/trips/"])
def test_bad_tokens_are_throttled_and_good_ones_pass(rest, located, rates, path):
    rates(token_refusal="3/min")
    bad = {"Authorization": "Bearer no.valid.token"}
    call = lambda: rest("GET", path, **bad)  # noqa: E731
    assert answers(5, call) == [401] * 3 + [429] * 2
    assert rest("GET", f"/driver/{located}/location/", located).status_code == 200


@pytest.mark.parametrize("path", ["/driver/19/location/", "/driver/grants/", "/trips/"])
def test_an_unavailable_database_is_no_bad_token(client, rest, driver, rates, monkeypatch, path):
    def unavailable(claims):
        raise OperationalError("the database is unavailable")

    rates(token_refusal="3/min")
    monkeypatch.setattr("tracking.rest.views.user_of", unavailable)
    assert answers(5, lambda: rest("GET", path, driver)) == [503] * 5


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/driver/19/location/", "location_read"),
        ("/driver/locations/", "location_read"),
        ("/driver/grants/", "grants"),
        ("/trips/", "trips"),
        ("/driver/19/state/", "trips"),
    ],
)
def test_stranger_who_makes_up_addresses_is_throttled_as_one(rest, db, rates, path, scope):
    rates(**{scope: "3/min"})
    made_up = (f"198.51.100.{number}" for number in range(5))
    call = lambda: rest("GET", path, **{"X-Forwarded-For": next(made_up)})  # noqa: E731
    assert answers(5, call) == [401] * 3 + [429] * 2


def test_no_answer_about_somebody_is_for_a_cache(client, rest, driver, rider):
    now = timezone.now()
    staff = get_user_model().objects.create_superuser(email="staff@example.com")
    DriverLocation.objects.create(
        driver_id=driver, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON
    )
    ends_at = now + timezone.timedelta(hours=1)
    grant = open_grant(driver=driver, watcher=rider, ends_at=ends_at)
    assert WatchGrant.objects.count() == 1
    answered = [
        rest("GET", "/driver/locations/", staff.pk),
        rest("GET", "/driver/grants/", staff.pk),
        rest("GET", f"/driver/grants/{grant.pk}/", staff.pk),
        rest("GET", "/driver/grants/"),
        rest("GET", "/trips/", staff.pk),
        rest("GET", "/trips/7/", staff.pk),
        rest("GET", f"/driver/{driver}/state/", driver),
        rest("GET", f"/driver/{driver}/location/"),
        client.post(
            "/accounts/token/",
            json.dumps({"email": "a@example.com", "password": "wrong"}),
            content_type="application/json",
        ),
    ]
    browser = Client()
    browser.force_login(staff)
    answered += [
        browser.get("/driver/search/", {"q": "x"}),
        browser.post("/accounts/token/session/"),
        browser.get(f"/driver/{driver}/map/"),
        browser.get("/driver/fleet/"),
        browser.get("/driver/share/"),
    ]
    for response in answered:
        assert "no-store" in response["Cache-Control"], response.request
    token = {"Authorization": f"Bearer {token_for(driver)}"}
    look = rest("GET", f"/driver/{driver}/location/", **token)
    assert look["Cache-Control"] == "private, no-cache"


asked = []


def may_publish(user, driver_id):
    asked.append("publish")
    return user.role == "driver"


def may_watch(user, driver_id):
    asked.append("watch")
    return False


def test_refused_looks_take_the_same_queries_and_policy_calls_whatever_the_reason(
    rest, located, rider, settings, django_assert_num_queries
):
    settings.TRACKING = settings.TRACKING | {
        "WATCH_POLICY": f"{__name__}.may_watch",
        "PUBLISH_POLICY": f"{__name__}.may_publish",
    }
    # A driver that may not be watched, a rider, and an unused id.
    for driver_id in (located, rider, 999_999):
        asked.clear()
        with django_assert_num_queries(2):
            assert rest("GET", f"/driver/{driver_id}/location/", rider).status_code == 403
        assert asked == ["publish", "watch"]


async def test_refused_streams_take_the_same_policy_calls_whatever_the_reason(
    connect, located, rider, settings
):
    settings.TRACKING = settings.TRACKING | {
        "WATCH_POLICY": f"{__name__}.may_watch",
        "PUBLISH_POLICY": f"{__name__}.may_publish",
    }
    for driver_id in (located, rider, 999_999):
        asked.clear()
        socket = await connect("get", driver_id)
        await socket.start(token_for(rider))
        assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)
        assert asked == ["publish", "watch"]
