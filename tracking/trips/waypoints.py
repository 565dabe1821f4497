"""The waypoints of a trip: checked, and in the form in which they are stored and sent."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict

from django.utils.translation import gettext as _

from tracking.protocol import InvalidLocation, degrees
from tracking.trips.errors import InvalidTrip, InvalidWaypoint

KINDS: Final = ("pickup", "stop", "dropoff")
MAX_WAYPOINTS: Final = 25
MAX_NAME: Final = 200
_KEYS: Final = ("kind", "lat", "lon", "name")
# JSON can escape half of a pair, which neither PostgreSQL stores nor a frame can hold.
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class Waypoint(TypedDict):
    """A place of a trip, WGS 84 degrees; `name` is an address, or None."""

    kind: Literal["pickup", "stop", "dropoff"]
    lat: float
    lon: float
    name: str | None


Given: TypeAlias = Mapping[str, Any]


def checked(waypoints: Iterable[Given]) -> list[Waypoint]:
    """Return the waypoints as they are stored; raise InvalidTrip, or InvalidWaypoint for one.

    Each is a mapping with `kind`, `lat`, `lon`, numbers or decimal strings, and perhaps `name`.
    """
    given = list(waypoints)
    if len(given) > MAX_WAYPOINTS:
        text = _("A trip has at most %(count)d waypoints.") % {"count": MAX_WAYPOINTS}
        raise InvalidTrip({"waypoints": [text]})
    return [_checked(number, each) for number, each in enumerate(given)]


def _checked(number: int, given: Given) -> Waypoint:
    if not isinstance(given, Mapping) or set(given) - set(_KEYS):
        raise InvalidWaypoint(number, _("Give kind, lat, lon, and perhaps name."))
    kind, name = given.get("kind"), given.get("name")
    if kind not in KINDS:
        raise InvalidWaypoint(
            number, _("The kind is one of: %(kinds)s.") % {"kinds": ", ".join(KINDS)}
        )
    if name is not None and not (isinstance(name, str) and len(name) <= MAX_NAME):
        text = _("The name is a text of at most %(count)d characters.") % {"count": MAX_NAME}
        raise InvalidWaypoint(number, text)
    if name is not None and "\0" in name:  # which PostgreSQL does not store
        raise InvalidWaypoint(number, _("Null characters are not allowed."))
    if name is not None and _SURROGATES.search(name):
        raise InvalidWaypoint(number, _("Surrogate characters are not allowed."))
    place = {"lat": given.get("lat"), "lon": given.get("lon")}
    for key, value in place.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str | None):
            raise InvalidWaypoint(number, f"{key} must be a decimal string or a number")
    try:
        latitude = degrees("lat", place["lat"], 90)
        longitude = degrees("lon", place["lon"], 180)
    except InvalidLocation as error:
        raise InvalidWaypoint(number, str(error)) from error
    return {"kind": kind, "lat": latitude, "lon": longitude, "name": name or None}
