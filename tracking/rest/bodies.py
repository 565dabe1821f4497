"""Bodies of HTTP requests: bounded, and decoded as strictly as the socket's messages."""

from typing import Final, TypeVar

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

from tracking.conf import conf
from tracking.protocol import InvalidLocation, InvalidMessage
from tracking.rest.problems import TooLarge

Body = TypeVar("Body")

# Keys of a location in the REST API's bodies and in those of the phone apps.
_LOCATION_KEYS: Final = ("lat", "lon", "latitude", "longitude")


def read_body(request: HttpRequest, limit: int | None = None) -> bytes:
    """Return the request's body; raise `TooLarge` if it has more than `limit` bytes.

    The default limit is `TRACKING["MAX_MESSAGE_SIZE"]`, as for messages on the sockets.
    """
    limit = conf.MAX_MESSAGE_SIZE if limit is None else limit
    # Check the length first, so that nothing is read of a body that claims to be too large.
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or len(length) > 9 or int(length) > limit:
        raise TooLarge
    try:
        body = request.body
    except RequestDataTooBig as error:  # the host project's own limit
        raise TooLarge from error
    # With Transfer-Encoding: chunked, there is no Content-Length.
    if len(body) > limit:
        raise TooLarge
    return body


def decode_body(decoder: msgspec.json.Decoder[Body], body: bytes) -> Body:
    """Return the decoded body; raise `InvalidLocation` for a wrong location, else `InvalidMessage`.

    The error message names the key and the expected value, and never quotes the body.
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
