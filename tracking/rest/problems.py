"""Errors over HTTP: RFC 9457 problem details, with the codes of the socket's error frames.

`{"type": "about:blank", "title": "Forbidden", "status": 403, "detail": …, "code": "forbidden"}`
"""

import logging
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from django.db import DatabaseError, InterfaceError
from msgspec import Meta
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    MethodNotAllowed,
    ParseError,
    PermissionDenied,
)
from rest_framework.response import Response
from rest_framework.views import exception_handler

from tracking.engine.database import drop_read_only_connections, is_unavailable
from tracking.protocol import (
    Forbidden,
    InvalidMessage,
    NotYet,
    TokenExpired,
    TokenInvalid,
    TrackingError,
)
from tracking.runtime.reports import NotStored
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

MEDIA_TYPE: Final = "application/problem+json"

_HTTP: Final[dict[type[TrackingError], type[APIException]]] = {
    InvalidMessage: ParseError,
    TokenInvalid: AuthenticationFailed,
    TokenExpired: AuthenticationFailed,
    Forbidden: PermissionDenied,
    NotYet: PermissionDenied,
}


class Problem(msgspec.Struct):
    """RFC 9457 problem details."""

    type: Annotated[str, Meta(description="Always `about:blank`.")]
    title: Annotated[str, Meta(description="The meaning of the status.")]
    status: Annotated[int, Meta(description="The status of the response.")]
    detail: Annotated[str, Meta(description="What is wrong, and what would be right.")]
    code: Annotated[str, Meta(description="As in the socket's error frames.")]


class NotStoredInTime(APIException):
    """503: nothing can be said of the location, and to send it again is right and harmless."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "not_stored"
    default_detail = "the location could not be stored in time: send it again later"
    # Seconds, what DRF makes Retry-After from.
    wait = 5


class Unavailable(APIException):
    """503: the database is unavailable."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "the database is unavailable: try again later"
    wait = 5


class TooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "the body is too large: send fewer fixes at a time"


def as_http(error: Exception) -> Exception:
    """Return what DRF makes a response of: tracking's own errors, and an unavailable database."""
    if isinstance(error, DatabaseError | InterfaceError):
        drop_read_only_connections(error)
        # The client learns no more than that, so the log has the reason; and the place, where it
        # may well be a bug.
        trace = None if is_unavailable(error) else error
        logger.error(
            "A request was answered with 503, the database is unavailable: %s",
            reason(error),
            exc_info=trace,
        )
        return Unavailable()
    if isinstance(error, NotStored):
        what = "was not committed in time" if error.__cause__ else "came while too many waited"
        logger.error("A request was answered with 503, its location %s", what)
        return NotStoredInTime()
    for kind, http in _HTTP.items():
        if isinstance(error, kind):
            return http(str(error), error.code)
    return error


def problem_response(error: Exception, context: Any) -> Response | None:
    """Return the problem details of an error, DRF's `EXCEPTION_HANDLER`; None for a bug."""
    response = exception_handler(error, context)
    if response is None:
        return None
    detail = response.data["detail"]
    # DRF's own message quotes the method, which is input.
    text = "there is no such method here" if isinstance(error, MethodNotAllowed) else str(detail)
    problem = Problem(
        "about:blank",
        HTTPStatus(response.status_code).phrase,
        response.status_code,
        text,
        detail.code,
    )
    response.data = msgspec.to_builtins(problem)
    response.content_type = MEDIA_TYPE
    return response
