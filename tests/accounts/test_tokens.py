import time
from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.models import User
from accounts.tokens import access_token_for, refresh_token_for, refresh_token_user
from tracking.access.tokens import verify
from tracking.protocol import TokenInvalid

pytestmark = pytest.mark.django_db


def claims(token):
    return jwt.decode(token, settings.JWT_SIGNING_KEY, algorithms=["HS256"])


@pytest.fixture
def user():
    return User.objects.create_user(email="jonh@gmail.com", password="before", name="Jonh")


def test_access_token_says_who_the_user_is(user):
    payload = claims(access_token_for(user))
    assert payload["id"] == user.pk
    assert type(payload["id"]) is int
    assert (payload["email"], payload["name"]) == ("jonh@gmail.com", "Jonh")
    assert payload["token_type"] == "access"


def test_access_token_lives_as_long_as_the_setting_says(user):
    payload = claims(access_token_for(user))
    assert payload["exp"] - payload["iat"] == 3600
    assert abs(payload["iat"] - time.time()) < 60


def test_access_token_ends_with_the_password(rf, user):
    request = rf.get("/", headers={"Authorization": f"Bearer {access_token_for(user)}"})
    assert JWTAuthentication().authenticate(request)[0] == user
    user.set_password("after")
    user.save()
    with pytest.raises(AuthenticationFailed, match="password has been changed"):
        JWTAuthentication().authenticate(request)


def test_access_token_does_not_show_the_stored_password(user):
    salt, digest = user.password.split("$")[-2:]
    shown = str(claims(access_token_for(user)))
    assert user.password not in shown
    assert salt not in shown
    assert digest not in shown


def test_refresh_token_contains_nothing_but_the_id(user):
    payload = claims(refresh_token_for(user))
    assert payload["id"] == user.pk
    assert not {"email", "name"} & payload.keys()
    assert user.password not in payload.values()


def test_refresh_token_identifies_its_user(user):
    assert refresh_token_user(refresh_token_for(user)) == user


def test_refresh_token_ends_with_the_password(user):
    token = refresh_token_for(user)
    user.set_password("after")
    user.save()
    assert refresh_token_user(token) is None


def test_refresh_token_of_an_inactive_user_is_void(user):
    token = refresh_token_for(user)
    User.objects.update(is_active=False)
    assert refresh_token_user(token) is None


def test_refresh_token_of_a_deleted_user_is_void(user):
    token = refresh_token_for(user)
    user.delete()
    assert refresh_token_user(token) is None


@pytest.mark.parametrize("claim", ["id", "password"])
def test_refresh_token_without_a_claim_is_void(user, claim):
    token = RefreshToken(refresh_token_for(user))
    del token[claim]
    assert refresh_token_user(str(token)) is None


def test_expired_refresh_token_is_refused(user):
    token = RefreshToken(refresh_token_for(user))
    token.set_exp(lifetime=timedelta(seconds=-1))
    with pytest.raises(TokenError, match="expired"):
        refresh_token_user(str(token))


def test_access_token_does_not_serve_as_refresh_token(user):
    with pytest.raises(TokenError):
        refresh_token_user(access_token_for(user))


# Rotation


def refreshed(client, token):
    return client.post(
        "/accounts/token/refresh/", {"refresh": token}, content_type="application/json"
    )


@pytest.fixture
def later(monkeypatch):
    """Return a function that advances the time by which reuse of tokens is checked."""

    def later(**time):
        now = timezone.now() + timedelta(**time)
        monkeypatch.setattr("accounts.tokens.timezone.now", lambda: now)

    return later


def test_refreshing_gives_a_new_refresh_token_and_ends_the_old_one(client, user, later):
    first = refresh_token_for(user)
    second = refreshed(client, first).json()["refresh"]
    assert second != first
    # The response was lost: the phone tries again with the same token.
    assert refreshed(client, first).status_code == 200
    later(seconds=61)
    assert refreshed(client, first).status_code == 401
    assert refreshed(client, second).status_code == 200


def test_logging_out_ends_all_refresh_tokens_of_the_log_in(client, user):
    first = refresh_token_for(user)
    second, twin = (refreshed(client, first).json()["refresh"] for _ in range(2))
    newest = refreshed(client, twin).json()["refresh"]
    client.post("/accounts/token/logout/", {"refresh": second}, content_type="application/json")
    for token in (first, second, twin, newest):
        assert refreshed(client, token).status_code == 401
    assert refreshed(client, refresh_token_for(user)).status_code == 200


def test_logging_out_ends_a_refresh_token_without_a_log_in_claim(client, user):
    token = RefreshToken(refresh_token_for(user))
    del token["log_in"]
    after = refreshed(client, str(token)).json()["refresh"]
    client.post("/accounts/token/logout/", {"refresh": after}, content_type="application/json")
    for ended in (after, str(token)):
        assert refreshed(client, ended).status_code == 401


def test_logging_out_ends_a_refresh_token_at_once(client, user):
    token, other = refresh_token_for(user), refresh_token_for(user)
    path = "/accounts/token/logout/"
    for _ in range(2):  # logging out twice is harmless
        body = {"refresh": token}
        answer = client.post(path, body, content_type="application/json")
        assert answer.status_code == 204
        assert "no-store" in answer["Cache-Control"]
    assert client.post(path, {"refresh": "x"}, content_type="application/json").status_code == 204
    assert client.post(path, {}, content_type="application/json").status_code == 400
    assert refreshed(client, token).status_code == 401
    assert refreshed(client, other).status_code == 200


def test_tokens_signed_with_a_former_key_are_accepted(client, user, settings):
    old = "the key of before, of thirty-two bytes or more"
    access = jwt.encode(AccessToken(access_token_for(user)).payload, old, "HS256")
    refresh = jwt.encode(RefreshToken(refresh_token_for(user)).payload, old, "HS256")
    with pytest.raises(TokenInvalid):
        verify(access)
    assert refreshed(client, refresh).status_code == 401
    keys = ["another key, of thirty-two bytes or more", old]
    settings.TRACKING = settings.TRACKING | {"FALLBACK_KEYS": keys}
    assert verify(access).user_id == user.pk
    assert refreshed(client, refresh).status_code == 200
    expired = RefreshToken(refresh_token_for(user))
    expired.set_exp(lifetime=-timedelta(seconds=1))
    assert refreshed(client, jwt.encode(expired.payload, old, "HS256")).status_code == 401


def test_a_new_secret_key_logs_no_phone_out_while_the_old_one_is_a_fallback(client, user, settings):
    token = refresh_token_for(user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret, of thirty-two bytes or more"
    answer = refreshed(client, token)
    assert answer.status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    # Without the old key, tokens signed with it are invalid, and newer ones are valid.
    assert refreshed(client, token).status_code == 401
    assert refreshed(client, answer.json()["refresh"]).status_code == 200


def test_a_new_password_ends_refresh_tokens_of_a_former_secret_key(client, user, settings):
    token = refresh_token_for(user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret, of thirty-two bytes or more"
    user.set_password("another long password")
    user.save()
    assert refreshed(client, token).status_code == 401
