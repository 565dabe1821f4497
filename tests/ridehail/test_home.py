import re

import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from ridehail.demo.accounts import seed
from ridehail.demo.trip import keep_trip
from tracking import trips
from tracking.models import WatchGrant

pytestmark = pytest.mark.django_db

HOUR = timezone.timedelta(hours=1)
ROLES = {
    "rider": "/driver/19/map/",
    "driver": "/driver/share/",
    "dispatcher": "/driver/fleet/",
}


@pytest.fixture
def demo(settings):
    settings.DEBUG = True
    return seed()


def home(client):
    return client.get("/").content.decode()


@pytest.mark.parametrize("role", ROLES)
def test_one_click_logs_in_and_leads_to_what_that_role_does(client, demo, role):
    assert f'action="/log-in-as/{role}/"' in home(client)
    response = client.post(f"/log-in-as/{role}/")
    assert response.url == ROLES[role]
    assert get_user(client).role == role
    assert client.get(response.url).status_code == 200


def person(role, **fields):
    return User.objects.create_user(email=f"{role}@example.org", name=role, role=role, **fields)


def grant(rider, driver, **fields):
    now = timezone.now()
    times = {"starts_at": now - HOUR, "ends_at": now + HOUR, **fields}
    return WatchGrant.objects.create(watcher=rider, driver=driver, **times)


def links(client):
    """Return the links of the user's own card on the home page, by label."""
    found = re.findall(r'<a class="button" href="([^"]+)">(.+?)</a>', home(client))
    return {re.sub("<.+?>", "", text): address for address, text in found}


@pytest.fixture
def granted(settings):
    settings.TRACKING = {"WATCH_POLICY": "tracking.permissions.granted"}


def test_rider_gets_links_to_the_drivers_of_live_grants(client, granted):
    rider, ines, amara = (
        person("rider"),
        *(
            User.objects.create_user(email=f"{name}@example.org", name=f"<{name}>", role="driver")
            for name in ("Ines", "Amara")
        ),
    )
    grant(rider, ines)
    grant(rider, amara, ends_at=timezone.now())
    client.force_login(rider)
    address = f"/driver/{ines.pk}/map/"
    assert links(client) == {"Watch &lt;Ines&gt;": address}
    assert "<bdi>&lt;Ines&gt;</bdi>" in home(client)
    assert client.get(address).status_code == 200
    grant(rider, amara)
    assert set(links(client).values()) == {address, f"/driver/{amara.pk}/map/"}


@pytest.mark.parametrize(
    "change",
    [{"is_active": False}, {"role": "rider"}],
    ids=["cannot log in", "is no driver any more"],
)
def test_rider_gets_no_link_to_a_driver_who_may_not_be_watched(client, granted, change):
    rider, driver = person("rider"), person("driver")
    grant(rider, driver)
    User.objects.filter(pk=driver.pk).update(**change)
    client.force_login(rider)
    assert links(client) == {}


def test_rider_gets_links_to_open_rides_only(client):
    rider, driver = person("rider"), person("driver")
    done, mine = trips.create(riders=[rider]), trips.create(riders=[rider], driver=driver)
    trips.create(riders=[User.objects.create_user(email="other@example.org")])
    trips.cancel(done)
    client.force_login(rider)
    found = links(client)
    assert found["Follow your ride"] == f"/trips/{mine.pk}/"
    assert list(found) == ["Follow your ride", "Watch driver"]
    assert client.get(found["Follow your ride"]).status_code == 200


def test_click_on_the_demos_rider_leads_to_the_ride(client, demo):
    trip = keep_trip(demo.driver, demo.rider, HOUR)
    response = client.post("/log-in-as/rider/")
    assert response.url == f"/trips/{trip.pk}/"
    assert set(links(client).values()) == {response.url, "/driver/19/map/"}


def test_grant_gives_no_link_under_another_policy(client, settings):
    settings.TRACKING = {"WATCH_POLICY": "tracking.permissions.staff_only"}
    rider = person("rider")
    grant(rider, person("driver"))
    client.force_login(rider)
    assert links(client) == {}


