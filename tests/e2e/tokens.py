"""Tokens signed with the server's key, with valid or invalid claims."""

import time
from typing import Any

import jwt

from tests.services import JWT_SIGNING_KEY


def sign(key: str = JWT_SIGNING_KEY, algorithm: str = "HS256", **claims: Any) -> str:
    """Return a token with these claims and no others."""
    return jwt.encode(claims, key, algorithm)


def login_token(user_id: Any, *, expires_at: Any = None, **others: Any) -> str:
    """Return a token like the existing log-in's: no `token_type`, no `jti`.

    `others` are further claims, or the key and the algorithm of `sign`.
    """
    now = int(time.time())
    return sign(
        **{
            "id": user_id,
            "email": "jonh@gmail.com",
            "name": "Jonh",
            "iat": now,
            "exp": now + 3600 if expires_at is None else expires_at,
            **others,
        }
    )
