"""Locations over HTTP: policies and fields as on the sockets, answers after the commit."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from tests.e2e.tokens import login_token
from tracking.models import DriverLocation
from tracking.pipeline.storage import Storage
from tracking.runtime import reports

from ..fakes import NOON
from ..messages import DETAILS
from ..sockets import token_for
from .problems import problem

pytestmark = pytest.mark.django_db(transaction=True)

HERE = {"lat": "-1.4354", "lon": 0.9871}


def location(driver_id):
    return f"/driver/{driver_id}/location/"


def batch(driver_id):
    return f"/driver/{driver_id}/locations/"


# Looking


def test_location_has_the_fields_of_details(rest, located, rider):
    DriverLocation.objects.update(heading=90.5, speed=3)
    response = rest("GET", location(located), rider)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert list(response.json()) == DETAILS
    assert response.json() == {
        "location_lat": "-2.3123",
        "location_lon": "2.4535",
        "userId": located,
        "recorded_at": "2026-01-31T12:00:00.000Z",
        "received_at": "2026-01-31T12:00:00.000Z",
        "heading": 90.5,
        "speed": 3.0,
        "accuracy": None,
        "heard_at": "2026-01-31T12:00:00.000Z",
        "clock_offset": None,
        "status": "offline",
    }


def test_status_is_the_servers_judgement(rest, located, rider):
    for seconds, status in ((1, "live"), (20, "stale"), (70, "offline")):
        at = timezone.now() - timedelta(seconds=seconds)
        DriverLocation.objects.update(recorded_at=at, received_at=at)
        assert rest("GET", location(located), rider).json()["status"] == status
    DriverLocation.objects.update(heard_at=timezone.now())
    assert rest("GET", location(located), rider).json()["status"] == "stale"
    at = timezone.now()
    DriverLocation.objects.update(recorded_at=at, received_at=at, disconnected_at=at)
    assert rest("GET", location(located), rider).json()["status"] == "offline"


def test_unchanged_location_is_answered_304_and_a_changed_one_200(rest, located, rider):
    first = rest("GET", location(located), rider)
    assert first["Cache-Control"] == "private, no-cache"
    assert first["Vary"] == "Authorization, Accept-Language, origin"
    again = rest("GET", location(located), rider, **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (again["ETag"], again["Cache-Control"]) == (first["ETag"], "private, no-cache")
    DriverLocation.objects.update(received_at=timezone.now())
    changed = rest("GET", location(located), rider, **{"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_status_that_changes_by_itself_changes_the_etag(rest, located, rider, settings):
    at = timezone.now()
    DriverLocation.objects.update(recorded_at=at, received_at=at)
    first = rest("GET", location(located), rider)
    settings.TRACKING = settings.TRACKING | {"STALE_AFTER": 1e-6}
    changed = rest("GET", location(located), rider, **{"If-None-Match": first["ETag"]})
    assert changed.json() == first.json() | {"status": "stale"}


def test_driver_without_a_location_is_answered_404(rest, driver, rider):
    assert "no location" in problem(rest("GET", location(driver), rider), 404, "no_location")


@pytest.mark.parametrize("policy", ["any_authenticated", "granted", "own_location"])
def test_unknown_driver_cannot_be_told_from_one_who_may_not_be_watched(
    rest, located, rider, settings, policy
):
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": f"tracking.permissions.{policy}"}
    # A rider is not a driver, so there is nothing to watch.
    hidden = [rider, 999_999, 2**63, 10**30, 0]
    if policy != "any_authenticated":
        hidden.append(located)
    answers = {rest("GET", location(user_id), rider).content for user_id in hidden}
    assert len(answers) == 1
    problem(rest("GET", location(999_999), rider), 403, "forbidden")


def test_look_takes_few_queries(rest, located, rider, django_assert_num_queries):
    recorded = 3  # the first look within ten minutes, in a transaction
    for more in (recorded, 0):
        with django_assert_num_queries(3 + more):  # the caller, the driver, the location
            assert rest("GET", location(located), rider).status_code == 200


# Reporting


def stored(driver_id):
    row = DriverLocation.objects.get(pk=driver_id)
    return row.latitude, row.longitude


def test_first_report_is_answered_201_and_the_next_204(rest, driver):
    response = rest("PUT", location(driver), driver, HERE)
    assert (response.status_code, response.content) == (201, b"")
    assert response["Cache-Control"] == "no-store"
    assert stored(driver) == (-1.4354, 0.9871)
    assert rest("PUT", location(driver), driver, {"lat": 1, "lon": 2}).status_code == 204
    assert stored(driver) == (1, 2)


def test_report_keeps_what_was_measured(rest, driver):
    fix = {"recorded_at": "2026-01-31T13:00:00.250+01:00", "heading": 359.5, "speed": 0}
    rest("PUT", location(driver), driver, {**HERE, **fix, "accuracy": 4.5, "altitude": 7})
    row = DriverLocation.objects.get()
    assert row.recorded_at == NOON + timedelta(milliseconds=250)
    assert row.received_at > row.recorded_at
    assert (row.heading, row.speed, row.accuracy) == (359.5, 0, 4.5)


def test_late_report_is_accepted_and_never_moves_the_dot_back(rest, driver):
    rest("PUT", location(driver), driver, HERE)
    late = {"lat": 5, "lon": 6, "recorded_at": "2026-01-31T12:00:00Z"}
    assert rest("PUT", location(driver), driver, late).status_code == 204
    assert rest("POST", batch(driver), driver, {"fixes": [late]}).status_code == 204
    assert stored(driver) == (-1.4354, 0.9871)


def test_time_in_the_future_counts_as_the_time_of_arrival(rest, driver):
    rest("PUT", location(driver), driver, {**HERE, "recorded_at": "2999-01-01T00:00:00Z"})
    row = DriverLocation.objects.get()
    assert row.recorded_at == row.received_at


def test_newest_of_a_batch_becomes_the_location(rest, driver):
    fixes = [
        {"lat": minute, "lon": 2, "recorded_at": f"2026-01-31T12:{minute:02}:00Z"}
        for minute in (10, 30, 20)
    ]
    assert rest("POST", batch(driver), driver, {"fixes": fixes}).status_code == 201
    assert stored(driver) == (30, 2)


def test_batch_holds_100_fixes(rest, driver):
    fix = {
        "lat": -89.1234567,
        "lon": "-179.1234567",
        "recorded_at": "2026-01-31T12:00:00.123456+00:00",
        "heading": 359.12345678901234,
        "speed": 33.123456789012345,
        "accuracy": 12.123456789012345,
    }
    assert rest("POST", batch(driver), driver, {"fixes": [fix] * 100}).status_code == 201
    detail = problem(
        rest("POST", batch(driver), driver, {"fixes": [HERE] * 101}), 400, "invalid_message"
    )
    assert "100" in detail


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"lat": None}, "invalid_location", "lat is missing"),
        ({"lat": "north"}, "invalid_location", "lat must be"),
        ({"lat": 90.1}, "invalid_location", "between -90 and 90"),
        ({"lon": True}, "invalid_location", "lon"),
        ({"lon": [1]}, "invalid_location", "lon"),
        ({"recorded_at": "yesterday"}, "invalid_message", "recorded_at"),
        ({"recorded_at": "2026-01-31T12:00:00"}, "invalid_message", "recorded_at"),
        ({"heading": 361}, "invalid_message", "heading"),
        ({"speed": "fast"}, "invalid_message", "speed"),
        ({"lat": 0, "lon": 0, "accuracy": -1}, "invalid_location", "no place"),
        ({"accuracy": "s3cret"}, "invalid_message", "accuracy"),
    ],
)
def test_impossible_report_is_answered_400_saying_what_would_be_right(
    rest, driver, change, code, says
):
    response = rest("PUT", location(driver), driver, HERE | change)
    assert says in problem(response, 400, code)
    detail = problem(rest("POST", batch(driver), driver, {"fixes": [HERE | change] * 2}), 400, code)
    assert says in detail
    for value in map(str, change.values()):
        assert len(value) < 4 or value not in response.content.decode()
    assert not DriverLocation.objects.exists()


def test_bad_fix_of_a_batch_refuses_none_of_its_neighbours(rest, driver):
    bad = [HERE | {"lat": 91}, None, HERE | {"recorded_at": "s3cret"}]
    good = [{"lat": 1, "lon": 2, "recorded_at": "2026-01-31T12:00:00Z"}, HERE]
    fixes = [bad[0], good[0], bad[1], good[1], bad[2]]
    for status in (201, 200):
        response = rest("POST", batch(driver), driver, {"fixes": fixes})
        assert response.status_code == status
        assert [(verdict["index"], verdict["code"]) for verdict in response.json()["rejected"]] == [
            (0, "invalid_location"),
            (2, "invalid_message"),
            (4, "invalid_message"),
        ]
        assert b"s3cret" not in response.content
        assert stored(driver) == (-1.4354, 0.9871)


def test_a_value_that_the_phone_does_not_know_is_null(rest, driver):
    fix = HERE | {"heading": -1, "speed": -1, "accuracy": 0}
    for response in (
        rest("PUT", location(driver), driver, fix),
        rest("POST", batch(driver), driver, {"fixes": [fix]}),
    ):
        assert response.status_code in (201, 204)
        row = DriverLocation.objects.get()
        assert (row.heading, row.speed, row.accuracy) == (None, None, None)
    rest("PUT", location(driver), driver, HERE | {"heading": 360})
    assert DriverLocation.objects.get().heading == 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '"x"',
        "null",
        "{",
        '{"lat": NaN, "lon": 1}',
        '{"lat": 1e999, "lon": 1}',
        b"\xff",
        "[" * 10_000,
    ],
)
def test_body_that_is_no_fix_is_answered_400(rest, driver, body):
    for method, path in (("PUT", location(driver)), ("POST", batch(driver))):
        response = rest(method, path, driver, body)
        assert response.status_code == 400
        problem(response, 400, response.json()["code"])


@pytest.mark.parametrize("fixes", [None, [], {}, [1], [[]], [None] * 100])
def test_batch_without_fixes_is_answered_400(rest, driver, fixes):
    assert "fixes" in problem(
        rest("POST", batch(driver), driver, {"fixes": fixes}), 400, "invalid_message"
    )


def test_body_above_the_sockets_limit_is_answered_413(rest, driver, settings):
    settings.TRACKING = settings.TRACKING | {"MAX_MESSAGE_SIZE": 1000}
    body = json.dumps(HERE).ljust(1001)
    problem(rest("PUT", location(driver), driver, body), 413, "too_large")
    problem(rest("POST", batch(driver), driver, body), 413, "too_large")
    assert not DriverLocation.objects.exists()
    assert rest("PUT", location(driver), driver, body[:1000]).status_code == 201


@pytest.mark.parametrize("who", ["other_driver", "rider"])
def test_only_the_driver_reports(rest, driver, request, who):
    user_id = request.getfixturevalue(who)
    problem(rest("PUT", location(driver), user_id, HERE), 403, "forbidden")
    problem(rest("POST", batch(driver), user_id, {"fixes": [HERE]}), 403, "forbidden")
    problem(rest("PUT", location(10**30), user_id, HERE), 403, "forbidden")
    assert not DriverLocation.objects.exists()


def test_method_that_is_not_there_is_answered_405(rest, driver):
    response = rest("DELETE", location(driver), driver)
    problem(response, 405, "method_not_allowed")
    assert response["Allow"] == "GET, PUT, HEAD, OPTIONS"


# Tokens


def calls(rest, driver_id, **headers):
    yield rest("GET", location(driver_id), **headers)
    yield rest("PUT", location(driver_id), body=HERE, **headers)
    yield rest("POST", batch(driver_id), body={"fixes": [HERE]}, **headers)
    yield rest("GET", "/driver/locations/", **headers)


def test_token_of_the_existing_log_in_is_taken(rest, driver, settings, monkeypatch):
    token = login_token(driver, key=settings.SIMPLE_JWT["SIGNING_KEY"])
    for scheme in ("Bearer", "bearer"):
        response = rest("PUT", location(driver), body=HERE, Authorization=f"{scheme} {token}")
        assert response.status_code in (201, 204)


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer ", "Bearer a.b.c", "Basic eDp5", "x"])
def test_without_a_good_token_the_answer_is_401(rest, located, header):
    for response in calls(rest, located, **({"Authorization": header} if header else {})):
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'
        problem(response, 401, response.json()["code"])


def test_expired_token_is_distinguished_from_a_bad_one(rest, located, settings):
    key = settings.SIMPLE_JWT["SIGNING_KEY"]
    for response in calls(
        rest, located, Authorization=f"Bearer {login_token(located, key=key, expires_at=1)}"
    ):
        problem(response, 401, "token_expired")


def test_user_who_is_inactive_deleted_or_has_a_new_password_is_answered_401(rest, located):
    users = get_user_model().objects
    authorization = f"Bearer {token_for(located)}"
    users.update(is_active=False)
    for response in calls(rest, located, Authorization=authorization):
        problem(response, 401, "token_invalid")
    users.all().delete()
    for response in calls(rest, located, Authorization=authorization):
        problem(response, 401, "token_invalid")


# Unavailable or too many


def test_report_above_the_rate_is_answered_429_and_when_to_come_back(rest, driver):
    answers = [rest("PUT", location(driver), driver, HERE) for _ in range(30)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    problem(refused[0], 429, "throttled")
    assert refused[0]["Retry-After"] == "1"


def test_report_that_is_not_committed_in_time_is_answered_503(rest, driver, monkeypatch):
    monkeypatch.setattr(reports, "COMMIT_TIMEOUT", 0.05)
    monkeypatch.setattr(Storage, "store", lambda self, fix, waiter, *_: None)
    response = rest("PUT", location(driver), driver, HERE)
    problem(response, 503, "not_stored")
    assert response["Retry-After"] == "5"


def test_unavailable_database_is_answered_503(rest, driver, monkeypatch):
    def unavailable(user_ids):
        raise OperationalError("could not connect to 192.0.2.1")

    monkeypatch.setattr("tracking.access.identities.load_users", unavailable)
    response = rest("PUT", location(driver), driver, HERE)
    assert "192.0.2.1" not in problem(response, 503, "unavailable")
    assert response["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("error", "is_bug"),
    [
        (OperationalError("could not connect to 192.0.2.1"), False),
        (TransactionManagementError("the transaction is broken, by 192.0.2.1"), True),
    ],
)
def test_what_makes_it_unavailable_is_logged_once_a_minute_with_the_place_of_a_bug(
    rest, driver, monkeypatch, caplog, error, is_bug
):
    def fail(*args):
        raise error

    monkeypatch.setattr("tracking.access.identities.load_users", fail)
    for _ in range(3):
        problem(rest("PUT", location(driver), driver, HERE), 503, "unavailable")
    (record,) = [record for record in caplog.records if record.name == "tracking.rest.problems"]
    assert record.levelname == "ERROR"
    assert "192.0.2.1" in record.getMessage()
    assert bool(record.exc_info) is is_bug


def test_what_is_not_committed_in_time_is_logged(rest, driver, monkeypatch, caplog):
    monkeypatch.setattr(Storage, "store", lambda *args: None)
    monkeypatch.setattr(reports, "COMMIT_TIMEOUT", 0.01)
    problem(rest("PUT", location(driver), driver, HERE), 503, "not_stored")
    assert "not committed in time" in caplog.text


def test_driver_deleted_meanwhile_is_answered_401(rest, driver, monkeypatch):
    def deleted(user, driver_id):
        get_user_model().objects.all().delete()
        return True

    monkeypatch.setattr("tracking.permissions.own_location", deleted)
    problem(rest("PUT", location(driver), driver, HERE), 401, "token_invalid")
