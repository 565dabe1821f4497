"""Reports of phones that have a token of their own."""

import base64
import json
import logging
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import metrics
from tracking.models import DriverLocation
from tracking.models.device import PREFIX, Device, revoke
from tracking.phones.views import MAX_BODY_SIZE
from tracking.pipeline.storage import Storage
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
    """Return functions that report as the apps do, one for each way."""

    def by_owntracks(token, **changes):
        return client.post(
            OWNTRACKS,
            # Without the message's own time: it is long ago, so the clock would count as behind.
            json.dumps(OWNTRACKS_ANDROID | {"created_at": None} | changes),
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
    # The Kelvin sign is a k in lower case, but must not match one.
    assert Device.objects.authenticate(device.token.replace("k", "\u212a", 1)) is None


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


def test_owntracks_on_a_phone_whose_clock_is_years_behind_is_seen(report, device):
    before = timezone.now()
    report[0](device.token, tst=1041379198, created_at=1041379200)
    row = DriverLocation.objects.get()
    assert before - timedelta(seconds=3) <= row.recorded_at <= before + timedelta(seconds=3)
    assert row.clock_offset == pytest.approx(before.timestamp() - 1041379200, abs=5)


def test_message_without_a_place_is_a_sign_of_life(client, report, device):
    report[1](device.token, timestamp=int(timezone.now().timestamp()))
    first = DriverLocation.objects.get()
    for call in (
        lambda: client.get(OSMAND, {"id": device.token, "batt": "77"}),
        lambda: client.post(
            OSMAND,
            f"id={device.token}&alarm=sos",
            content_type="application/x-www-form-urlencoded",
        ),
        lambda: client.post(
            OSMAND, json.dumps([{"id": device.token}]), content_type="application/json"
        ),
        lambda: report[0](device.token, _type="status"),
        lambda: report[1](device.token, lat=91),
    ):
        before = timezone.now()
        assert call().status_code == 200
        row = DriverLocation.objects.get()
        assert row.heard_at >= before
        assert (row.latitude, row.recorded_at) == (first.latitude, first.recorded_at)


def test_sign_of_life_of_a_phone_without_a_location_is_taken(client, device):
    assert client.get(OSMAND, {"id": device.token}).status_code == 200
    assert not DriverLocation.objects.exists()


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


def test_location_that_can_never_be_taken_is_answered_200_and_said_to_be_dropped(
    report, device, caplog
):
    before = dict(metrics.refusals.values)
    for call in report:
        response = call(device.token, lat=91)
        assert response.status_code == 200
        assert response["Tracking-Rejected"] == "invalid_location"
        if call is report[0]:
            assert response.content == b"[]"
        else:
            assert response.json() == {
                "rejected": [
                    {
                        "index": 0,
                        "code": "invalid_location",
                        "message": "lat must be between -90 and 90",
                    }
                ]
            }
    for route, times in (("owntracks", 1), ("osmand", len(report) - 1)):
        key = (route, "invalid_location")
        assert metrics.refusals.values[key] - before.get(key, 0) == times
    assert "was dropped: lat must be between -90 and 90" in caplog.text
    assert not DriverLocation.objects.exists()
    assert Device.objects.get().last_used_at is not None


@pytest.mark.parametrize("body", ["{", "[]", "{}", "\xff", '{"_type": "location", "lat": []}'])
def test_owntracks_message_that_cannot_be_read_blocks_no_queue(client, device, body):
    response = client.post(
        OWNTRACKS, body, content_type="application/json", headers=basic(device.token)
    )
    assert (response.status_code, response.content) == (200, b"[]")
    assert response["Tracking-Rejected"].startswith("invalid_")


def test_owntracks_encrypted_message_is_refused_and_says_why(client, device):
    response = client.post(
        OWNTRACKS,
        '{"_type": "encrypted", "data": "c2VjcmV0"}',
        content_type="application/json",
        headers=basic(device.token),
    )
    assert "secret encryption key" in problem(response, 400, "encrypted")


def test_body_that_is_too_large_blocks_no_queue(client, device):
    body = " " * (MAX_BODY_SIZE + 1)
    response = client.post(
        OWNTRACKS, body, content_type="application/json", headers=basic(device.token)
    )
    assert (response.status_code, response["Tracking-Rejected"]) == (200, "too_large")
    named = client.post(f"{OSMAND}?id={device.token}", body, content_type="application/json")
    assert (named.status_code, named["Tracking-Rejected"]) == (200, "too_large")
    problem(client.post(OSMAND, body, content_type="application/json"), 413, "too_large")


def test_body_beyond_the_host_projects_limits_blocks_no_queue(client, device, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
    url, form = f"{OSMAND}?id={device.token}", "application/x-www-form-urlencoded"
    for body, reason in ((" " * 2000, "too_large"), ("a=1&" * 200, "invalid_message")):
        answer = client.post(url, body, content_type=form)
        assert (answer.status_code, answer["Tracking-Rejected"]) == (200, reason)


def test_list_larger_than_a_sockets_message_is_taken(client, device, driver):
    fixes = [
        {"id": device.token, "lat": 1, "lon": 2, "timestamp": EPOCH + second, "note": "x" * 500}
        for second in range(200)
    ]
    response = client.post(OSMAND, json.dumps(fixes), content_type="application/json")
    assert (response.status_code, response.content) == (200, b"")
    assert DriverLocation.objects.get().recorded_at == NOON + timedelta(seconds=199)


def test_fix_that_the_database_can_never_take_is_dropped(report, device, monkeypatch):
    def discard(self, fix, waiter, *_):
        waiter.discard(fix)

    monkeypatch.setattr(Storage, "store", discard)
    for call in report:
        assert call(device.token)["Tracking-Rejected"] == "invalid_location"


def test_owntracks_above_the_rate_is_answered_503_and_keeps_its_messages(report, device):
    answers = [report[0](device.token) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        problem(answer, 503, "throttled")
        assert int(answer["Retry-After"]) >= 1


def test_owntracks_behind_an_address_that_guesses_is_answered_503_and_keeps_its_messages(
    report, device, monkeypatch
):
    monkeypatch.setattr(RefusalThrottle, "default_rate", "3/min")
    for _ in range(3):
        problem(report[0](UNKNOWN), 401, "token_invalid")
    refused = report[0](device.token)
    problem(refused, 503, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 60


@pytest.mark.parametrize("user", ["mary", "mary:phone", "a:b:c:", "", "josé", "Мария", "日本"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1251", "shift_jis"])
def test_user_name_may_have_colons_and_any_encoding(client, device, user, encoding):
    pair = f"{user}:{device.token}".encode(encoding, "replace")
    response = client.post(
        OWNTRACKS,
        json.dumps(OWNTRACKS_ANDROID),
        content_type="application/json",
        headers={"Authorization": "Basic " + base64.b64encode(pair).decode()},
    )
    assert response.status_code == 200


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
