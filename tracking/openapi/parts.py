"""Parts of the OpenAPI document: bodies, parameters, responses and authentication schemes."""

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from msgspec import UNSET, Meta, UnsetType
from rest_framework.pagination import CursorPagination

from tracking.protocol import MAX_FIXES_PER_BATCH, Measurement, frames
from tracking.rest.problems import MEDIA_TYPE, FieldError, Problem

_PROBLEMS: Final = {
    400: "The request is invalid; `detail` says how to correct it.",
    401: "The token is missing, invalid or expired: get a new one.",
    403: "This account may not do this for this driver, or there is no such driver.",
    404: "Not found.",
    409: "The present state of the driver, trip or webhook does not allow this: see `code`.",
    410: "The trip has ended.",
    413: "The body is larger than the limit, by default 32 KiB, or 128 KiB for phone apps.",
    415: "The body is not JSON.",
    429: "Too many requests: retry after the seconds in `Retry-After`.",
    503: "Not stored in time, or the database is unavailable. Retry: sending it again is safe.",
}


Address: TypeAlias = Annotated[
    Annotated[str, Meta(extra_json_schema={"format": "uri"})] | None,
    Meta(description="The URL of the next or previous page; null if there is none."),
]


class Location(frames.Details):
    """A driver's newest location, as in the details frame of the sockets."""


class LocationPage(msgspec.Struct):
    """A page of locations, ordered by the drivers' ids."""

    next: Address
    previous: Address
    results: list[Location]


class PageToken(msgspec.Struct):
    """An access token for a page."""

    access: str


class DeprecatedError(msgspec.Struct):
    """The error of older releases."""

    code: str
    message: str
    fields: dict[str, list[str]] | UnsetType = UNSET


class GrantProblem(Problem):
    """RFC 9457 problem details, with the member `error` for older clients of grants."""

    error: Annotated[
        DeprecatedError,
        Meta(description="Deprecated, to be removed after one release: use the other members."),
    ]
    errors: Annotated[
        list[FieldError] | UnsetType,
        Meta(description="With status 400: one error for each invalid field."),
    ] = UNSET


def _fix() -> dict[str, Any]:
    """Return the JSON Schema of a measurement, from the type that decodes it."""
    found = msgspec.json.schema(Measurement)["$defs"]["Measurement"]["properties"]
    descriptions = {
        "lat": "WGS 84 degrees, -90 to 90.",
        "lon": "WGS 84 degrees, -180 to 180.",
        "recorded_at": "When the device measured it, RFC 3339. Default: the time of arrival.",
        "heading": "Degrees clockwise from true north; negative if unknown.",
        "speed": "Metres per second; negative if unknown.",
        "accuracy": "Metres; 0 or negative if unknown.",
        "sent_at": "When this is sent, by the clock of `recorded_at`, whose error is corrected.",
        "battery": "Percent; negative if unknown.",
        "charging": "Whether the phone is charging.",
        "mock": "Whether the platform says that the location is simulated.",
    }
    properties = {
        name: {"description": description, **found[name]}
        for name, description in descriptions.items()
    }
    # The values that clients should send. The server reads others, such as -1, as unknown.
    for name, bounds in (
        ("heading", {"minimum": 0, "exclusiveMaximum": 360}),
        ("speed", {"minimum": 0}),
        ("accuracy", {"exclusiveMinimum": 0}),
        ("battery", {"minimum": 0, "maximum": 100}),
    ):
        properties[name]["anyOf"] = [{"type": "number", **bounds}, {"type": "null"}]
    for name in ("lat", "lon"):
        properties[name] = {"description": descriptions[name], "type": ["number", "string"]}
    return {
        "type": "object",
        "required": ["lat", "lon"],
        "properties": properties,
        "examples": [{"lat": "-1.4354", "lon": "0.9871", "recorded_at": "2026-01-31T12:00:00Z"}],
    }


FIX: Final = _fix()
BATCH: Final = {
    "type": "object",
    "required": ["fixes"],
    "properties": {
        "fixes": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_FIXES_PER_BATCH,
            "items": FIX,
        },
        "sent_at": FIX["properties"]["sent_at"],
    },
}
STORED: Final = {
    201: OpenApiResponse(description="Stored as the driver's first location."),
    204: OpenApiResponse(description="Stored, or accepted but older than the stored location."),
}
OSMAND_ANSWER: Final = OpenApiResponse(
    frames.Verdicts, "Stored, with an empty body; or invalid messages were dropped, listed here."
)
STORED_BATCH: Final = {
    **STORED,
    200: OpenApiResponse(frames.Verdicts, "Stored, except for the invalid fixes listed here."),
}


