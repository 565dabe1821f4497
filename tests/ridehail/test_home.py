import re

import pytest
from django.contrib.auth import get_user

from accounts.models import User
from ridehail.demo.accounts import seed

pytestmark = pytest.mark.django_db

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
