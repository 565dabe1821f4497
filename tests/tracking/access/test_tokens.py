import base64
import json
import time

import jwt
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from accounts.tokens import access_token_for
from tracking.access import tokens
from tracking.access.tokens import Claims, load_users, verify
from tracking.conf import DEFAULTS
from tracking.protocol import TokenExpired, TokenInvalid, TrackingError

KEY = settings.JWT_SIGNING_KEY


def claims(**changes):
    """Return the claims of the existing log-in. An ellipsis removes a claim."""
    now = int(time.time())
    every = {
        "id": 22,
        "email": "jonh@gmail.com",
        "name": "Jonh",
        "iat": now,
        "exp": now + 3600,
    } | changes
    return {key: value for key, value in every.items() if value is not ...}


def token(key=KEY, algorithm="HS256", headers=None, **changes):
    return jwt.encode(claims(**changes), key, algorithm, headers)


def raw_token(header, payload, signature=b""):
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def signed(payload):
    """Return a signed token whose payload may be any bytes."""
    return jwt.PyJWS().encode(payload, KEY, "HS256")


@pytest.fixture(autouse=True)
def _no_token_seen_before():
    tokens._verify_signature.cache_clear()


# Good tokens


def test_the_existing_log_ins_claims_are_enough():
    expires_at = int(time.time()) + 60
    assert verify(token(exp=expires_at)) == Claims(22, expires_at)


def test_simplejwts_access_token_is_accepted():
    access = AccessToken()
    access["id"] = 19
    access["hash_password"] = "5f4dcc3b5aa765d61d8327deb882cf99"
    expected = Claims(19, access["exp"], "5f4dcc3b5aa765d61d8327deb882cf99")
    assert verify(str(access)) == expected


def test_the_token_that_accounts_issues_is_accepted():
    assert verify(access_token_for(get_user_model()(pk=7, email="a@example.com"))).user_id == 7


@pytest.mark.parametrize(("claim", "user_id"), [("22", 22), (1, 1), (2**63 - 1, 2**63 - 1)])
def test_the_id_is_a_positive_integer_or_its_digits(claim, user_id):
    assert verify(token(id=claim)).user_id == user_id


def test_an_expiry_may_have_a_fraction():
    assert verify(token(exp=time.time() + 60.5)).user_id == 22


@pytest.mark.parametrize("ahead", [1, 9])
def test_the_clock_of_the_issuer_may_be_a_little_ahead(ahead):
    now = int(time.time())
    assert verify(token(iat=now + ahead, exp=now + 60)).user_id == 22


# Bad tokens


@pytest.mark.parametrize(
    "payload",
    [
        # Tokens that a host may sign with the same key for another purpose.
        {"user_id": 22, "exp": 4_000_000_000},
        {"id": 22, "exp": 4_000_000_000},
        {"id": 22, "exp": 4_000_000_000, "email": "a@example.com", "purpose": "confirm"},
        {**claims(), "purpose": "confirm"},
        {key: value for key, value in claims().items() if key != "name"},
        {**claims(), "jti": "1"},
    ],
)
def test_a_token_for_another_purpose_is_refused(payload):
    with pytest.raises(TokenInvalid):
        verify(jwt.encode(payload, KEY, "HS256"))


def test_the_existing_log_ins_tokens_count_only_where_the_settings_say_so(settings):
    settings.TRACKING = settings.TRACKING | {"ACCEPT_LOGIN_TOKENS": False}
    with pytest.raises(TokenInvalid):
        verify(token())


def test_an_existing_log_ins_tokens_are_refused_by_default():
    assert DEFAULTS["ACCEPT_LOGIN_TOKENS"] is False


def test_a_refresh_token_is_refused():
    refresh = RefreshToken()
    refresh["id"] = 22
    with pytest.raises(TokenInvalid, match="access"):
        verify(str(refresh))


@pytest.mark.parametrize("token_type", ["refresh", "sliding", "", None, 1, True, ["access"]])
def test_a_token_type_that_is_present_and_not_access_is_refused(token_type):
    with pytest.raises(TokenInvalid):
        verify(token(token_type=token_type))


def test_a_token_of_another_key_is_refused():
    with pytest.raises(TokenInvalid):
        verify(token(key="another-key-that-is-long-enough-for-HS256"))


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_of_another_algorithm_is_refused(algorithm):
    long_key = (KEY * 4)[:128]
    with pytest.raises(TokenInvalid):
        verify(token(key=long_key, algorithm=algorithm))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "RS256", "ES256", "", None, 5])
@pytest.mark.parametrize("signature", [b"", b"signature"])
def test_a_token_that_names_an_algorithm_to_get_out_of_its_signature_is_refused(alg, signature):
    with pytest.raises(TokenInvalid):
        verify(raw_token({"alg": alg, "typ": "JWT"}, claims(), signature))


