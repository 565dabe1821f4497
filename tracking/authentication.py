"""Token to user: the signature once per token, the expiry at every use, the user when asked."""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.state import token_backend
from rest_framework_simplejwt.utils import get_md5_hash_password

from tracking.pipeline.database import any_of
from tracking.protocol import MAX_ID, TokenExpired, TokenInvalid


class Claims(NamedTuple):
    """What a token says: whose it is, until when, in seconds since the epoch, and with SimpleJWT's
    CHECK_REVOKE_TOKEN, which password was the user's when it was issued.
    """

    user_id: int
    expires_at: float
    password: str | None = None

    def fit(self, user: AbstractBaseUser) -> bool:
        """Tell whether the password is still that one. The existing log-in's tokens do not say."""
        return self.password in (None, get_md5_hash_password(user.password))


def verify(token: str) -> Claims:
    """Return the claims of an access token; raise `TokenInvalid` or `TokenExpired`.

    Does not look at the user: `load_users` does.
    """
    claims = _verify_signature(token)
    if claims.expires_at <= time.time():
        raise TokenExpired
    return claims


# Checking HS256 costs 39 µs, this 0.1 µs. A session knows its own token, so this is for those who
# come back. Only what was found valid is kept: a flood of bad tokens pushes no good one out.
@lru_cache(maxsize=1_000)
def _verify_signature(token: str) -> Claims:
    # Not SimpleJWT's AccessToken: that takes an empty token for a wish to make a new one, and
    # refuses tokens without `token_type` and `jti`, which the existing log-in issues.
    if not token:
        raise TokenInvalid("the token is empty: log in and send the access token")
    try:
        claims = token_backend.decode(token)  # type: ignore[arg-type]
    except TokenBackendExpiredToken as error:
        raise TokenExpired from error
    except (TokenBackendError, ValueError) as error:
        raise TokenInvalid from error
    if claims.get(api_settings.TOKEN_TYPE_CLAIM, "access") != "access":
        raise TokenInvalid("this is not an access token: send the one named access")
    # The existing log-in says `id`, whatever SimpleJWT is configured to say.
    user_id = claims.get(api_settings.USER_ID_CLAIM, claims.get("id"))
    expires_at = claims.get("exp")
    if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
        raise TokenInvalid
    password = claims.get(api_settings.REVOKE_TOKEN_CLAIM)
    return Claims(_positive_integer(user_id), expires_at, password)


def _positive_integer(claim: object) -> int:
    if isinstance(claim, str) and claim.isascii() and claim.isdecimal() and len(claim) < 20:
        claim = int(claim)
    if type(claim) is int and 0 < claim <= MAX_ID:
        return claim
    raise TokenInvalid


def load_users(user_ids: list[int]) -> Mapping[int, AbstractBaseUser]:
    """Return those of the users who exist and may log in, in one query."""
    model = get_user_model()
    users = model._default_manager.filter(pk__in=any_of(user_ids, model))
    may_log_in = api_settings.USER_AUTHENTICATION_RULE
    return {user.pk: user for user in users if may_log_in(user)}
