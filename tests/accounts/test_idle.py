"""Staff are logged out of the site after idle time, and the tokens of their pages end then."""

from datetime import timedelta

import jwt
import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User

pytestmark = pytest.mark.django_db

TOKEN = "/accounts/token/session/"
PASSWORD = "correct horse battery staple"
MINUTE = 60


@pytest.fixture
def staff():
    return User.objects.create_superuser("ada@example.com", PASSWORD, name="Ada")


@pytest.fixture
def page(client, staff):
    """A client of staff that has just opened a page."""
    client.force_login(staff)
    client.get("/driver/fleet/")
    return client


def seconds_left():
    """Return the time until the only session ends."""
    ends_at = Session.objects.get().expire_date
    return round((ends_at - timezone.now()).total_seconds())


def pass_time(seconds):
    """Move the session's start into the past by this time."""
    record = Session.objects.get()
    session = record.get_decoded()
    ends_at = record.expire_date - timedelta(seconds=seconds)
    session["_session_expiry"] = ends_at.isoformat()
    Session.objects.update(
        session_data=Session.get_session_store_class()().encode(session), expire_date=ends_at
    )


def renew(client, **headers):
    """Request a token for the page, and return its lifetime in seconds."""
    response = client.post(TOKEN, headers=headers)
    assert response.status_code == 200
    token = response.json()["access"]
    claims = jwt.decode(token, configured.JWT_SIGNING_KEY, algorithms=["HS256"])
    return claims["exp"] - claims["iat"]


def near(seconds):
    return pytest.approx(seconds, abs=2)


def test_session_of_staff_ends_half_an_hour_after_the_last_page(page):
    assert seconds_left() == near(30 * MINUTE)
    pass_time(20 * MINUTE)
    assert seconds_left() == near(10 * MINUTE)
    page.get("/driver/search/?q=jonh")
    assert seconds_left() == near(30 * MINUTE)
    pass_time(30 * MINUTE + 1)
    assert page.get("/driver/fleet/").url == "/accounts/login/?next=/driver/fleet/"
    assert page.post(TOKEN).status_code == 403


def test_log_in_of_staff_starts_the_idle_timeout(client, staff):
    form = {"username": staff.email, "password": PASSWORD, "next": "/admin/"}
    client.post("/accounts/login/", form, follow=True)
    assert seconds_left() == near(30 * MINUTE)


def test_consecutive_pages_write_the_session_once_a_minute(page):
    held = Session.objects.get().expire_date
    pass_time(50)
    page.get("/driver/fleet/")
    assert Session.objects.get().expire_date == held - timedelta(seconds=50)
    pass_time(11)
    page.get("/driver/fleet/")
    assert seconds_left() == near(30 * MINUTE)


def test_token_ends_when_the_session_would(page):
    assert renew(page) == near(30 * MINUTE)
    pass_time(20 * MINUTE)
    assert renew(page) == near(10 * MINUTE)


@pytest.mark.parametrize("idle", [None, "", "-1", "1e3", "\u0661", "9" * 9, "x"])
def test_token_renewal_of_an_open_page_is_no_activity(page, idle):
    pass_time(20 * MINUTE)
    headers = {} if idle is None else {"X-Idle-Seconds": idle}
    assert renew(page, **headers) == near(10 * MINUTE)
    assert seconds_left() == near(10 * MINUTE)


def test_open_page_that_is_touched_keeps_its_session(page):
    pass_time(20 * MINUTE)
    assert renew(page, **{"X-Idle-Seconds": str(5 * MINUTE)}) == near(25 * MINUTE)
    assert seconds_left() == near(25 * MINUTE)


def test_page_touched_long_ago_does_not_shorten_its_session(page):
    assert renew(page, **{"X-Idle-Seconds": str(20 * MINUTE)}) == near(30 * MINUTE)
    pass_time(20 * MINUTE)
    assert renew(page, **{"X-Idle-Seconds": str(25 * MINUTE)}) == near(10 * MINUTE)


def test_session_from_before_its_user_was_staff_is_limited_at_its_next_token(client):
    user = User.objects.create_user("ada@example.com", PASSWORD, name="Ada")
    client.force_login(user)
    assert renew(client) == 3600
    User.objects.update(is_staff=True)
    assert renew(client) == near(30 * MINUTE)
    assert seconds_left() == near(30 * MINUTE)


@pytest.mark.parametrize("role", ["driver", "rider"])
def test_drivers_and_riders_stay_logged_in(client, role):
    user = User.objects.create_user("jonh@gmail.com", PASSWORD, name="Jonh", role=role)
    client.force_login(user)
    client.get("/driver/19/map/")
    assert seconds_left() == near(configured.SESSION_COOKIE_AGE)
    assert renew(client) == AccessToken.lifetime.total_seconds()


def test_timeout_is_a_setting_and_zero_means_never(client, staff, settings):
    settings.STAFF_IDLE_TIMEOUT = 0
    client.force_login(staff)
    client.get("/driver/fleet/")
    assert seconds_left() == near(configured.SESSION_COOKIE_AGE)
    settings.STAFF_IDLE_TIMEOUT = 5 * MINUTE
    client.get("/driver/fleet/")
    assert seconds_left() == near(5 * MINUTE)
