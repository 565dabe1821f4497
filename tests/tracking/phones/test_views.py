"""Phones that report with a token of their own."""

import base64
import json
import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking.models import DriverLocation
from tracking.phones.devices import PREFIX, Device, revoke
from tracking.rest.throttling import RefusalThrottle

from ..rest.problems import problem
from .test_readings import EPOCH, NOON, OWNTRACKS_ANDROID, TRACCAR_JSON, TRACCAR_QUERY

pytestmark = pytest.mark.django_db(transaction=True)

OWNTRACKS = "/driver/report/owntracks/"
OSMAND = "/driver/report/osmand/"
UNKNOWN = PREFIX + "a" * 32


@pytest.fixture
def device(driver):
    return Device.objects.issue(get_user_model().objects.get(pk=driver), "Mary's phone")


def basic(token, user="mary"):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


@pytest.fixture
def report(client):
    """Calls as the apps do, each way once."""

    def by_owntracks(token, **changes):
        return client.post(
            OWNTRACKS,
            json.dumps(OWNTRACKS_ANDROID | changes),
            content_type="application/json",
            headers={**basic(token), "X-Limit-U": "mary", "X-Limit-D": "phone"},
        )

    def by_get(token, **changes):
        return client.get(OSMAND, TRACCAR_QUERY | {"id": token} | changes)

    def by_post_with_query(token, **changes):
        return client.post(OSMAND, query_params=TRACCAR_QUERY | {"id": token} | changes)

    def by_form(token, **changes):
        fields = "&".join(
            f"{name}={value}" for name, value in (TRACCAR_QUERY | {"id": token} | changes).items()
        )
        return client.post(OSMAND, fields, content_type="application/x-www-form-urlencoded")

    def by_json(token, **changes):
        message = json.loads(json.dumps(TRACCAR_JSON)) | {"device_id": token}
        if "lat" in changes:
            message["location"]["coords"]["latitude"] = changes["lat"]
        return client.post(OSMAND, json.dumps(message), content_type="application/json")

    return by_owntracks, by_get, by_post_with_query, by_form, by_json


def test_token_is_random_stored_as_a_hash_and_known_once(device, driver):
    assert len(device.token) == len(PREFIX) + 32
    stored = Device.objects.get()
    assert stored.token is None
    assert device.token not in str(vars(stored))
    assert Device.objects.issue(stored.driver, "another").token != device.token


def test_token_typed_by_hand_is_found(device):
    assert Device.objects.authenticate(f" {device.token.capitalize()}\n") == device


def test_every_app_reports_and_is_answered_as_it_expects(report, device, driver):
    for call in report:
        DriverLocation.objects.all().delete()
        response = call(device.token)
        assert response.status_code == 200, response.content
        assert response["Cache-Control"] == "no-store"
        assert response.content == (b"[]" if call is report[0] else b"")
        row = DriverLocation.objects.get()
        assert (row.driver_id, row.latitude, row.longitude) == (driver, -1.4354, 0.9871)
        assert row.recorded_at.replace(microsecond=0) == NOON
        assert row.speed == pytest.approx(10, abs=0.3)


def test_owntracks_message_of_another_kind_is_taken_and_changes_nothing(report, device):
    assert report[0](device.token, _type="transition").content == b"[]"
    assert not DriverLocation.objects.exists()


def test_late_fix_is_taken_and_never_moves_the_dot_back(report, device):
    by_owntracks, by_get, *_ = report
    by_get(device.token)
    assert by_owntracks(device.token, tst=EPOCH - 60, lat=5).status_code == 200
    assert DriverLocation.objects.get().latitude == -1.4354


def test_unknown_token_is_answered_401_and_not_quoted(report, device):
    for call in report:
        response = call(UNKNOWN)
        assert UNKNOWN not in problem(response, 401, "token_invalid")
        assert response["WWW-Authenticate"]
    assert not DriverLocation.objects.exists()


