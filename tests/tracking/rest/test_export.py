"""Everything that is kept about one person over HTTP."""

from datetime import timedelta
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.contrib.auth import get_user_model

from tracking.access_log import Way
from tracking.models import LocationAccess

from ..history.tracks import NOON, drive, keep_hot, keep_packed
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def staff(transactional_db):
    pk = User.objects.create_user(email="staff@example.com").pk
    return permitted(pk, "view_historyfix", "view_locationaccess")


def names(response):
    assert response.status_code == 200
    return ZipFile(BytesIO(response.getvalue())).namelist()


def test_export_is_a_zip_with_a_name(rest, driver):
    keep_hot(driver, drive(5))
    keep_packed(driver, drive(5, at=NOON - timedelta(days=3)))
    response = rest("GET", f"/driver/{driver}/export/", driver)
    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Disposition"] == (f'attachment; filename="location-data-{driver}.zip"')
    found = names(response)
    assert "README.txt" in found
    assert {"tracks/2026-11-23.gpx", "tracks/2026-11-26.csv"} < set(found)


def test_readme_is_in_the_language_of_the_request(rest, driver):
    language = {"Accept-Language": "de"}
    response = rest("GET", f"/driver/{driver}/export/", driver, **language)
    archive = ZipFile(BytesIO(response.getvalue()))
    assert archive.read("README.txt").decode("utf-8-sig").startswith("Deine Standortdaten")


def test_only_staff_with_the_permission_and_the_person_get_it(
    rest, staff, driver, other_driver, rider
):
    path = f"/driver/{driver}/export/"
    for user in (staff, driver):
        assert names(rest("GET", path, user))
    permitted(other_driver, "view_driverlocation")
    for user in (other_driver, rider):
        problem(rest("GET", path, user), 403, "forbidden")
    problem(rest("GET", path), 401, "not_authenticated")
    problem(rest("GET", "/driver/4711/export/", staff), 403, "forbidden")


def test_staff_who_may_not_see_the_audit_trail_are_told_which_permission_is_missing(
    rest, staff, driver
):
    permitted(staff, "view_historyfix")
    response = rest("GET", f"/driver/{driver}/export/", staff)
    members = problem_members(response, 403)
    assert members["code"] == "forbidden"
    assert "tracking.view_locationaccess" in members["detail"]
    assert not LocationAccess.objects.exists()
    assert names(rest("GET", f"/driver/{staff}/export/", staff))


def test_a_rider_gets_what_is_kept_about_riders(rest, rider):
    assert "whom-you-looked-at.csv" in names(rest("GET", f"/driver/{rider}/export/", rider))


def test_exports_of_staff_are_recorded(rest, staff, driver):
    for user in (staff, driver):
        rest("GET", f"/driver/{driver}/export/?purpose=request%209", user)
    (look,) = LocationAccess.objects.all()
    assert (look.viewer_id, look.driver_id, look.way) == (staff, driver, Way.EXPORT)
    assert (look.since, look.until, look.purpose) == (None, None, "request 9")


def test_unknown_parameter_is_answered_400(rest, driver):
    response = rest("GET", f"/driver/{driver}/export/?from=2026-11-26T12:00:00Z", driver)
    assert problem_members(response, 400)["code"] == "invalid"


def test_exports_are_throttled(rest, driver, rates):
    rates(track_export="1/hour")
    path = f"/driver/{driver}/export/"
    assert [rest("GET", path, driver).status_code for _ in range(2)] == [200, 429]
