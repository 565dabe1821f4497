"""A host's own tokens (`TRACKING["AUTHENTICATION"]`) on sockets and over HTTP."""

import math
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured

from accounts.tokens import access_token_for
from tracking.access import tokens
from tracking.access.drf_tokens import DRFTokens
from tracking.access.identities import user_of
from tracking.access.tokens import AccessTokens, Claims, verify
from tracking.protocol import TokenExpired, TokenInvalid
from tracking.runtime import get_runtime

KEY = "0123456789abcdef0123456789abcdef01234567"
# The users' email addresses, by token.
emails = {}


class Keys(AccessTokens):
    """A host's authentication that looks opaque tokens up."""

    schemes = frozenset({"bearer", "key"})

    def verify(self, token):
        if token == "expired":
            return Claims(None, 0.0, owner=token)
        return Claims(None, math.inf, owner=token)

    def may_block(self):
        return True

    def load_owners(self, owners):
        wanted = {emails[owner]: owner for owner in owners if owner in emails}
        users = get_user_model().objects.filter(email__in=wanted)
        return {wanted[user.email]: user for user in users}


@pytest.fixture
def keys(settings):
    settings.TRACKING = settings.TRACKING | {"AUTHENTICATION": f"{__name__}.Keys"}
    emails.clear()
    return emails


@pytest.mark.django_db
def test_hosts_own_token_is_valid_as_long_as_the_host_accepts_it(keys):
    user = get_user_model().objects.create_user(email="driver@example.com")
    keys["a key"] = user.email
    claims = verify("a key")
    assert tokens.may_block()
    assert user_of(claims) == user
    del keys["a key"]
    with pytest.raises(TokenInvalid):
        user_of(claims)
    with pytest.raises(TokenExpired):
        verify("expired")


@pytest.mark.django_db
def test_rest_takes_a_hosts_own_tokens_and_schemes(keys, client):
    user = get_user_model().objects.create_superuser(email="staff@example.com")
    keys["a-key"] = user.email
    for authorization in ("Bearer a-key", "Key a-key"):
        response = client.get("/driver/locations/", headers={"Authorization": authorization})
        assert response.status_code == 200
    for authorization in ("Token a-key", "Key another", f"Bearer {access_token_for(user)}"):
        response = client.get("/driver/locations/", headers={"Authorization": authorization})
        assert response.status_code == 401


async def test_socket_with_a_token_that_does_not_expire_ends_with_it(keys, connect, driver):
    keys["a key"] = "driver@example.com"
    socket = await connect("set", driver)
    await socket.report("a key")
    assert "location_lat" in await socket.frame()
    del keys["a key"]
    await get_runtime().registry._recheck({"users": [driver]})
    assert (await socket.error(), await socket.close_code()) == ("token_invalid", 4401)


# DRF's tokens, without their table: `tests/e2e/test_host_log_ins.py` tests them with it.


@pytest.fixture
def drf():
    made = DRFTokens.__new__(DRFTokens)
    made._max_length = len(KEY)
    return made


def test_drf_token_does_not_expire_and_is_looked_up(drf):
    assert drf.verify(KEY) == Claims(None, math.inf, owner=f"authtoken:{KEY}")


def test_access_token_counts_beside_drf_tokens(drf):
    user = get_user_model()(pk=7, email="a@example.com")
    assert drf.verify(access_token_for(user)).user_id == 7


@pytest.mark.parametrize(
    "garbage", ["", " ", KEY + "0", f"{KEY[:-1]} ", "\0", "\ud800", "١٢", "a:b", "a.b.c", "a_b"]
)
def test_text_that_cannot_be_a_drf_token_is_refused_without_a_query(drf, garbage):
    with pytest.raises(TokenInvalid):
        drf.verify(garbage)


def test_token_equal_to_a_users_name_is_not_that_user(drf, monkeypatch):
    """With `USER_ID_FIELD`, a claim may hold a user's name that looks like a token."""
    asked = []
    monkeypatch.setattr(tokens, "_load_by_field", lambda names: asked.append(names) or {})

    class Rows:
        @staticmethod
        def filter(**lookup):
            asked.append(lookup)
            return Rows

        @staticmethod
        def select_related(name):
            return []

    class Model:
        _default_manager = Rows

    drf._model = Model
    assert drf.load_owners([drf.verify("dora").owner]) == {}
    assert asked == [{"key__in": ["dora"]}]


def test_drf_tokens_need_their_app():
    assert not apps.is_installed("rest_framework.authtoken")
    with pytest.raises(ImproperlyConfigured, match=r"rest_framework\.authtoken"):
        DRFTokens()


@pytest.mark.parametrize("banned", [True, False])
def test_the_rule_of_simplejwt_holds_for_drf_tokens_too(drf, settings, monkeypatch, banned):
    user = get_user_model()(pk=7, email="banned@example.com" if banned else "a@example.com")
    row = SimpleNamespace(key=KEY, user=user)
    rows = SimpleNamespace(select_related=lambda name: [row])
    manager = SimpleNamespace(filter=lambda **lookup: rows)
    drf._model = SimpleNamespace(_default_manager=manager)
    settings.SIMPLE_JWT = settings.SIMPLE_JWT | {
        "USER_AUTHENTICATION_RULE": f"{__name__}.not_banned"
    }
    assert drf.load_owners([f"authtoken:{KEY}"]) == ({} if banned else {f"authtoken:{KEY}": user})


def not_banned(user):
    return user.email != "banned@example.com"
