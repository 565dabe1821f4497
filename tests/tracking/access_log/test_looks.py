"""Rows of the audit trail: each way to view a location stores the viewer and the driver."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import OperationalError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tracking import access_log
from tracking.access_log import Way, record, record_past
from tracking.models import DriverLocation, LocationAccess
from tracking.runtime import get_runtime

from ..fakes import NOON
from ..sockets import Socket, token_for

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def driver():
    driver = User.objects.create_user(email="driver@example.com", role="driver", name="Dana")
    DriverLocation.objects.create(
        driver=driver, latitude=1, longitude=2, recorded_at=NOON, received_at=NOON
    )
    return driver


@pytest.fixture
def staff():
    return User.objects.create_superuser(email="staff@example.com", name="Sam")


@pytest.fixture
def web(staff):
    client = Client()
    client.force_login(staff)
    return client


def rows():
    return list(LocationAccess.objects.order_by("pk").values_list("viewer", "driver", "way"))


def get(client, path, user):
    return client.get(path, headers={"Authorization": f"Bearer {token_for(user.pk)}"})


def test_a_look_over_rest_leaves_a_row_in_ten_minutes(client, driver, staff):
    for _ in range(3):
        assert get(client, f"/driver/{driver.pk}/location/", staff).status_code == 200
    assert rows() == [(staff.pk, driver.pk, Way.REST)]


def test_a_driver_who_looks_at_itself_leaves_no_row(client, driver):
    assert get(client, f"/driver/{driver.pk}/location/", driver).status_code == 200
    assert rows() == []


def test_a_refused_look_leaves_no_row(client, driver, settings):
    settings.TRACKING = settings.TRACKING | {"WATCH_POLICY": "tracking.permissions.staff_only"}
    rider = User.objects.create_user(email="rider@example.com", role="rider")
    assert get(client, f"/driver/{driver.pk}/location/", rider).status_code == 403
    assert get(client, "/driver/locations/", rider).status_code == 403
    assert rows() == []


def test_a_look_at_a_driver_without_a_location_leaves_none(client, driver, staff):
    DriverLocation.objects.all().delete()
    assert get(client, f"/driver/{driver.pk}/location/", staff).status_code == 404
    assert rows() == []


def test_the_list_over_rest_leaves_a_row_of_all_drivers(client, driver, staff):
    assert get(client, "/driver/locations/", staff).status_code == 200
    assert rows() == [(staff.pk, None, Way.LIST)]


def test_the_search_leaves_a_row_of_each_driver_that_it_found(web, driver, staff):
    assert web.get("/driver/search/", {"q": "nobody"}).json()["total"] == 0
    assert rows() == []
    assert web.get("/driver/search/", {"q": "dana"}).json()["total"] == 1
    assert rows() == [(staff.pk, driver.pk, Way.SEARCH)]


def test_the_admin_leaves_rows_of_its_list_and_of_the_driver_that_it_shows(web, driver, staff):
    assert web.get("/admin/tracking/driverlocation/").status_code == 200
    assert web.get(f"/admin/tracking/driverlocation/{driver.pk}/change/").status_code == 200
    assert rows() == [(staff.pk, None, Way.ADMIN), (staff.pk, driver.pk, Way.ADMIN)]


def test_the_admin_refuses_without_a_row(driver):
    staff = User.objects.create_user(email="plain@example.com", is_staff=True)
    client = Client()
    client.force_login(staff)
    assert client.get("/admin/tracking/driverlocation/").status_code == 403
    assert client.get(f"/admin/tracking/driverlocation/{driver.pk}/change/").status_code == 403
    assert rows() == []


@pytest.mark.parametrize("route", ["get", "fleet"])
async def test_a_stream_leaves_a_row_every_ten_minutes(driver, staff, route, monkeypatch):
    socket = Socket(route, f"?userId={driver.pk}")
    await socket.connect()
    await socket.start(token_for(staff.pk))
    await socket.frame()
    looks = get_runtime().access_log
    await looks.drain()
    began = access_log.time.monotonic()
    monkeypatch.setattr(access_log.time, "monotonic", lambda: began + access_log.PERIOD + 1)
    (session,) = get_runtime().registry._sessions[staff.pk]
    await session._recheck()
    await looks.drain()
    way, of = (Way.STREAM, driver.pk) if route == "get" else (Way.FLEET, None)
    assert [row async for row in LocationAccess.objects.values_list("viewer", "driver", "way")] == [
        (staff.pk, of, way)
    ] * 2
    # A stopped stream shows nothing, so it records nothing.
    await socket.send({"command": "stop"})
    await socket.disconnect()
    monkeypatch.setattr(access_log.time, "monotonic", lambda: began + 3 * access_log.PERIOD)
    await looks.drain()
    assert await LocationAccess.objects.acount() == 2
    await get_runtime().close()


def test_a_look_in_a_transaction_that_is_rolled_back_may_be_recorded_again(driver, staff):
    with transaction.atomic():
        record(staff.pk, Way.REST, [driver.pk])
        transaction.set_rollback(True)
    assert rows() == []
    record(staff.pk, Way.REST, [driver.pk])
    assert rows() == [(staff.pk, driver.pk, Way.REST)]


def test_a_look_that_cannot_be_recorded_is_in_the_log_and_is_not_refused(
    client, driver, staff, monkeypatch, caplog
):
    def unavailable(*args, **kwargs):
        raise OperationalError("the database takes no writes")

    monkeypatch.setattr(access_log, "store", unavailable)
    assert get(client, f"/driver/{driver.pk}/location/", staff).status_code == 200
    assert "1 looks at locations could not be recorded: OperationalError" in caplog.text


def test_each_look_deletes_a_batch_of_the_rows_that_are_too_old(driver, staff, monkeypatch):
    monkeypatch.setattr(access_log, "_purge_at", 0.0)
    monkeypatch.setattr(access_log, "BATCH_SIZE", 2)
    now = timezone.now()
    ages = [timedelta(days=days) for days in (89, 91, 92, 93, 94, 95)]
    LocationAccess.objects.bulk_create(
        LocationAccess(viewer=staff, driver=driver, way=Way.REST, at=now - age) for age in ages
    )

    def old():
        return LocationAccess.objects.filter(at__lt=now).order_by("at")

    for way, left in ((Way.LIST, 4), (Way.SEARCH, 2), (Way.ADMIN, 1)):
        record(staff.pk, way)
        assert old().count() == left
    assert old().get().at == now - timedelta(days=89)
    assert len(rows()) == 4
    # Nothing is searched for again until an hour has passed.
    assert access_log._purge_at > access_log.time.monotonic()


def test_a_look_is_stored_once_if_old_rows_cannot_be_deleted(driver, staff, monkeypatch, caplog):
    def unavailable():
        raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(access_log, "_purge", unavailable)
    access_log.store(access_log.recent.new(staff.pk, Way.REST, [driver.pk]))
    assert rows() == [(staff.pk, driver.pk, Way.REST)]
    assert "Old looks at locations could not be deleted: OperationalError" in caplog.text


def test_rows_go_with_the_driver_and_stay_without_the_viewer(driver, staff):
    other = User.objects.create_user(email="other@example.com", role="driver")
    record(staff.pk, Way.REST, [driver.pk, other.pk])
    driver.delete()
    staff_id = staff.pk
    staff.delete()
    assert rows() == [(staff_id, other.pk, Way.REST)]


def test_each_look_at_the_history_is_a_row_with_its_window(driver, staff):
    since, until = NOON, NOON + timedelta(hours=1)
    for _ in range(2):
        record_past(staff.pk, Way.TRACK, driver.pk, since=since, until=until, purpose="complaint")
    record_past(staff.pk, Way.PAST, since=since, until=since)
    record_past(driver.pk, Way.EXPORT, driver.pk)
    window = LocationAccess.objects.order_by("pk").values_list("since", "until", "purpose")
    assert rows() == [(staff.pk, driver.pk, Way.TRACK)] * 2 + [(staff.pk, None, Way.PAST)]
    assert list(window) == [(since, until, "complaint")] * 2 + [(since, since, "")]


def test_looks_at_the_history_are_not_recorded_when_the_retention_is_zero(driver, staff, settings):
    settings.TRACKING = settings.TRACKING | {"ACCESS_LOG_DAYS": 0}
    record_past(staff.pk, Way.TRACK, driver.pk)
    assert rows() == []


def test_a_look_at_the_history_that_cannot_be_recorded_is_in_the_log(
    driver, staff, monkeypatch, caplog
):
    def unavailable(*args, **kwargs):
        raise OperationalError("the database takes no writes")

    monkeypatch.setattr(access_log, "store", unavailable)
    record_past(staff.pk, Way.EXPORT, driver.pk)
    assert "1 looks at locations could not be recorded: OperationalError" in caplog.text


# The audit trail in the admin


def test_the_trail_is_shown_and_searched_and_cannot_be_changed(web, driver, staff):
    gone = User.objects.create_user(email="gone@example.com", is_staff=True)
    record(gone.pk, Way.REST, [driver.pk])
    record(staff.pk, Way.FLEET)
    gone_id = gone.pk
    gone.delete()
    page = web.get("/admin/tracking/locationaccess/").content.decode()
    for text in ("Dana", "driver@example.com", f"#{gone_id}", "Sam", "All drivers"):
        assert text in page
    page = web.get("/admin/tracking/locationaccess/", {"q": "dana"}).content.decode()
    assert "1 look at a location" in page
    row = LocationAccess.objects.first()
    for name in ("add", "change", "delete"):
        args = [] if name == "add" else [row.pk]
        path = reverse(f"admin:tracking_locationaccess_{name}", args=args)
        assert web.post(path).status_code == 403
    assert LocationAccess.objects.count() == 2


def test_the_trail_asks_for_its_own_permission_and_there_is_no_other(driver):
    staff = User.objects.create_user(email="plain@example.com", is_staff=True)
    client = Client()
    client.force_login(staff)
    assert client.get("/admin/tracking/locationaccess/").status_code == 403
    (permission,) = Permission.objects.filter(content_type__model="locationaccess")
    staff.user_permissions.add(permission)
    assert permission.codename == "view_locationaccess"
    assert client.get("/admin/tracking/locationaccess/").status_code == 200


def test_a_driver_with_rows_can_be_deleted_in_the_admin(web, driver, staff):
    record(staff.pk, Way.REST, [driver.pk])
    path = f"/admin/accounts/user/{driver.pk}/delete/"
    assert web.post(path, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=driver.pk).exists()
    assert rows() == []
