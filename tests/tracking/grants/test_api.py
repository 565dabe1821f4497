from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from accounts.tokens import access_token_for
from tracking.grants import end_grant, open_grant
from tracking.models import WatchGrant

from ..rest.problems import problem_members
from .times import HOUR

pytestmark = pytest.mark.django_db

GRANTS = "/driver/grants/"
ROWS = 1_000

User = get_user_model()


@pytest.fixture
def dispatcher():
    user = User.objects.create_user(email="dispatch@example.com", is_staff=True)
    permissions = Permission.objects.filter(content_type__model="watchgrant")
    user.user_permissions.set(permissions)
    return user


class Caller:
    """Calls the API with JSON and one user's access token."""

    def __init__(self, user):
        self.client = Client(headers={"Authorization": f"Bearer {access_token_for(user)}"})

    def get(self, path, query=None):
        return self.client.get(path, query)

    def delete(self, path):
        return self.client.delete(path)

    def post(self, path, data=None):
        return self.client.post(path, data, content_type="application/json")

    def patch(self, path, data):
        return self.client.patch(path, data, content_type="application/json")


@pytest.fixture
def staff(dispatcher):
    return Caller(dispatcher)


def in_json(time):
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def path_of(grant):
    return f"{GRANTS}{grant.pk}/"


def ids(response):
    assert response.status_code == 200
    return [grant["id"] for grant in response.json()["results"]]


def error(response, status):
    """Return the deprecated `error` member; it must agree with the problem details around it."""
    body = response.json()
    found = body.pop("error")
    assert found.keys() - {"fields"} == {"code", "message"}
    if "fields" in found:
        messages = [each for field in found["fields"].values() for each in field]
        assert [each["detail"] for each in body["errors"]] == messages
    members = problem_members(response, status)
    assert (members["code"], members["detail"]) == (found["code"], found["message"])
    assert ("errors" in members) is ("fields" in found)
    return found


# Reading


def test_grant_is_shown_with_ids_utc_and_its_state(staff, grant):
    response = staff.get(path_of(grant))
    assert response.status_code == 200
    assert response.json() == {
        "id": grant.pk,
        "driver": grant.driver_id,
        "watcher": grant.watcher_id,
        "starts_at": in_json(grant.starts_at),
        "ends_at": in_json(grant.ends_at),
        "ended_at": None,
        "reference": "trip 7",
        "state": "live",
        "opened_by": None,
        "changed_by": None,
        "ended_by": None,
    }


def test_list_shows_the_newest_first_and_leads_to_the_next_page(staff, people):
    driver, watcher = people
    ends_at = timezone.now() + HOUR
    opened = [open_grant(driver=driver, watcher=watcher, ends_at=ends_at).pk for _ in range(3)]
    first = staff.get(GRANTS, {"page_size": 2})
    assert ids(first) == [opened[2], opened[1]]
    assert first.json()["previous"] is None
    second = staff.get(first.json()["next"])
    assert ids(second) == [opened[0]]
    assert second.json()["next"] is None


def test_list_is_filtered_by_driver_watcher_and_whether_live(staff, people, grant):
    driver, watcher = people
    other = User.objects.create_user(email="other@example.com", role="driver")
    ends_at = timezone.now() + HOUR
    ended = open_grant(driver=other, watcher=watcher, ends_at=ends_at)
    end_grant(ended)
    future = open_grant(
        driver=other, watcher=driver, starts_at=ends_at - timedelta(minutes=1), ends_at=ends_at
    )
    assert ids(staff.get(GRANTS)) == [future.pk, ended.pk, grant.pk]
    assert ids(staff.get(GRANTS, {"driver": other.pk})) == [future.pk, ended.pk]
    assert ids(staff.get(GRANTS, {"watcher": watcher.pk})) == [ended.pk, grant.pk]
    assert ids(staff.get(GRANTS, {"watcher": watcher.pk, "driver": other.pk})) == [ended.pk]
    assert ids(staff.get(GRANTS, {"live": "true"})) == [grant.pk]
    assert ids(staff.get(GRANTS, {"live": "false"})) == [future.pk, ended.pk]
    assert ids(staff.get(GRANTS, {"driver": 2**62})) == []


