"""The short-lived tokens of share links, which open the stream of one trip and nothing else.

They are signed with a key of their own, derived from SECRET_KEY. So whatever else verifies tokens
(the other sockets, the REST API, other services with SIMPLE_JWT's keys) finds a bad signature.
"""

import time
from typing import Any, Final

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac

from tracking.access.tokens import Claims
from tracking.protocol import TokenExpired, TokenInvalid

# Seconds. The page gets another token before that, and the link is asked again.
LIFETIME: Final = 300

_TYPE: Final = "trip-share+jwt"
_ALGORITHM: Final = "HS256"
_SALT: Final = "tracking.access.share_tokens"


def token_for(share_id: int) -> str:
    """Return a token for the link, which must be open."""
    now = int(time.time())
    claims = {"share": share_id, "iat": now, "exp": now + LIFETIME}
    return jwt.encode(claims, _key(settings.SECRET_KEY), _ALGORITHM, headers={"typ": _TYPE})


def is_share_token(token: str) -> bool:
    """Return True if the token says that it is one of these; `verify` checks it."""
    try:
        return bool(jwt.get_unverified_header(token).get("typ") == _TYPE)
    except (jwt.InvalidTokenError, ValueError):
        return False


def verify(token: str) -> Claims:
    """Return the claims of a token of a link; raise `TokenInvalid` or `TokenExpired`."""
    payload = _decode(token)
    share_id, expires_at = payload.get("share"), payload.get("exp")
    if type(share_id) is not int or type(expires_at) is not int:
        raise TokenInvalid
    if expires_at <= time.time():
        raise TokenExpired
    return Claims(None, expires_at, share=share_id)


def _decode(token: str) -> dict[str, Any]:
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            payload: dict[str, Any] = jwt.decode(
                token, _key(secret), [_ALGORITHM], options={"verify_exp": False}
            )
        except jwt.InvalidSignatureError:
            continue
        except (jwt.InvalidTokenError, ValueError, OverflowError, TypeError) as error:
            raise TokenInvalid from error
        return payload
    raise TokenInvalid


def _key(secret: str | bytes) -> bytes:
    # Django's functions take bytes as well.
    return salted_hmac(_SALT, "", secret, algorithm="sha256").digest()
