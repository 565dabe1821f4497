"""Log-out ends the tokens that were issued to the pages of a web session."""

from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.urls import reverse
from django.utils import timezone
from rest_framework_simplejwt import state
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User
from tracking import revocation
from tracking.access.identities import user_of
from tracking.access.tokens import verify
from tracking.models import EndedWebSession
from tracking.protocol import TokenInvalid
from tracking.web_sessions import claim

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create_user("driver@example.com", "a long password", role="driver")


@pytest.fixture
def rechecked(monkeypatch, django_capture_on_commit_callbacks):
    """The ids of users whose sessions were to be checked again."""
    users = []
    monkeypatch.setattr(revocation, "recheck", users.extend)
    return users


def session_token(client):
    return client.post(reverse("accounts:token-session")).json()["access"]


def test_the_tokens_of_a_web_session_end_with_it(
    client, user, rechecked, django_capture_on_commit_callbacks
):
    client.force_login(user)
    first, second = session_token(client), session_token(client)
    assert user_of(verify(first)) == user_of(verify(second)) == user
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("accounts:logout"))
    assert rechecked == [user.pk]
    for token in (first, second):
        with pytest.raises(TokenInvalid, match="logged out"):
            user_of(verify(token))


def test_logging_out_ends_tokens_of_a_former_secret_key(client, user, settings):
    client.force_login(user)
    before = session_token(client)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret, of thirty-two bytes or more"
    after = session_token(client)
    client.post(reverse("accounts:logout"))
    for token in (before, after):
        with pytest.raises(TokenInvalid, match="logged out"):
            user_of(verify(token))


LOG_INS = ["/accounts/login/", "/admin/login/?next=/admin/"]


@pytest.mark.parametrize("path", LOG_INS)
def test_logging_in_as_another_user_ends_the_tokens_of_the_first(
    client, user, rechecked, django_capture_on_commit_callbacks, path
):
    User.objects.create_superuser("other@example.com", "a long password")
    client.force_login(user)
    before = session_token(client)
    with django_capture_on_commit_callbacks(execute=True):
        form = {"username": "other@example.com", "password": "a long password"}
        assert client.post(path, form).status_code == 302
    assert rechecked == [user.pk]
    with pytest.raises(TokenInvalid, match="logged out"):
        user_of(verify(before))
    assert user_of(verify(session_token(client))).email == "other@example.com"


def test_logging_in_again_as_the_same_user_ends_nothing(client, user):
    client.force_login(user)
    token = session_token(client)
    client.post("/accounts/login/", {"username": user.email, "password": "wrong"})
    client.post("/accounts/login/", {"username": user.email, "password": "a long password"})
    assert user_of(verify(token)) == user


def test_another_session_of_the_same_user_goes_on(client, user):
    client.force_login(user)
    other = type(client)()
    other.force_login(user)
    token = session_token(other)
    client.post(reverse("accounts:logout"))
    assert user_of(verify(token)) == user
    client.force_login(user)
    assert user_of(verify(session_token(client))) == user


def test_a_token_without_a_web_session_is_not_ended_by_one(client, user):
    tokens = client.post(
        reverse("accounts:token"),
        {"email": user.email, "password": "a long password"},
        content_type="application/json",
    ).json()
    client.force_login(user)
    client.post(reverse("accounts:logout"))
    assert user_of(verify(tokens["access"])) == user


def test_the_claim_does_not_reveal_the_sessions_key(client, user):
    client.force_login(user)
    claims = AccessToken(session_token(client)).payload
    assert len(claims["web_session"]) == 64
    assert client.session.session_key not in str(claims)


def test_a_log_in_over_the_api_makes_no_session(client, user):
    answer = client.post(
        reverse("accounts:token"),
        {"email": user.email, "password": "a long password"},
        content_type="application/json",
    )
    assert answer.status_code == 200
    assert not answer.cookies
    assert not Session.objects.exists()


def test_pages_that_request_their_first_tokens_at_once_share_one_claim(client, user):
    client.force_login(user)
    # Two requests that read the session before either has written it.
    first, second = (SessionStore(client.session.session_key) for _ in range(2))
    assert SESSION_KEY in first
    assert SESSION_KEY in second
    assert claim(first) == claim(second)


def test_an_ended_session_is_deleted_once_its_tokens_have_expired(client, user, settings):
    client.force_login(user)
    client.post(reverse("accounts:logout"))
    (old,) = EndedWebSession.objects.all()
    lifetime = settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"]
    for age, kept in ((lifetime - timedelta(seconds=5), True), (lifetime * 2, False)):
        EndedWebSession.objects.filter(pk=old.pk).update(ended_at=timezone.now() - age)
        client.force_login(user)
        client.post(reverse("accounts:logout"))
        assert EndedWebSession.objects.filter(pk=old.pk).exists() is kept


class LongToken(AccessToken):
    lifetime = timedelta(days=2)


@pytest.mark.parametrize("longer", ["leeway", "class"])
def test_an_ended_session_is_kept_while_any_token_may_be_accepted(
    client, user, settings, monkeypatch, longer
):
    if longer == "leeway":
        monkeypatch.setattr(state.token_backend, "leeway", timedelta(days=2))
    else:
        classes = {"AUTH_TOKEN_CLASSES": (f"{__name__}.LongToken",)}
        settings.SIMPLE_JWT = settings.SIMPLE_JWT | classes
    client.force_login(user)
    client.post(reverse("accounts:logout"))
    (old,) = EndedWebSession.objects.all()
    for age, kept in ((timedelta(days=2), True), (timedelta(days=3), False)):
        EndedWebSession.objects.filter(pk=old.pk).update(ended_at=timezone.now() - age)
        client.force_login(user)
        client.post(reverse("accounts:logout"))
        assert EndedWebSession.objects.filter(pk=old.pk).exists() is kept