def test_without_a_token_the_answer_is_401(client, report):
    by_owntracks, *by_id = report
    problem(by_owntracks(""), 401, "token_invalid")
    for call in by_id:
        problem(call(""), 401, "not_authenticated")
    problem(client.post(OWNTRACKS, "{}", content_type="application/json"), 401, "not_authenticated")


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Bearer x"])
def test_credentials_that_cannot_be_read_are_answered_401(client, header):
    response = client.post(
        OWNTRACKS, "{}", content_type="application/json", headers={"Authorization": header}
    )
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Basic realm="device token", charset="UTF-8"'


def test_revoked_device_reports_no_more(report, device):
    assert report[1](device.token).status_code == 200
    assert revoke(Device.objects.all()) == 1
    assert revoke(Device.objects.all()) == 0
    for call in report:
        problem(call(device.token), 401, "token_invalid")


def test_device_of_a_driver_who_may_not_log_in_or_is_no_driver_reports_no_more(report, device):
    get_user_model().objects.update(role="rider")
    problem(report[1](device.token), 403, "forbidden")
    get_user_model().objects.update(role="driver", is_active=False)
    problem(report[1](device.token), 401, "token_invalid")


def test_device_token_opens_nothing_else(client, device, driver):
    for path in (f"/driver/{driver}/location/", "/driver/locations/", "/driver/grants/"):
        headers = {"Authorization": f"Bearer {device.token}"}
        assert client.get(path, headers=headers).status_code == 401
        assert client.get(path, headers=basic(device.token)).status_code == 401


def test_location_that_cannot_be_is_answered_400(report, device):
    for call in report:
        problem(call(device.token, lat=91), 400, "invalid_location")


def test_use_is_kept_to_the_minute(report, device):
    before = timezone.now()
    report[1](device.token)
    first = Device.objects.get().last_used_at
    assert first >= before
    report[1](device.token)
    assert Device.objects.get().last_used_at == first
    Device.objects.update(last_used_at=first - timedelta(minutes=2))
    report[1](device.token)
    assert Device.objects.get().last_used_at > first


def test_guessing_is_answered_429_for_the_address_alone(client, device, monkeypatch):
    monkeypatch.setattr(RefusalThrottle, "default_rate", "3/min")

    def ask(token, address="192.0.2.1"):
        query = TRACCAR_QUERY | {"id": token}
        return client.get(OSMAND, query, REMOTE_ADDR=address)

    assert [ask(UNKNOWN).status_code for _ in range(3)] == [401] * 3
    refused = ask(device.token)
    problem(refused, 429, "throttled")
    assert int(refused["Retry-After"]) <= 60
    assert ask(device.token, "192.0.2.2").status_code == 200


def test_good_tokens_do_not_count_as_guesses(client, device, monkeypatch):
    monkeypatch.setattr(RefusalThrottle, "default_rate", "3/min")
    for _ in range(5):
        assert client.get(OSMAND, TRACCAR_QUERY | {"id": device.token}).status_code == 200


def test_clients_without_an_address_are_not_taken_for_one(client, monkeypatch):
    monkeypatch.setattr(RefusalThrottle, "default_rate", "3/min")
    for _ in range(5):
        response = client.get(OSMAND, TRACCAR_QUERY | {"id": UNKNOWN}, REMOTE_ADDR="")
        problem(response, 401, "token_invalid")


def test_no_token_is_logged(report, device, caplog):
    caplog.set_level(logging.DEBUG)
    for token in (device.token, UNKNOWN):
        for call in report:
            call(token)
            call(token, lat=91)
    revoke(Device.objects.all())
    for call in report:
        call(device.token)
    formatter = logging.Formatter("%(message)s %(args)s")
    written = caplog.text + "".join(map(formatter.format, caplog.records))
    assert "/driver/report/osmand/" in written
    assert PREFIX not in written
