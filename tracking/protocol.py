"""The wire: decoding what clients send, encoding what they get, errors and close codes.

Pure functions on text: no Django, no Channels, no asyncio. `docs/protocol.md` is the contract.

    TrackingError
    ├── InvalidMessage          not a message of this route
    │   └── InvalidLocation     lat or lon missing, not a number, out of range
    ├── InvalidUserId           userId missing, repeated, not a positive integer
    ├── TokenInvalid            bad signature, wrong type, user gone or inactive
    ├── TokenExpired
    ├── Forbidden               may not publish for, or watch, this driver
    └── AuthenticationTimeout   no valid message in time
"""

import json
import re
from enum import IntEnum
from typing import Any, ClassVar, Final, Literal, TypeVar
from urllib.parse import parse_qs

import msgspec

# A PostgreSQL bigint, which is what Django's keys are.
MAX_ID: Final = 2**63 - 1

# The largest message of the contract has under 2 KiB.
MAX_MESSAGE_SIZE: Final = 16 * 1024

# About 1 cm on the ground; more is noise, and costs bytes in every frame.
DECIMALS: Final = 7

_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER: Final = re.compile(r"[0-9]{1,19}")


class CloseCode(IntEnum):
    """WebSocket close codes, RFC 6455 section 7.4 and our own from 4400, named after HTTP's."""

    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    TIMEOUT = 4408


class TrackingError(Exception):
    """What a client did wrong: `code` and the message go into an error frame.

    `close_code` ends the connection; with None it stays open. Messages say what is wrong and
    what would be right, and never quote the input or the token.
    """

    code: ClassVar[str]
    message: ClassVar[str]
    close_code: ClassVar[CloseCode | None] = None

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.message)


class InvalidMessage(TrackingError):
    code = "invalid_message"
    message = "send one JSON object as a text frame"


class InvalidLocation(InvalidMessage):
    code = "invalid_location"
    message = "lat and lon must be decimal degrees"


class InvalidUserId(TrackingError):
    code = "invalid_user_id"
    message = "connect with ?userId=<the driver's id>, one positive integer"
    close_code = CloseCode.BAD_REQUEST


class TokenInvalid(TrackingError):
    code = "token_invalid"
    message = "the token is not a valid access token: log in again"
    close_code = CloseCode.UNAUTHORIZED


class TokenExpired(TrackingError):
    code = "token_expired"
    message = "the token has expired: get a new one"
    close_code = CloseCode.UNAUTHORIZED


class Forbidden(TrackingError):
    code = "forbidden"
    message = "this account may not do this for this driver"
    close_code = CloseCode.FORBIDDEN


class AuthenticationTimeout(TrackingError):
    code = "authentication_timeout"
    message = "no valid message arrived in time: authenticate right after connecting"
    close_code = CloseCode.TIMEOUT


class Start(msgspec.Struct):
    """The payload of a watcher's `start`."""

    token: str
    command: Literal["start"]


class Send(msgspec.Struct):
    """The payload of a driver's `send`; degrees as `degrees` returns them once decoded."""

    token: str
    command: Literal["send"]
    lat: float | str | None = None
    lon: float | str | None = None


class _StartMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: Start


class _SendMessage(msgspec.Struct):
    type: Literal["authenticate"]
    payload: Send


_Message = TypeVar("_Message", _StartMessage, _SendMessage)
_start_decoder: Final = msgspec.json.Decoder(_StartMessage)
_send_decoder: Final = msgspec.json.Decoder(_SendMessage)


def decode_start(text: str) -> str:
    """Return the token of a `start` message; raise `InvalidMessage`."""
    return _decode(_start_decoder, text).payload.token


def decode_send(text: str) -> tuple[str, float, float]:
    """Return token, latitude and longitude of a `send` message, degrees kept to 7 decimals.

    Raise `InvalidMessage`, or `InvalidLocation` where only the location is wrong.
    """
    payload = _decode(_send_decoder, text).payload
    return payload.token, degrees("lat", payload.lat, 90), degrees("lon", payload.lon, 180)


def _decode(decoder: msgspec.json.Decoder[_Message], text: str) -> _Message:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        # msgspec ends its message with where: "Expected `str`, got `null` - at `$.payload.lat`".
        where = str(error).rpartition("`$.payload.")[2].partition("`")[0]
        if where in ("lat", "lon"):
            raise InvalidLocation(f"{where} must be a decimal string or a number") from error
        raise InvalidMessage(_shape_hint(decoder)) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidMessage from error


def _shape_hint(decoder: msgspec.json.Decoder[Any]) -> str:
    payload = '"token": …, "command": "start"'
    if decoder is _send_decoder:
        payload = '"token": …, "command": "send", "lat": …, "lon": …'
    return f'expected {{"type": "authenticate", "payload": {{{payload}}}}}'


def degrees(name: str, value: float | str | None, limit: int) -> float:
    """Return WGS 84 degrees in -limit..limit rounded to 7 decimals; raise `InvalidLocation`."""
    if value is None:
        raise InvalidLocation(f"{name} is missing: send it as decimal degrees")
    if isinstance(value, str):
        if not _DECIMAL.fullmatch(value):
            raise InvalidLocation(f"{name} must be a decimal string or a number")
        value = float(value)
    if not -limit <= value <= limit:
        raise InvalidLocation(f"{name} must be between -{limit} and {limit}")
    # Adding zero turns -0.0, which a tiny negative number rounds to, into 0.0.
    return round(value, DECIMALS) + 0.0


def parse_driver_id(query_string: bytes) -> int:
    """Return the driver's id from the handshake's query string; raise `InvalidUserId`."""
    values = parse_qs(query_string.decode("latin-1"), keep_blank_values=True).get("userId", [])
    if len(values) == 1 and _INTEGER.fullmatch(values[0]) and 0 < int(values[0]) <= MAX_ID:
        return int(values[0])
    raise InvalidUserId


def format_degrees(value: float) -> str:
    """Return the canonical decimal of what `degrees` returned: no exponent, no trailing zeros."""
    return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")


def encode_location(latitude: float, longitude: float) -> str:
    """Return a location frame: the acknowledgement of a send and the update of a watcher."""
    return (
        f'{{"location_lat": "{format_degrees(latitude)}", '
        f'"location_lon": "{format_degrees(longitude)}"}}'
    )


def encode_error(error: TrackingError) -> str:
    """Return the error frame."""
    frame = {"error": {"code": error.code, "message": str(error)}}
    return json.dumps(frame, ensure_ascii=False)
