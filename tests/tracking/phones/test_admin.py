"""Device tokens in the admin: issued, shown once, and revoked."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

from tracking.models.device import PREFIX, Device, revoke

pytestmark = pytest.mark.django_db

DEVICES = "/admin/tracking/device/"

User = get_user_model()


@pytest.fixture
def driver():
    return User.objects.create_user(email="mary@example.com", name="Mary", role="driver")


@pytest.fixture
def admin(client):
    client.force_login(User.objects.create_superuser(email="admin@staff.test", name="Admin"))
    return client


@pytest.fixture
def staff(client):
    """Return a function that logs in a staff user with only the given permissions."""

    def staff(*codenames):
        user = User.objects.create_user(email="dispatch@staff.test", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return staff


def tokens_in(response):
    return re.findall(rf"{PREFIX}[a-z2-7]{{32}}", response.content.decode())


def add(client, driver):
    return client.post(f"{DEVICES}add/", {"driver": driver.pk, "label": "Mary's phone"})


def labels(response):
    return [device.label for device in response.context["cl"].result_list]


def test_token_is_shown_once_with_where_to_send_to(admin, driver):
    response = add(admin, driver)
    assert response.status_code == 200
    (token,) = tokens_in(response)
    assert "no-store" in response["Cache-Control"]
    for path in ("/driver/report/owntracks/", "/driver/report/osmand/"):
        assert f"http://testserver{path}" in response.content.decode()
    device = Device.objects.authenticate(token)
    assert (device.driver, device.label) == (driver, "Mary's phone")
    for path in (DEVICES, f"{DEVICES}{device.pk}/change/", f"{DEVICES}{device.pk}/history/"):
        again = admin.get(path)
        assert again.status_code == 200
        assert tokens_in(again) == []
    assert token not in admin.session.values()
    assert "messages" not in admin.cookies
    assert PREFIX not in str(LogEntry.objects.values())


def test_page_of_the_token_has_no_script_or_style_of_its_own(admin, driver):
    html = add(admin, driver).content.decode()
    assert not re.search(r"<style|style=|<script(?![^>]* src=)|\son\w+=", html)


def test_form_without_a_driver_issues_nothing(admin):
    response = admin.post(f"{DEVICES}add/", {"label": "Mary's phone"})
    assert response.context["errors"]
    assert not Device.objects.exists()


def test_device_of_somebody_who_is_no_driver_is_refused_at_the_field(admin):
    rider = User.objects.create_user(email="jonh@gmail.com", name="Jonh")
    response = add(admin, rider)
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert errors.keys() == {"driver"}
    assert "Choose a driver, or make this user one first." in errors["driver"][0]
    assert tokens_in(response) == []
    assert not Device.objects.exists()


def test_policy_decides_which_users_get_a_device(admin, settings):
    settings.TRACKING = settings.TRACKING | {
        "PUBLISH_POLICY": "tracking.permissions.any_authenticated"
    }
    rider = User.objects.create_user(email="jonh@gmail.com", name="Jonh")
    assert len(tokens_in(add(admin, rider))) == 1


def test_list_shows_whose_device_it_is_and_filters_by_state(admin, driver):
    Device.objects.issue(driver, "old phone")
    revoke(Device.objects.all())
    Device.objects.issue(driver, "new phone")
    assert labels(admin.get(DEVICES)) == ["new phone", "old phone"]
    assert labels(admin.get(DEVICES, {"state": "valid"})) == ["new phone"]
    assert labels(admin.get(DEVICES, {"state": "revoked"})) == ["old phone"]
    assert labels(admin.get(DEVICES, {"q": "mary"})) == ["new phone", "old phone"]
    html = admin.get(DEVICES).content.decode()
    assert "mary@example.com" in html
    assert "tracking-offline" in html


def test_long_list_takes_as_many_queries_as_a_short_one(
    admin, driver, django_assert_max_num_queries
):
    for number in range(50):
        Device.objects.issue(driver, f"phone {number}")
    with django_assert_max_num_queries(8):
        assert len(labels(admin.get(DEVICES))) == 50


def revoke_selected(client, device):
    return client.post(DEVICES, {"action": "revoke_selected", "_selected_action": device.pk})


def test_action_revokes(admin, driver):
    device = Device.objects.issue(driver, "phone")
    revoke_selected(admin, device)
    assert Device.objects.get().revoked_at
    assert Device.objects.authenticate(device.token) is None


def test_staff_who_may_only_view_revoke_and_issue_nothing(staff, driver):
    device = Device.objects.issue(driver, "phone")
    client = staff("view_device")
    assert labels(client.get(DEVICES)) == ["phone"]
    revoke_selected(client, device)
    assert Device.objects.get().revoked_at is None
    assert add(client, driver).status_code == 403


def test_staff_who_may_change_devices_revoke(staff, driver):
    device = Device.objects.issue(driver, "phone")
    revoke_selected(staff("view_device", "change_device"), device)
    assert Device.objects.get().revoked_at


def test_device_never_changes(admin, driver):
    device = Device.objects.issue(driver, "phone")
    response = admin.post(f"{DEVICES}{device.pk}/change/", {"driver": driver.pk, "label": "other"})
    assert response.status_code == 403
    assert Device.objects.get().label == "phone"


def test_driver_with_a_device_can_be_deleted(admin, driver):
    Device.objects.issue(driver, "phone")
    admin.post(f"/admin/accounts/user/{driver.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=driver.pk).exists()