@pytest.mark.parametrize(
    ("role", "advice"),
    [
        ("rider", "Once your ride is booked, reload this page"),
        ("dispatcher", "the permission to view last known locations"),
    ],
)
@pytest.mark.parametrize("staff", [False, True])
def test_user_without_pages_reads_what_to_do(client, role, advice, staff):
    # Outside the demo, driver 19 is not offered, even if the policy permits watching.
    User.objects.create_user(email="19@example.org", pk=19, role="driver")
    client.force_login(person(role, is_staff=staff))
    assert links(client) == {}
    assert advice in home(client)


def test_driver_whom_the_policy_refuses_reads_what_to_do(client, settings):
    settings.TRACKING = {"PUBLISH_POLICY": "tracking.permissions.staff_only"}
    client.force_login(person("driver"))
    assert links(client) == {}
    assert "Your account can't share a location" in home(client)


def test_user_who_may_view_the_fleet_gets_its_link_in_any_role(client):
    driver = person("driver", is_staff=True)
    driver.user_permissions.add(Permission.objects.get(codename="view_driverlocation"))
    client.force_login(driver)
    assert links(client) == {
        "Share your location": "/driver/share/",
        "Open the live map": "/driver/fleet/",
    }


def test_click_on_a_dispatcher_without_rights_leads_home_and_not_to_a_refusal(client, demo):
    User.objects.filter(pk=2).update(is_staff=False)
    response = client.post("/log-in-as/dispatcher/", follow=True)
    assert response.redirect_chain == [("/", 302)]
    assert response.status_code == 200


def test_demo_rider_gets_no_link_if_the_policy_refuses(client, demo, granted):
    response = client.post("/log-in-as/rider/", follow=True)
    assert response.redirect_chain == [("/", 302)]
    assert links(client) == {}


@pytest.mark.parametrize("role", [*ROLES, "superuser"])
def test_nobody_logs_in_with_a_click_outside_the_demo(client, settings, role):
    settings.DEBUG = True
    for pk in (1, 2, 19, 22):
        User.objects.create_user(email=f"{pk}@example.org", pk=pk, role="driver")
    assert "log-in-as" not in home(client)
    assert client.post(f"/log-in-as/{role}/").status_code == 404
    assert not get_user(client).is_authenticated


@pytest.mark.parametrize("role", ROLES)
def test_nobody_logs_in_with_a_click_in_production(client, demo, settings, role):
    settings.DEBUG = False
    assert "log-in-as" not in home(client)
    assert client.post(f"/log-in-as/{role}/").status_code == 404


def test_a_demo_account_with_another_role_or_locked_is_not_offered(client, demo):
    User.objects.filter(pk=19).update(role="dispatcher")
    User.objects.filter(pk=22).update(is_active=False)
    assert re.findall(r'action="/log-in-as/(\w+)/"', home(client)) == ["dispatcher"]


def test_following_a_link_does_not_log_in(client, demo):
    assert client.get("/log-in-as/rider/").status_code == 405


def test_home_says_who_is_logged_in_and_logs_out(client, demo):
    client.force_login(demo.rider)
    page = home(client)
    assert "Jonh" in page
    assert 'action="/accounts/logout/"' in page
    assert 'href="/driver/19/map/"' in page


def test_home_has_no_inline_script_or_style(client, demo):
    page = home(client)
    assert "<script" not in page
    assert "<style" not in page
    assert "style=" not in page


def test_browsers_find_an_icon_for_pages_that_name_none(client):
    response = client.get("/favicon.ico")
    assert response.status_code == 302
    assert response.url.endswith("tracking/mark.svg")


@pytest.mark.parametrize(("secure", "scheme"), [(False, "ws"), (True, "wss")])
def test_home_names_addresses_that_work_from_its_own_scheme(client, demo, secure, scheme):
    page = client.get("/", secure=secure).content.decode()
    assert set(re.findall(r"<code>(\w+)://", page)) == {scheme}