@pytest.mark.parametrize(
    "query", [{"driver": "x"}, {"driver": 2**70}, {"watcher": ""}, {"live": "maybe"}]
)
def test_filter_that_means_nothing_is_answered_400_naming_it(staff, query):
    assert error(staff.get(GRANTS, query), 400)["fields"].keys() == query.keys()


def test_wrong_filter_is_named_as_a_parameter(staff):
    (wrong,) = staff.get(GRANTS, {"live": "maybe"}).json()["errors"]
    assert wrong == {"detail": "Must be a valid boolean.", "parameter": "live"}


def test_page_that_does_not_exist_is_answered_404(staff):
    assert error(staff.get(GRANTS, {"cursor": "x"}), 404)["code"] == "not_found"


def test_long_list_takes_one_query_and_three_for_the_caller(
    staff, people, django_assert_num_queries
):
    """The three are: the user, the user's permissions, and the groups' permissions."""
    driver, watcher = people
    now = timezone.now()
    WatchGrant.objects.bulk_create(
        WatchGrant(driver=driver, watcher=watcher, starts_at=now, ends_at=now + HOUR)
        for _ in range(ROWS)
    )
    for query in ({}, {"live": "true"}, {"live": "false"}, {"driver": driver.pk}):
        with django_assert_num_queries(4):
            found = ids(staff.get(GRANTS, {"page_size": ROWS, **query}))
        assert len(found) == (0 if query == {"live": "false"} else ROWS)


# Opening


def test_post_opens_a_grant_and_has_the_watcher_checked(
    staff, people, rechecked, django_capture_on_commit_callbacks
):
    driver, watcher = people
    ends_at = timezone.now() + HOUR
    with django_capture_on_commit_callbacks(execute=True):
        response = staff.post(
            GRANTS,
            {
                "driver": driver.pk,
                "watcher": watcher.pk,
                "ends_at": in_json(ends_at),
                "reference": "trip 7",
            },
        )
    assert response.status_code == 201
    stored = WatchGrant.objects.get()
    assert response.json()["id"] == stored.pk
    assert response.json()["state"] == "live"
    assert (stored.driver, stored.watcher, stored.ends_at) == (driver, watcher, ends_at)
    assert rechecked == [[watcher.pk]]


def test_times_of_any_zone_are_taken_and_given_back_in_utc(staff, people):
    driver, watcher = people
    times = {"starts_at": "2999-06-01T12:00:00+09:00", "ends_at": "2999-06-01T12:00:00-07:00"}
    response = staff.post(GRANTS, {"driver": driver.pk, "watcher": watcher.pk, **times})
    assert response.status_code == 201
    assert response.json()["starts_at"] == "2999-06-01T03:00:00Z"
    assert response.json()["ends_at"] == "2999-06-01T19:00:00Z"
    assert response.json()["state"] == "future"
    assert WatchGrant.objects.get().starts_at == datetime(2999, 6, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"driver": None}, {"driver"}),
        ({"driver": "x"}, {"driver"}),
        ({"driver": True}, {"driver"}),
        ({"driver": 0}, {"driver"}),
        ({"driver": 2**40}, {"driver"}),
        ({"watcher": 2**70}, {"watcher"}),
        ({"watcher": [1]}, {"watcher"}),
        ({"ends_at": "2000-01-01T00:00:00Z"}, {"ends_at"}),
        ({"ends_at": "2999-01-01T00:00:00"}, {"ends_at"}),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, {"ends_at"}),
        ({"ends_at": "tomorrow"}, {"ends_at"}),
        ({"ends_at": 4102444800}, {"ends_at"}),
        ({"starts_at": "2999-01-01T00:00:00Z"}, {"ends_at"}),
        ({"starts_at": "2998-01-01T00:00:00"}, {"starts_at"}),
        ({"reference": "x" * 101}, {"reference"}),
        ({"reference": "\x00"}, {"reference"}),
        ({"start_at": "2998-01-01T00:00:00Z"}, {"non_field_errors"}),
        ({"ended_at": None}, {"non_field_errors"}),
    ],
)
def test_grant_that_cannot_be_is_answered_400_naming_the_field(
    staff, people, change, fields, settings
):
    settings.TRACKING = settings.TRACKING | {"MAX_GRANT_DURATION": 0}
    driver, watcher = people
    asked = {"driver": driver.pk, "watcher": watcher.pk, "ends_at": "2999-01-01T00:00:00Z"}
    found = error(staff.post(GRANTS, asked | change), 400)
    assert found["code"] == "invalid"
    assert found["fields"].keys() == fields
    assert all(field in found["message"] for field in fields)
    assert not WatchGrant.objects.exists()


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"driver": 777123}, "driver: There is no such user."),
        ({"watcher": 777123}, "watcher: There is no such user."),
        ({"driver": "777123x"}, "driver: A valid integer is required."),
        ({"secret777123": "x"}, "There are: driver, watcher, starts_at, ends_at, reference."),
        ({"ends_at": "777123"}, "ends_at: Datetime has wrong format."),
        ({"ends_at": "2999-01-01T00:00:00+777123"}, "ends_at: Datetime has wrong format."),
        ({"reference": ["777123"]}, "reference: Not a valid string."),
        ({"reference": "777123" * 20}, "reference: Ensure"),
    ],
)
def test_error_says_what_is_right_and_not_what_was_sent(staff, people, change, advice):
    driver, watcher = people
    asked = {"driver": driver.pk, "watcher": watcher.pk, "ends_at": "2999-01-01T00:00:00Z"}
    response = staff.post(GRANTS, asked | change)
    assert advice in error(response, 400)["message"]
    assert "777123" not in response.content.decode()


