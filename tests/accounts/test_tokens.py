import time
from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import User
from accounts.tokens import access_token_for, refresh_token_for, refresh_token_user

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


def test_refresh_token_tells_nothing_but_the_id(user):
    payload = claims(refresh_token_for(user))
    assert payload["id"] == user.pk
    assert not {"email", "name"} & payload.keys()
    assert user.password not in payload.values()


def test_refresh_token_leads_back_to_its_user(user):
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
