"""Errors of clients, and the close codes that end a connection.

TrackingError
├── InvalidMessage          not a message of this route
│   └── InvalidLocation     lat or lon missing, not a number, out of range
├── InvalidUserId           userId missing, repeated, not a positive integer or UUID
├── InvalidTripId           tripId missing, repeated, not a positive integer
├── TokenInvalid            bad signature, wrong type, user deleted or inactive
├── TokenExpired
├── Forbidden               may not publish for, or watch, this driver
│   └── TripEnded           the trip is complete or canceled
├── NotYet                  may watch this driver soon
├── OffDuty                 the driver is off duty, so its locations are refused
├── StateConflict           the driver's state does not allow this change
├── AuthenticationTimeout   no valid message in time
├── RateLimited             messages come faster than allowed
└── OverCapacity            too many connections
"""

from enum import IntEnum
from typing import ClassVar, Final


class CloseCode(IntEnum):
    """WebSocket close codes, RFC 6455 section 7.4 and our own from 4400, named after HTTP's."""

    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_REQUEST = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    TIMEOUT = 4408
    TOO_MANY_REQUESTS = 4429


class TrackingError(Exception):
    """An error of the client: `code` and the message are sent in an error frame.

    The connection is closed with `close_code`; with None it stays open. Messages say what is wrong
    and what is expected, and never quote the input or the token.
    """

    code: ClassVar[str]
    message: ClassVar[str]
    close_code: CloseCode | None = None

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
    message = "connect with ?userId=<the driver's id>, one positive integer or UUID"
    close_code = CloseCode.BAD_REQUEST


class InvalidTripId(TrackingError):
    code = "invalid_trip_id"
    message = "connect with ?tripId=<the trip's id>, one positive integer"
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


class TripEnded(Forbidden):
    code = "trip_ended"
    message = "the trip is complete"


class NotYet(TrackingError):
    code = "not_yet"
    message = "this driver may be watched soon, and not yet: come back later"
    close_code = CloseCode.TRY_AGAIN_LATER


class OffDuty(TrackingError):
    code = "off_duty"
    message = "the driver is off duty: set the state to available first"


class StateConflict(TrackingError):
    code = "state_conflict"
    message = "the driver's state does not allow this change"


class AuthenticationTimeout(TrackingError):
    code = "authentication_timeout"
    message = "no valid message arrived in time: authenticate right after connecting"
    close_code = CloseCode.TIMEOUT


class RateLimited(TrackingError):
    code = "rate_limited"
    message = "messages come faster than allowed, this one was dropped: send fewer"


class OverCapacity(TrackingError):
    code = "over_capacity"
    message = "too many connections: close some, or come back later"
    close_code = CloseCode.TRY_AGAIN_LATER


# All errors, in the order of their definition.
ERRORS: Final = [
    kind
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, TrackingError) and kind is not TrackingError
]
