"""The frames of docs/protocol.md, encoded before the clock starts.

A driver's fixes are numbered from 0, which is the one stored before the run. The latitude carries
the number and the longitude the driver, so every frame that comes back names the fix it belongs to.
Both end in a digit other than 0 and are short of 8 decimals, so their canonical form is unchanged.
"""

import hashlib
import time
from typing import Final

import jwt

MAX_FIXES: Final = 200_000
LATITUDES: Final = [b"10.%06d1" % sequence for sequence in range(MAX_FIXES)]
SEQUENCES: Final = {latitude: sequence for sequence, latitude in enumerate(LATITUDES)}


def longitude(driver_id: int) -> bytes:
    """Return the longitude of all fixes of this driver."""
    return b"20.%06d1" % driver_id


def location(driver_id: int, sequence: int) -> bytes:
    """Return the frame of this fix as a server sends it."""
    return b'{"location_lat": "%b", "location_lon": "%b"}' % (
        LATITUDES[sequence],
        longitude(driver_id),
    )


def read_location(payload: bytes) -> tuple[bytes, bytes]:
    """Return latitude and longitude of a server's frame, with or without spaces.

    Raises ValueError.
    """
    parts = payload.split(b'"')
    if len(parts) != 9 or parts[1] != b"location_lat" or parts[5] != b"location_lon":
        raise ValueError(f"not a location frame: {payload[:200]!r}")
    return parts[3], parts[7]


def access_token(user_id: int, key: str, lifetime: float = 3600) -> bytes:
    """Return a token as SimpleJWT issues it, with the claims that the log-in adds.

    The user has no password (stored as "!").
    """
    now = int(time.time())
    claims = {
        "token_type": "access",
        "jti": f"{user_id:032x}",
        "id": user_id,
        "email": f"user{user_id}@example.com",
        "name": f"User {user_id}",
        "hash_password": hashlib.md5(b"!", usedforsecurity=False).hexdigest().upper(),
        "iat": now,
        "exp": now + int(lifetime),
    }
    return jwt.encode(claims, key, algorithm="HS256").encode()


def start_frame(token: bytes) -> bytes:
    """Return the first message of a watcher."""
    return b'{"type": "authenticate", "payload": {"token": "%b", "command": "start"}}' % token


def send_frame_parts(driver_id: int, token: bytes) -> tuple[bytes, bytes]:
    """Return the text before and after the latitude in each of a driver's frames."""
    return (
        b'{"type": "authenticate", "payload": {"token": "%b", "command": "send", "lat": "' % token,
        b'", "lon": "%b"}}' % longitude(driver_id),
    )
