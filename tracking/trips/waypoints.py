"""The waypoints of a trip: checked, and in the form in which they are stored and sent."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict

from django.utils.translation import gettext as _

from tracking.conf import conf
from tracking.protocol import InvalidLocation, degrees
from tracking.trips.errors import InvalidTrip, InvalidWaypoint

KINDS: Final = ("pickup", "stop", "dropoff")
MAX_WAYPOINTS: Final = 25
MAX_NAME: Final = 200
_KEYS: Final = ("kind", "lat", "lon", "name", "arriving_radius", "arrived_radius")
# In metres.
MIN_RADIUS: Final = 10
MAX_RADIUS: Final = 50_000
# JSON can escape half of a pair, which neither PostgreSQL stores nor a frame can hold.
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


class Waypoint(TypedDict):
    """A place of a trip, WGS 84 degrees; `name` is an address, or None.

    The radii, in metres, replace the settings ARRIVING_RADIUS and ARRIVED_RADIUS.
    """

    kind: Literal["pickup", "stop", "dropoff"]
    lat: float
    lon: float
    name: str | None
    arriving_radius: NotRequired[float]
    arrived_radius: NotRequired[float]


Given: TypeAlias = Mapping[str, Any]


def checked(waypoints: Iterable[Given]) -> list[Waypoint]:
    """Return the waypoints as they are stored; raise InvalidTrip, or InvalidWaypoint for one.

    Each is a mapping with `kind`, `lat`, `lon`, numbers or decimal strings, and perhaps `name`,
    `arriving_radius` and `arrived_radius`.
    """
    given = list(waypoints)
    if len(given) > MAX_WAYPOINTS:
        text = _("A trip has at most %(count)d waypoints.") % {"count": MAX_WAYPOINTS}
        raise InvalidTrip({"waypoints": [text]})
    return [_checked(number, each) for number, each in enumerate(given)]


def _checked(number: int, given: Given) -> Waypoint:
    if not isinstance(given, Mapping) or set(given) - set(_KEYS):
        raise InvalidWaypoint(
            number, _("Give kind, lat, lon; perhaps name, arriving_radius, arrived_radius.")
        )
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
    degrees_given = {"lat": given.get("lat"), "lon": given.get("lon")}
    for key, value in degrees_given.items():
        if isinstance(value, bool) or not isinstance(value, int | float | str | None):
            raise InvalidWaypoint(number, f"{key} must be a decimal string or a number")
    try:
        latitude = degrees("lat", degrees_given["lat"], 90)
        longitude = degrees("lon", degrees_given["lon"], 180)
    except InvalidLocation as error:
        raise InvalidWaypoint(number, str(error)) from error
    place: Waypoint = {"kind": kind, "lat": latitude, "lon": longitude, "name": name or None}
    if (radius := given.get("arriving_radius")) is not None:
        place["arriving_radius"] = _radius(number, "arriving_radius", radius)
    if (radius := given.get("arrived_radius")) is not None:
        place["arrived_radius"] = _radius(number, "arrived_radius", radius)
    _check_radii(number, place)
    return place


def _radius(number: int, key: str, radius: Any) -> float:
    is_number = isinstance(radius, int | float) and not isinstance(radius, bool)
    if not is_number or not MIN_RADIUS <= radius <= MAX_RADIUS:
        text = _("%(key)s is a number of metres from %(least)d to %(most)d.")
        raise InvalidWaypoint(number, text % {"key": key, "least": MIN_RADIUS, "most": MAX_RADIUS})
    return float(radius)


def _check_radii(number: int, place: Waypoint) -> None:
    arriving = place.get("arriving_radius", conf.ARRIVING_RADIUS)
    if place.get("arrived_radius", conf.ARRIVED_RADIUS) > arriving:
        text = _("arriving_radius, %(arriving)g m, can't be smaller than arrived_radius.")
        raise InvalidWaypoint(number, text % {"arriving": arriving})
