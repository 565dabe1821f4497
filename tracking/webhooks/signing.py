"""Signatures of webhooks, after Standard Webhooks 1.0.0.

The signature is over `<message id>.<timestamp>.<body>`, the bytes that are sent. Each valid secret
gives one: `v1,` and the HMAC-SHA256 in base64. They are separated by spaces, so that a receiver
that knows one of the secrets accepts the message while they are changed.
"""

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
# The standard permits 24 to 64.
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """Return a new random secret in the standard's form."""
    return PREFIX + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()


def sign(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`.

    `secrets` are those that are valid, the newest first; `timestamp` is the header
    `webhook-timestamp`, in Unix seconds.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_signature(secret, content)}" for secret in secrets)


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
