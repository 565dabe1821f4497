"""The view that gives a page with a session its access token."""

from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client

from tracking.access.identities import user_of
from tracking.access.tokens import verify
from tracking.protocol import TokenInvalid

from .problems import problem

pytestmark = pytest.mark.django_db

TOKEN = "/driver/token/"
CSRF = "t" * 32


@pytest.fixture
def user():
    return get_user_model().objects.create_user(email="dora@example.com", password="before")


@pytest.fixture
def page(user):
    """Return the client of a logged-in page, with CSRF checks."""
    page = Client(enforce_csrf_checks=True)
    page.force_login(user)
    page.cookies["csrftoken"] = CSRF
    return page


def ask(page, csrf=CSRF):
    headers = {"X-CSRFToken": csrf} if csrf else {}
    return page.post(TOKEN, content_type="application/json", headers=headers)


def test_page_gets_a_token_of_its_sessions_user_that_no_cache_keeps(page, user):
    response = ask(page)
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response.json().keys() == {"access"}
    assert user_of(verify(response.json()["access"])) == user


def test_token_ends_with_the_log_out(page):
    claims = verify(ask(page).json()["access"])
    page.logout()
    with pytest.raises(TokenInvalid, match="logged out"):
        user_of(claims)


def test_token_ends_with_the_password(page, user):
    claims = verify(ask(page).json()["access"])
    user.set_password("after")
    user.save()
    with pytest.raises(TokenInvalid, match="password"):
        user_of(claims)


def test_token_lives_no_longer_than_the_session(page):
    session = page.session
    session.set_expiry(timedelta(seconds=90))
    session.save()
    token = ask(page).json()["access"]
    payload = jwt.decode(token, settings.JWT_SIGNING_KEY, algorithms=["HS256"])
    assert 80 < payload["exp"] - payload["iat"] <= 90


@pytest.mark.parametrize("csrf", [None, "x" * 32])
def test_page_without_its_csrf_token_is_refused(page, csrf):
    assert "CSRF" in problem(ask(page, csrf), 403, "permission_denied")


def test_nobody_without_a_session_gets_a_token(page, user):
    token = ask(page).json()["access"]
    stranger = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"})
    problem(ask(stranger), 403, "not_authenticated")
    get_user_model().objects.update(is_active=False)
    problem(ask(page), 403, "not_authenticated")


def test_token_is_not_given_to_a_get(page):
    problem(page.get(TOKEN), 405, "method_not_allowed")


def test_tokens_of_one_user_are_throttled(page, rates):
    rates(page_token="2/min")
    assert [ask(page).status_code for _ in range(3)] == [200, 200, 429]


def test_staff_without_the_second_factor_gets_no_token(page, user, settings):
    settings.REQUIRE_SECOND_FACTOR = True
    user.is_staff = True
    user.save()
    problem(ask(page), 403, "otp_required")


def test_renewal_of_a_page_that_nobody_touches_keeps_no_staff_session_alive(page, user):
    user.is_staff = True
    user.save()
    page.force_login(user)
    page.cookies["csrftoken"] = CSRF
    before = page.session.get_expiry_date()
    idle = {"X-CSRFToken": CSRF, "X-Idle-Seconds": "600"}
    assert page.post(TOKEN, content_type="application/json", headers=idle).status_code == 200
    assert page.session.get_expiry_date() <= before