def test_wrong_input_is_pointed_at(staff):
    problem = staff.post(GRANTS, {"driver": "x", "watcher": 1, "reference": [], "a": 1}).json()
    assert {each["pointer"] for each in problem["errors"]} == {
        "#/driver",
        "#/reference",
        "#/ends_at",
    }
    asked = {"driver": 1, "watcher": 2, "ends_at": "2999-01-01T00:00:00Z", "a": 1}
    assert [each["pointer"] for each in staff.post(GRANTS, asked).json()["errors"]] == ["#"]


def test_driver_as_its_own_watcher_is_answered_400(staff, people):
    driver, _ = people
    ends_at = in_json(timezone.now() + HOUR)
    asked = {"driver": driver.pk, "watcher": driver.pk, "ends_at": ends_at}
    assert error(staff.post(GRANTS, asked), 400)["fields"].keys() == {"watcher"}


def test_grant_for_somebody_who_is_no_driver_is_answered_400(staff, trip, dispatcher):
    asked = {**trip, "driver": dispatcher.pk, "ends_at": in_json(trip["ends_at"])}
    found = error(staff.post(GRANTS, asked), 400)
    assert found["fields"].keys() == {"driver"}
    assert "Choose a driver, or make this user one first." in found["message"]
    assert not WatchGrant.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "{", '{"driver": 1e999}'])
def test_body_that_is_no_object_is_answered_400(staff, body):
    assert error(staff.post(GRANTS, body), 400)["code"] in {"invalid", "parse_error"}


def test_body_that_is_no_json_is_answered_415(staff):
    response = staff.client.post(GRANTS, {"driver": 1}, content_type="text/secret777123")
    found = error(response, 415)
    assert found["code"] == "unsupported_media_type"
    assert "application/json" in found["message"]
    assert "777123" not in found["message"]


# Rescheduling and ending


