"""Erasing a driver's track over HTTP."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking.history.erasure_log import ErasureLogError
from tracking.models import DriverLocation, HistoryErasure, HistoryFix, HistoryHold
from tracking.rest import track as track_module

from ..history.tracks import NOON, drive, keep_hot, keep_packed
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture(autouse=True)
def _a_day_later(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(days=1))


@pytest.fixture
def staff(transactional_db):
    return permitted(User.objects.create_user(email="staff@example.com").pk, "delete_historyfix")


@pytest.fixture
def erase(rest, staff, driver):
    """Return a function that erases the driver's track as staff."""

    def erase(query="before=2026-11-26T12:01:00Z", user=staff):
        return rest("DELETE", f"/driver/{driver}/track/?{query}", user)

    return erase


def test_fixes_before_a_time_are_erased_and_counted(erase, driver, staff):
    keep_packed(driver, drive(10, at=NOON - timedelta(days=2)))
    keep_hot(driver, drive(20))
    response = erase()
    assert response.status_code == 200
    assert response.json() == {"fixes": 22, "location": False, "holds": 0}
    assert HistoryFix.objects.count() == 8
    erasure = HistoryErasure.objects.get()
    assert (erasure.driver_id, erasure.erased_by_id) == (driver, staff)
    assert erasure.before == NOON + timedelta(minutes=1)
    assert erase().json()["fixes"] == 0


def test_last_known_location_and_holds_are_counted(erase, driver):
    DriverLocation.objects.create(
        driver_id=driver, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON
    )
    keep_hot(driver, drive(20))
    HistoryHold.objects.create(
        reference="T-7",
        driver_id=driver,
        since=NOON,
        until=NOON + timedelta(seconds=50),
        held_at=NOON,
    )
    assert erase().json() == {"fixes": 2, "location": True, "holds": 1}
    assert HistoryFix.objects.count() == 18


def test_only_staff_with_the_permission_erase(rest, erase, driver, rider, staff):
    keep_hot(driver, drive(1))
    permitted(rider, "view_historyfix")
    for user in (driver, rider):
        problem(erase(user=user), 403, "forbidden")
    problem(erase(user=None), 401, "not_authenticated")
    path = "/driver/4711/track/?before=2026-11-26T12:00:00Z"
    problem(rest("DELETE", path, staff), 403, "forbidden")
    assert HistoryFix.objects.count() == 1
    assert not HistoryErasure.objects.exists()


def test_page_needs_its_csrf_token(client, driver, staff):
    client.handler.enforce_csrf_checks = True
    client.force_login(User.objects.get(pk=staff), "accounts.backends.PasswordBackend")
    response = client.delete(f"/driver/{driver}/track/?before=2026-11-26T12:00:00Z")
    problem(response, 403, "permission_denied")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "before=",
        "before=2026-11-26",
        "before=2026-11-26T12:00:00",
        "before=2026-11-27T12:00:01Z",
        "before=2026-11-26T12:00:00Z&before=2026-11-26T13:00:00Z",
    ],
)
def test_time_that_means_nothing_erases_nothing(erase, driver, query):
    keep_hot(driver, drive(1))
    body = problem_members(erase(query), 400)
    (error,) = body["errors"]
    assert error["parameter"] == "before"
    assert "pointer" not in error
    assert HistoryFix.objects.count() == 1


def test_misspelt_parameter_erases_nothing(erase, driver):
    keep_hot(driver, drive(1))
    body = problem_members(erase("before=2026-11-26T13:00:00Z&tx=Europe/Helsinki"), 400)
    assert [list(error) for error in body["errors"]] == [["detail"]]
    assert HistoryFix.objects.count() == 1


def test_nothing_is_erased_if_the_erasure_cannot_be_logged(erase, driver, monkeypatch):
    def unwritable(*args, **kwargs):
        raise ErasureLogError("no space left")

    monkeypatch.setattr(track_module, "erase", unwritable)
    assert "erasure" in problem(erase(), 503, "unavailable")