def test_a_token_whose_payload_was_changed_is_refused():
    header, _, signature = token().split(".")
    _, payload, _ = token(id=1).split(".")
    with pytest.raises(TokenInvalid):
        verify(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("exp", [-1, -3600])
def test_an_expired_token_is_expired(exp):
    with pytest.raises(TokenExpired):
        verify(token(exp=int(time.time()) + exp))


def test_an_expired_token_of_another_key_is_invalid():
    with pytest.raises(TokenInvalid):
        verify(token(key="another-key-that-is-long-enough-for-HS256", exp=1))


@pytest.mark.parametrize("exp", [..., None, "soon", "9999999999", [], {}, "1e99"])
def test_an_expiry_that_is_missing_or_no_number_is_refused(exp):
    with pytest.raises(TokenInvalid):
        verify(token(exp=exp))


HUGE = ["Infinity", "-Infinity", "NaN", "1e999", "1e308", "-1e308", "1" + 400 * "0", "253402300800"]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("claim", ["exp", "iat"])
def test_a_time_out_of_range_is_refused(claim, number):
    text = json.dumps(claims(**{claim: "…"})).replace('"\\u2026"', number)
    if claim == "iat" and number in ("-1e308", "-Infinity"):
        return  # A token that was issued long ago may still be valid.
    with pytest.raises(TrackingError):
        verify(signed(text.encode()))


@pytest.mark.parametrize("claim", ["iat", "nbf"])
@pytest.mark.parametrize("value", ["soon", [], {}, 2**40])
def test_a_token_that_is_not_yet_valid_or_unreadably_so_is_refused(claim, value):
    with pytest.raises(TokenInvalid):
        verify(token(**{claim: value}))


@pytest.mark.parametrize(
    "user_id",
    [
        ...,
        None,
        True,
        False,
        0,
        -22,
        22.0,
        22.5,
        2**63,
        10**400,
        "",
        "-22",
        "+22",
        " 22",
        "22 ",
        "2_2",
        "22.0",
        "twenty-two",
        "٢٢",
        "0",
        "9" * 19,
        "9" * 5_000,
        [22],
        {"id": 22},
    ],
)
def test_an_id_that_is_no_positive_integer_is_refused(user_id):
    with pytest.raises(TokenInvalid):
        verify(token(id=user_id))


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b'"text"', b"17", b"\xff", b"{"])
def test_a_signed_token_without_claims_is_refused(payload):
    with pytest.raises(TokenInvalid):
        verify(signed(payload))


@pytest.mark.parametrize(
    "garbage",
    ["", " ", ".", "..", "...", "a.b.c", "<JWT>", "null", "\0", "ü.ü.ü", "\ud800", "A" * 16_000],
)
def test_garbage_is_refused(garbage):
    with pytest.raises(TokenInvalid):
        verify(garbage)


def test_an_unsigned_wrapper_around_a_valid_token_is_refused():
    with pytest.raises(TokenInvalid):
        verify(f"Bearer {token()}")


@given(st.text(st.characters(exclude_categories=())) | st.text("abc.=-_AZ09"))
def test_no_text_makes_it_raise_anything_but_an_invalid_token(text):
    with pytest.raises(TokenInvalid):
        verify(text)


# The cache of verified tokens


def test_a_cached_token_still_expires(monkeypatch):
    good = token(exp=int(time.time()) + 60)
    verify(good)
    now = time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 61)
    with pytest.raises(TokenExpired):
        verify(good)


def test_a_token_counts_as_expired_from_the_very_second_on(monkeypatch):
    expires_at = int(time.time()) + 60
    good = token(exp=expires_at)
    verify(good)
    monkeypatch.setattr(tokens.time, "time", lambda: expires_at - 0.001)
    verify(good)
    monkeypatch.setattr(tokens.time, "time", lambda: float(expires_at))
    with pytest.raises(TokenExpired):
        verify(good)


def test_a_bad_token_is_not_cached():
    for number in range(20):
        with pytest.raises(TokenInvalid):
            verify(f"garbage {number}")
    assert tokens._verify_signature.cache_info().currsize == 0


def test_a_good_token_is_checked_once():
    good = token()
    verify(good)
    verify(good)
    assert tokens._verify_signature.cache_info().hits == 1


# Users


@pytest.fixture
def user(db):
    return get_user_model().objects.create_user(email="rider@example.com", name="Rider")


def test_users_are_loaded_in_one_query(user, django_assert_num_queries):
    other = get_user_model().objects.create_user(email="other@example.com")
    with django_assert_num_queries(1):
        users = load_users([user.pk, other.pk])
    assert users == {user.pk: user, other.pk: other}


def test_an_inactive_user_may_not_log_in(user):
    user.is_active = False
    user.save()
    assert load_users([user.pk]) == {}


def test_a_user_who_does_not_exist_is_left_out(user):
    assert load_users([user.pk, user.pk + 1, 2**63 - 1]) == {user.pk: user}


def test_more_users_than_a_statement_takes_parameters_are_loaded(user):
    with CaptureQueriesContext(connection) as queries:
        assert load_users(list(range(1, 100_000))) == {user.pk: user}
    assert len(queries) < 200