def test_patch_moves_the_end(staff, grant, rechecked, django_capture_on_commit_callbacks):
    ends_at = grant.ends_at + HOUR
    with django_capture_on_commit_callbacks(execute=True):
        response = staff.patch(path_of(grant), {"ends_at": in_json(ends_at)})
    assert response.status_code == 200
    assert response.json()["ends_at"] == in_json(ends_at)
    grant.refresh_from_db()
    assert grant.ends_at == ends_at
    assert rechecked == [[grant.watcher_id]]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, {"ends_at"}),
        ({"reference": "x"}, {"ends_at"}),
        ({"ends_at": "2999-01-01T00:00:00Z", "watcher": 1}, {"non_field_errors"}),
        ({"ends_at": "2000-01-01T00:00:00Z"}, {"ends_at"}),
        ({"ends_at": None}, {"ends_at"}),
    ],
)
def test_patch_changes_nothing_else(staff, grant, change, fields):
    assert error(staff.patch(path_of(grant), change), 400)["fields"].keys() == fields
    stored = WatchGrant.objects.get()
    assert (stored.watcher_id, stored.ends_at) == (grant.watcher_id, grant.ends_at)


def test_patch_of_an_ended_grant_is_answered_400(staff, grant):
    end_grant(grant)
    response = staff.patch(path_of(grant), {"ends_at": "2999-01-01T00:00:00Z"})
    assert "can't be reopened" in error(response, 400)["message"]


