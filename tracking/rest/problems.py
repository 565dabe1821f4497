"""Errors over HTTP: RFC 9457 problem details, with the codes of the socket's error frames.

`{"type": "about:blank", "title": "Forbidden", "status": 403, "detail": …, "code": "forbidden"}`

Errors of validated fields have another member, `errors`, as in the RFC's example:
`[{"detail": "A grant must end in the future.", "pointer": "#/ends_at"}]`.
"""

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from django.db import DatabaseError, InterfaceError
from msgspec import UNSET, Meta, UnsetType
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    MethodNotAllowed,
    ParseError,
    PermissionDenied,
    UnsupportedMediaType,
    ValidationError,
)
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler

from tracking.engine.database import drop_read_only_connections, is_unavailable
from tracking.protocol import (
    Forbidden,
    InvalidMessage,
    NotYet,
    OffDuty,
    StateConflict,
    TokenExpired,
    TokenInvalid,
    TrackingError,
)
from tracking.runtime.reports import NotStored
from tracking.throttled_log import Throttle, reason

logger = logging.getLogger(__name__)
logger.addFilter(Throttle())

MEDIA_TYPE: Final = "application/problem+json"


class Problem(msgspec.Struct):
    """RFC 9457 problem details."""

    type: Annotated[str, Meta(description="Always `about:blank`.")]
    title: Annotated[str, Meta(description="The meaning of the status.")]
    status: Annotated[int, Meta(description="The status of the response.")]
    detail: Annotated[str, Meta(description="The fault, and how to correct it.")]
    code: Annotated[str, Meta(description="The error code, as in the error frames of the sockets.")]


class FieldError(msgspec.Struct, omit_defaults=True):
    """One message about invalid input, as in RFC 9457's example."""

    detail: Annotated[str, Meta(description="The fault.")]
    pointer: Annotated[
        str | UnsetType,
        Meta(description="The invalid member of the body as a JSON pointer: `#/ends_at`, or `#`."),
    ] = UNSET
    parameter: Annotated[
        str | UnsetType, Meta(description="The name of the invalid query parameter.")
    ] = UNSET


class InvalidParameters(ValidationError):
    """400: parameters in the query are invalid, whatever the method; its keys are their names."""


class NotStoredInTime(APIException):
    """503: it is unknown whether the location was stored. Sending it again is safe."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "not_stored"
    default_detail = "the location could not be stored in time: send it again later"
    # Seconds, which DRF sends as Retry-After.
    wait = 5


class Unavailable(APIException):
    """503: the database is unavailable."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = "the database is unavailable: try again later"
    wait = 5


class Conflict(APIException):
    """409: the present state of a driver or a trip does not allow this.

    `members` are further members of the problem details.
    """

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"
    default_detail = "the present state does not allow this"

    def __init__(
        self, detail: str | None = None, code: str | None = None, **members: object
    ) -> None:
        super().__init__(detail, code)
        if members:
            # Set afterwards, as DRF would turn numbers into texts.
            self.detail: Any = {"detail": self.detail, **members}


class TooLarge(APIException):
    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"
    default_detail = "the body is too large: send fewer fixes at a time"


_HTTP: Final[dict[type[TrackingError], type[APIException]]] = {
    InvalidMessage: ParseError,
    TokenInvalid: AuthenticationFailed,
    TokenExpired: AuthenticationFailed,
    Forbidden: PermissionDenied,
    NotYet: PermissionDenied,
    OffDuty: Conflict,
    StateConflict: Conflict,
}


def as_http(error: Exception) -> Exception:
    """Convert tracking's errors and database errors to APIException; return others unchanged."""
    if isinstance(error, DatabaseError | InterfaceError):
        drop_read_only_connections(error)
        # The response does not contain the reason, so log it, with a traceback if it may be a bug.
        trace = None if is_unavailable(error) else error
        logger.error(
            "Responded with 503 because the database is unavailable: %s",
            reason(error),
            exc_info=trace,
        )
        return Unavailable()
    if isinstance(error, NotStored):
        why = "a location was not committed in time" if error.__cause__ else "the queue is full"
        logger.error("Responded with 503 because %s", why)
        return NotStoredInTime()
    for kind, http in _HTTP.items():
        if isinstance(error, kind):
            return http(str(error), error.code)
    return error


def problem(status: int, detail: str, code: str) -> dict[str, Any]:
    """Return the members that every problem has."""
    members: dict[str, Any] = msgspec.to_builtins(
        Problem("about:blank", HTTPStatus(status).phrase, int(status), detail, code)
    )
    return members


def problem_response(error: Exception, context: Any) -> Response | None:
    """Return an error's problem details, as DRF's `EXCEPTION_HANDLER`; None for unexpected errors.

    The response is JSON, whatever the client accepts and the view renders.
    """
    response = exception_handler(error, context)
    if response is None:
        return None
    status, request = response.status_code, context["request"]
    if isinstance(error, ValidationError):
        text = " ".join(f"{name}: {message}" for name, message in _by_field(response.data))
        is_query = isinstance(error, InvalidParameters) or request.method in ("GET", "HEAD")
        place = "parameter" if is_query else "pointer"
        errors = [_field_error(place, *found) for found in _messages(response.data)]
        response.data = problem(status, text, error.default_code) | {"errors": errors}
    else:
        detail = response.data["detail"]
        # Some exceptions add their own members, including the code.
        code = response.data.get("code") or detail.code
        members = problem(status, _text(error, detail), str(code))
        response.data = members | {
            name: value for name, value in response.data.items() if name not in members
        }
    request.accepted_renderer = JSONRenderer()
    request.accepted_media_type = JSONRenderer.media_type
    response.content_type = MEDIA_TYPE
    return response


def _text(error: Exception, detail: object) -> str:
    # DRF's messages quote the method and the media type, which are input.
    if isinstance(error, MethodNotAllowed):
        return "there is no such method here"
    if isinstance(error, UnsupportedMediaType):
        return "Send JSON, with Content-Type: application/json."
    return str(detail)


def _by_field(data: Any) -> Iterator[tuple[str, str]]:
    """Yield each field's name and its messages, joined to one text."""
    fields: dict[str, list[str]] = {}
    for path, message in _messages(data):
        fields.setdefault(".".join(path) or api_settings.NON_FIELD_ERRORS_KEY, []).append(message)
    for name, messages in fields.items():
        yield name, " ".join(messages)


def _messages(data: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the text of each message of a `ValidationError`."""
    if isinstance(data, Mapping):
        for name, found in data.items():
            of_all = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _messages(found, path if of_all else (*path, str(name)))
    elif isinstance(data, list | tuple):
        for index, found in enumerate(data):
            nested = isinstance(found, Mapping | list | tuple)
            yield from _messages(found, (*path, str(index)) if nested else path)
    else:
        yield path, str(data)


def _field_error(place: str, path: tuple[str, ...], message: str) -> dict[str, str]:
    if place == "parameter":
        found = FieldError(message, parameter=".".join(path) or UNSET)
    else:
        # A JSON pointer as a URL fragment, as in RFC 9457; "#" is the whole body.
        found = FieldError(message, pointer="/".join(("#", *path)))
    members: dict[str, str] = msgspec.to_builtins(found)
    return members