OWNTRACKS_BODY: Final = {
    "type": "object",
    "required": ["_type"],
    "properties": {
        "_type": {"type": "string", "description": "`location`, or another type of the app."},
        "lat": {"type": "number"},
        "lon": {"type": "number"},
        "tst": {"type": "number", "description": "Seconds since 1970."},
        "acc": {"type": "number", "description": "Metres."},
        "vel": {"type": "number", "description": "km/h; negative if unknown."},
        "cog": {"type": "number", "description": "Degrees; negative if unknown."},
    },
    "examples": [
        {"_type": "location", "lat": -1.4354, "lon": 0.9871, "tst": 1769860800, "vel": 36}
    ],
}
_OSMAND: Final = {
    "lat": "WGS 84 degrees.",
    "lon": "WGS 84 degrees.",
    "timestamp": "Seconds or milliseconds since 1970, or ISO 8601.",
    "speed": "Knots; negative if unknown.",
    "bearing": "Degrees; negative if unknown.",
    "accuracy": "Metres.",
}
OSMAND_PARAMETERS: Final = [
    OpenApiParameter(name, str, description=description) for name, description in _OSMAND.items()
]
_COORDINATES: Final = {
    "latitude": "WGS 84 degrees.",
    "longitude": "WGS 84 degrees.",
    "accuracy": "Metres.",
    "speed": "Metres per second; negative if unknown.",
    "heading": "Degrees; negative if unknown.",
}
_BY_LIBRARY: Final = {
    "type": "object",
    "description": "Version 9.",
    "required": ["device_id", "location"],
    "properties": {
        "device_id": {"type": "string", "description": "The device's token."},
        "location": {
            "type": "object",
            "properties": {
                "timestamp": {"type": "string", "description": _OSMAND["timestamp"]},
                "coords": {
                    "type": "object",
                    "properties": {
                        name: {"type": "number", "description": description}
                        for name, description in _COORDINATES.items()
                    },
                },
            },
        },
    },
}


def _parameters(kind: list[str] | str) -> dict[str, Any]:
    """Return the schema of a form or list item, whose values have the type `kind`."""
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "The device's token."},
            **{
                name: {"type": kind, "description": description}
                for name, description in _OSMAND.items()
            },
        },
    }


_LIST: Final = {
    "type": "array",
    "description": "Version 10. An item without `lat` and `lon` is a sign of life.",
    "items": _parameters(["number", "string"]),
}
OSMAND_BODIES: Final = {
    "application/json": {"oneOf": [_LIST, _BY_LIBRARY]},
    "application/x-www-form-urlencoded": _parameters("string"),
}


BBOX: Final = OpenApiParameter(
    "bbox",
    str,
    description="Only locations in this area: west,south,east,north in WGS 84 degrees. If west is"
    " greater than east, the area crosses the antimeridian. Longitudes beyond 180 wrap around.",
)


def page_parameters(pagination: type[CursorPagination]) -> list[OpenApiParameter]:
    """Return the query parameters of a paginated list."""
    size = {"type": "integer", "minimum": 1, "maximum": pagination.max_page_size}
    return [
        OpenApiParameter("cursor", str, description="The cursor in `next` or `previous`."),
        OpenApiParameter("page_size", {**size, "default": pagination.page_size}),
    ]


# Of views that answer 304 if nothing has changed.
IF_NONE_MATCH: Final = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of an earlier response. If nothing has changed, the response is 304.",
)
ETAG: Final = OpenApiParameter("ETag", str, OpenApiParameter.HEADER, response=[200, 304])
UNCHANGED: Final = OpenApiResponse(description="Nothing has changed.")


def responses(
    good: dict[Any, Any], *problems: int, body: type[Problem] = Problem
) -> dict[Any, Any]:
    """Return all responses of a view: `good`, `problems`, and the problems of every view.

    The keys of `good` are statuses, or pairs of a status and a media type.
    """
    return {
        **good,
        **{
            (status, MEDIA_TYPE): OpenApiResponse(body, _PROBLEMS[status])
            for status in (*problems, 401, 403, 429, 503)
        },
    }


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tracking.rest.views.BearerAuthentication"
    name = "accessToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class LinkScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tracking.streams.links.LinkAuthentication"
    name = "linkToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "From `POST /t/<secret>/token/`, for the trip of the link alone."
        return {"type": "http", "scheme": "bearer", "description": description}


class PageScheme(SessionScheme):  # type: ignore[no-untyped-call]
    target_class = "tracking.rest.views.PageAuthentication"
    name = "cookieAuth"


class PasswordScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tracking.phones.views.PasswordAuthentication"
    name = "deviceToken"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "The device's token as the password, with any user name."
        return {"type": "http", "scheme": "basic", "description": description}


class IdScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tracking.phones.views.IdAuthentication"
    name = "deviceId"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        description = "The device's token as its identifier."
        return {"type": "apiKey", "in": "query", "name": "id", "description": description}