def test_end_ends_a_grant_once(staff, grant, rechecked, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        first = staff.post(f"{path_of(grant)}end/")
        again = staff.post(f"{path_of(grant)}end/")
    assert first.status_code == again.status_code == 200
    assert first.json()["state"] == "ended"
    assert again.json() == first.json()
    assert rechecked == [[grant.watcher_id]]


def test_delete_ends_a_grant_and_keeps_its_history(staff, grant):
    assert staff.delete(path_of(grant)).status_code == 204
    assert staff.delete(path_of(grant)).status_code == 204
    assert staff.get(path_of(grant)).json()["state"] == "ended"


@pytest.mark.parametrize("pk", ["0", "x", str(2**70), "-1"])
def test_grant_that_does_not_exist_is_answered_404(staff, pk):
    path = f"{GRANTS}{pk}/"
    for response in (
        staff.get(path),
        staff.patch(path, {"ends_at": "2999-01-01T00:00:00Z"}),
        staff.post(f"{path}end/"),
        staff.delete(path),
    ):
        assert error(response, 404)["code"] == "not_found"


def test_put_is_answered_405(staff, grant):
    response = staff.client.put(path_of(grant), {}, content_type="application/json")
    assert error(response, 405)["code"] == "method_not_allowed"


# Permission


def calls(caller, grant):
    """Call every endpoint and return the responses. Each call alone is harmless."""
    return [
        caller.get(GRANTS),
        caller.get(path_of(grant)),
        caller.post(GRANTS, {}),
        caller.patch(path_of(grant), {"ends_at": "2999-01-01T00:00:00Z"}),
        caller.post(f"{path_of(grant)}end/"),
        caller.delete(path_of(grant)),
    ]


@pytest.mark.parametrize("person", [0, 1], ids=["the driver", "the watcher"])
def test_user_who_is_not_staff_is_answered_403(people, grant, person):
    for response in calls(Caller(people[person]), grant):
        assert error(response, 403)["code"] == "permission_denied"
    assert WatchGrant.objects.get().ended_at is None


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer x", "Bearer a.b.c"])
def test_without_a_good_token_the_answer_is_401(grant, dispatcher, header):
    caller = Caller(dispatcher)
    caller.client = Client(headers={"Authorization": header} if header else {})
    for response in calls(caller, grant):
        error(response, 401)
        assert response["WWW-Authenticate"].startswith("Bearer")


def test_staff_made_inactive_is_answered_401(grant, dispatcher):
    caller = Caller(dispatcher)
    User.objects.filter(pk=dispatcher.pk).update(is_active=False)
    for response in calls(caller, grant):
        error(response, 401)


def test_web_session_reads_and_with_its_csrf_token_writes(dispatcher, grant):
    client = Client(enforce_csrf_checks=True)
    client.force_login(dispatcher)
    assert ids(client.get(GRANTS)) == [grant.pk]
    found = error(client.post(f"{path_of(grant)}end/"), 403)
    assert "CSRF" in found["message"]
    evil = {"Origin": "https://secret777123.example"}
    found = error(client.post(f"{path_of(grant)}end/", headers=evil), 403)
    assert "CSRF" in found["message"]
    assert "777123" not in found["message"]
    assert WatchGrant.objects.get().ended_at is None

    client.cookies["csrftoken"] = token = "t" * 32
    response = client.post(
        f"{path_of(grant)}end/",
        content_type="application/json",
        headers={"X-CSRFToken": token},
    )
    assert response.status_code == 200
    assert response.json()["state"] == "ended"


def test_database_that_is_unavailable_is_answered_503_and_its_reason_logged(
    staff, driver, rider, monkeypatch, caplog
):
    def fail(**fields):
        raise OperationalError("could not connect to 192.0.2.1")

    monkeypatch.setattr("tracking.rest.grants.open_grant", fail)
    body = {"driver": driver, "watcher": rider, "ends_at": "2099-01-01T00:00:00Z"}
    response = staff.post(GRANTS, body)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["error"]["code"] == "unavailable"
    assert "192.0.2.1" not in response.text
    assert "192.0.2.1" in caplog.text


# Permissions of staff


CALLS = {
    "list": ("get", GRANTS, "view"),
    "retrieve": ("get", "{grant}", "view"),
    "create": ("post", GRANTS, "add"),
    "partial_update": ("patch", "{grant}", "change"),
    "end": ("post", "{grant}end/", "change"),
    "destroy": ("delete", "{grant}", "change"),
}


@pytest.mark.parametrize("call", CALLS)
def test_staff_needs_the_permission_that_the_admin_asks_for(dispatcher, grant, trip, call):
    method, path, needed = CALLS[call]
    body = {"create": {**trip, "ends_at": in_json(trip["ends_at"])}}.get(call, {})
    if call == "partial_update":
        body = {"ends_at": in_json(trip["ends_at"])}
    arguments = (
        path.format(grant=path_of(grant)),
        *([body] if method in ("post", "patch") else []),
    )
    everything = {"view", "add", "change", "delete"}
    for held in ((everything - {needed}), {needed}):
        codenames = [f"{action}_watchgrant" for action in held]
        dispatcher.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        response = getattr(Caller(dispatcher), method)(*arguments)
        if needed in held:
            assert response.status_code in (200, 201, 204)
        else:
            assert error(response, 403)["code"] == "permission_denied"
            assert WatchGrant.objects.get().ended_at is None


def test_permissions_are_not_enough_for_a_user_who_is_not_staff(dispatcher, grant):
    dispatcher.is_staff = False
    dispatcher.save()
    error(Caller(dispatcher).get(path_of(grant)), 403)


def test_users_who_changed_a_grant_are_kept(staff, dispatcher, people, trip):
    opened = staff.post(GRANTS, {**trip, "ends_at": in_json(trip["ends_at"])}).json()
    assert (opened["opened_by"], opened["changed_by"], opened["ended_by"]) == (
        dispatcher.pk,
        None,
        None,
    )
    path = f"{GRANTS}{opened['id']}/"
    changed = staff.patch(path, {"ends_at": in_json(trip["ends_at"] + HOUR)}).json()
    assert changed["changed_by"] == dispatcher.pk
    assert staff.post(f"{path}end/").json()["ended_by"] == dispatcher.pk
    # The names stay when the account is deleted.
    WatchGrant.objects.get().driver.delete()
    dispatcher.delete()


def test_grant_that_lasts_too_long_is_refused_with_the_limit(staff, trip, settings):
    settings.TRACKING = settings.TRACKING | {"MAX_GRANT_DURATION": 7200}
    long = {**trip, "ends_at": in_json(timezone.now() + 3 * HOUR)}
    assert "2 hours" in error(staff.post(GRANTS, long), 400)["message"]
    fits = staff.post(GRANTS, {**trip, "ends_at": in_json(trip["ends_at"])}).json()
    later = {"ends_at": in_json(timezone.now() + 3 * HOUR)}
    assert "2 hours" in error(staff.patch(f"{GRANTS}{fits['id']}/", later), 400)["message"]
    settings.TRACKING = settings.TRACKING | {"MAX_GRANT_DURATION": 0}
    assert staff.post(GRANTS, long).status_code == 201
