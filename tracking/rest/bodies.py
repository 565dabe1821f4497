"""Bodies of HTTP requests: bounded, and decoded as strictly as the socket's messages."""

from typing import Final, TypeVar

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from tracking.conf import conf
from tracking.protocol import InvalidLocation, InvalidMessage
from tracking.rest.problems import TooLarge

Body = TypeVar("Body")

# Ours, and those of the phone apps.
_LOCATION_KEYS: Final = ("lat", "lon", "latitude", "longitude")


def read_body(request: HttpRequest, limit: int | None = None) -> bytes:
    """Return the request's body; raise `TooLarge` beyond the size of the socket's messages, or
    beyond another `limit`.
    """
    limit = conf.MAX_MESSAGE_SIZE if limit is None else limit
    # The length first: of a body that claims to be too large, nothing is read.
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or len(length) > 9 or int(length) > limit:
        raise TooLarge
    try:
        body = request.body
    except RequestDataTooBig as error:  # the host project's own limit
        raise TooLarge from error
    # It may not claim anything: Transfer-Encoding: chunked.
    if len(body) > limit:
        raise TooLarge
    return body


def decode_body(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """Return what a body says; raise `InvalidMessage`, or `InvalidLocation` where only the
    location is wrong. Messages name the key and what it must be, never what it was.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # "Expected `float` >= 0.0 - at `$.fixes[...].speed`"
        expected, _, path = str(error).partition(" - at ")
        where = path.strip("`").removeprefix("$").lstrip(".")
        kind = InvalidLocation if where.endswith(_LOCATION_KEYS) else InvalidMessage
        raise kind(f"{where}: {expected}" if where else expected) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidMessage("send one JSON object as the body, in UTF-8") from error
