"""Every SIMPLE_JWT setting gives the same decision about a token here as in SimpleJWT."""

import time
import uuid
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.contrib.auth import get_user_model
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt import state
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import AuthenticationFailed, InvalidToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken
from rest_framework_simplejwt.utils import get_md5_hash_password

from tracking.access import tokens
from tracking.access.identities import user_of
from tracking.access.tokens import verify
from tracking.protocol import TokenExpired, TokenInvalid

pytestmark = pytest.mark.django_db

KEY = "a signing key of thirty-two bytes or more"


@pytest.fixture(scope="module")
def pair():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {"SIGNING_KEY": private.decode(), "VERIFYING_KEY": public.decode()}


SETTINGS = {
    "default": {},
    "HS512": {"ALGORITHM": "HS512", "SIGNING_KEY": KEY * 2},
    "RS256": {"ALGORITHM": "RS256"},
    "audience": {"AUDIENCE": "riders"},
    "issuer": {"ISSUER": "https://ride.example.com"},
    "leeway": {"LEEWAY": 30},
    "leeway as a time": {"LEEWAY": timedelta(seconds=30)},
    "user claim": {"USER_ID_CLAIM": "sub"},
    "user field": {"USER_ID_FIELD": "email", "USER_ID_CLAIM": "email"},
    "user field that looks like an id": {"USER_ID_FIELD": "name", "USER_ID_CLAIM": "name"},
    "pk": {"USER_ID_FIELD": "pk"},
    "type claim": {"TOKEN_TYPE_CLAIM": "typ"},
    "no type claim": {"TOKEN_TYPE_CLAIM": None},
    "jti claim": {"JTI_CLAIM": "token_id"},
    "no jti claim": {"JTI_CLAIM": None},
    "sliding": {
        "AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.SlidingToken",),
    },
    "revoke": {"CHECK_REVOKE_TOKEN": True},
    "revoke claim": {"CHECK_REVOKE_TOKEN": True, "REVOKE_TOKEN_CLAIM": "pw"},
    "inactive users": {"CHECK_USER_IS_ACTIVE": False},
}


def payloads(user):
    """Yield a name and a payload: a valid token of each kind, and variations of it."""
    now = int(time.time())
    options = simplejwt.api_settings
    good = {
        "token_type": "access",
        "typ": "access",
        "jti": uuid.uuid4().hex,
        "token_id": uuid.uuid4().hex,
        "iat": now - 5,
        "exp": now + 60,
        "user_id": str(user.pk),
        "sub": user.pk,
        "email": user.email,
        "name": user.name,
        "aud": options.AUDIENCE,
        "iss": options.ISSUER,
        "hash_password": get_md5_hash_password(user.password),
        "pw": get_md5_hash_password(user.password),
    }
    good = {key: value for key, value in good.items() if value is not None}
    yield "good", good
    for key in good:
        yield f"without {key}", {name: value for name, value in good.items() if name != key}
    for key, values in {
        "token_type": ["refresh", "sliding", "", None, 1],
        "typ": ["refresh", None],
        "exp": [now - 10, now - 40, "soon", now + 1.5],
        "nbf": [now - 5, now + 600],
        "aud": ["drivers", ["riders", "drivers"]],
        "iss": ["https://elsewhere.example.com"],
        "user_id": [user.pk, user.pk + 1, "3"],
        "sub": [str(user.pk), 0, "nobody"],
        "email": ["nobody@example.com", user.email.upper()],
        "name": ["Somebody else", 3],
        "hash_password": ["another"],
        "pw": ["another", None],
    }.items():
        for value in values:
            yield f"{key}={value!r}", good | {key: value}
    for token_class in (AccessToken, RefreshToken, SlidingToken):
        yield token_class.__name__, dict(token_class.for_user(user).payload)


def theirs(token):
    judge = JWTAuthentication()
    try:
        return judge.get_user(judge.get_validated_token(token)).pk
    except (InvalidToken, AuthenticationFailed, ValueError):
        return None


def ours(token):
    tokens._verify_signature.cache_clear()
    try:
        return user_of(verify(token)).pk
    except (TokenInvalid, TokenExpired):
        return None


@pytest.fixture
def configure(settings, monkeypatch, pair):
    def configure(options):
        base = {"SIGNING_KEY": KEY}
        if options.get("ALGORITHM") == "RS256":
            base = pair
        settings.SIMPLE_JWT = base | options
        used = simplejwt.api_settings
        # SimpleJWT makes its backend once, from the settings at import.
        backend = TokenBackend(
            used.ALGORITHM,
            used.SIGNING_KEY,
            used.VERIFYING_KEY,
            used.AUDIENCE,
            used.ISSUER,
            used.JWK_URL,
            used.LEEWAY,
            used.JSON_ENCODER,
        )
        monkeypatch.setattr(state, "token_backend", backend)
        for module in ("authentication", "tokens", "utils"):
            path = f"rest_framework_simplejwt.{module}.api_settings"
            monkeypatch.setattr(path, used, raising=False)
        settings.TRACKING = settings.TRACKING | {"ACCEPT_LOGIN_TOKENS": False}

    return configure


@pytest.mark.parametrize("is_active", [True, False])
@pytest.mark.parametrize("name", SETTINGS)
def test_our_decision_is_simplejwts(configure, name, is_active):
    options = SETTINGS[name]
    configure(options)
    user = get_user_model().objects.create_user(
        email="3@example.com", name="3", role="driver", password="a password", is_active=is_active
    )
    key = simplejwt.api_settings.SIGNING_KEY
    accepted = 0
    for what, payload in payloads(user):
        token = jwt.encode(payload, key, simplejwt.api_settings.ALGORITHM)
        assert ours(token) == theirs(token), what
        accepted += ours(token) is not None
    # Without this, the test would pass if both refused everything.
    assert bool(accepted) is (is_active or "CHECK_USER_IS_ACTIVE" in options)


def test_a_number_in_the_name_field_is_not_a_users_id(configure):
    """The user whose name is 3 is not the user whose id is 3."""
    configure({"USER_ID_FIELD": "name", "USER_ID_CLAIM": "user_id"})
    users = get_user_model().objects
    victim = users.create_user(email="victim@example.com", name="Somebody", pk=3)
    owner = users.create_user(email="owner@example.com", name="3", pk=4)
    token = str(AccessToken.for_user(owner))
    assert ours(token) == theirs(token) == owner.pk != victim.pk


def test_a_value_that_the_field_cannot_hold_belongs_to_no_user(configure):
    configure({"USER_ID_FIELD": "date_joined"})
    now = int(time.time())
    payload = {"token_type": "access", "jti": "1", "exp": now + 60, "user_id": "no date"}
    assert ours(jwt.encode(payload, KEY, "HS256")) is None
