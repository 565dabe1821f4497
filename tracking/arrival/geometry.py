"""Circles and polygons on the Earth: whether a place is inside, and how far outside. No I/O.

The edges of a polygon are straight in degrees, as in GeoJSON (RFC 7946), and go the shorter way
around the Earth, so a polygon may cross the antimeridian.
"""

from collections.abc import Sequence
from math import asin, cos, inf, isfinite, pi, radians, sin, sqrt
from typing import Any, Final

from tracking.geo import (
    EARTH_RADIUS,
    METRES_PER_DEGREE,
    degrees_east,
    distance,
    metres_per_degree_east,
)

MIN_CORNERS: Final = 3
# So many corners follow any fence, and are tested in 1 µs.
MAX_CORNERS: Final = 200
# Beyond, maps in Mercator's projection end, and degrees of longitude shrink quickly.
MAX_LATITUDE: Final = 85.0
# Neither edges nor the whole may be so wide that the shorter way around the Earth is unclear.
MAX_WIDTH: Final = 90.0  # degrees

_FULL_CIRCLE: Final = 360.0

# The south-western and the north-eastern corner: the latter's longitude may exceed 180.
Box = tuple[float, float, float, float]


class InvalidShape(ValueError):
    """Raised if values describe no circle and no polygon. Its text says why."""


class Circle:
    """The places that are at most `radius` metres from a place."""

    __slots__ = ("_height", "_latitude", "_longitude", "_radius", "size")

    def __init__(self, latitude: float, longitude: float, radius: float) -> None:
        _check_place(latitude, longitude, 90)
        if not (_is_number(radius) and 0 < radius < EARTH_RADIUS):
            raise InvalidShape(f"a radius of {radius!r} m")
        self._latitude, self._longitude, self._radius = latitude, longitude, radius
        # With a little more than the rounding errors of `distance`.
        self._height = radius / METRES_PER_DEGREE + 1e-9
        # In metres: the radius of a circle of the same area.
        self.size = radius

    def contains(self, latitude: float, longitude: float) -> bool:
        """Return True if a place is inside or on the border."""
        if not -self._height <= latitude - self._latitude <= self._height:
            return False
        return distance(self._latitude, self._longitude, latitude, longitude) <= self._radius

    def distance(self, latitude: float, longitude: float) -> float:
        """Return the metres to the border: positive outside, negative inside."""
        return distance(self._latitude, self._longitude, latitude, longitude) - self._radius

    def is_within(self, latitude: float, longitude: float, metres: float) -> bool:
        """Return True if a place is inside, or outside by at most this many metres."""
        return self.distance(latitude, longitude) <= metres

    def box(self) -> Box:
        """Return the smallest box of degrees around it."""
        south, north = self._latitude - self._height, self._latitude + self._height
        if south <= -90 or north >= 90:  # it contains a pole
            return max(south, -90.0), -180.0, min(north, 90.0), 180.0
        sine = sin(self._radius / EARTH_RADIUS) / cos(radians(self._latitude))
        # Beside a pole, rounding may exceed 1.
        width = asin(min(sine, 1.0)) * 180 / pi + 1e-9
        if width >= 180:
            return south, -180.0, north, 180.0
        west = self._longitude - width
        west = west + _FULL_CIRCLE if west < -180 else west
        return south, west, north, west + 2 * width


class Polygon:
    """The places inside a polygon of [latitude, longitude], without the first again at the end.

    Where its edges cross each other, a place is inside if the border goes around it an odd number
    of times.
    """

    __slots__ = ("_bands", "_bands_per_degree", "_box", "_edges", "corners", "size")

    def __init__(self, corners: Sequence[Sequence[float]]) -> None:
        points = unwrapped(corners)
        # Corners in order, [latitude, longitude]; longitudes may exceed 180, so that edges that
        # cross the antimeridian need no special case.
        self.corners = points
        latitudes, longitudes = zip(*points, strict=True)
        self._box: Box = min(latitudes), min(longitudes), max(latitudes), max(longitudes)
        self._edges = list(zip(points, points[1:] + points[:1], strict=True))
        area = abs(area_of(points))
        if not area:
            raise InvalidShape("a polygon without an area")
        self.size = sqrt(area / pi)
        self._bands_per_degree, self._bands = self._banded()

    def _banded(self) -> tuple[float, list[list[tuple[float, float, float, float]]]]:
        """Return the edges by bands of latitude, so that only a few are tested for a place.

        An edge is its southern end, the latitude of the other, and degrees east per degree north.
        """
        south, _, north, _ = self._box
        per_degree = len(self._edges) / (north - south)
        if not isfinite(per_degree):
            raise InvalidShape("a polygon without an area")
        count = int((north - south) * per_degree) + 1
        bands: list[list[tuple[float, float, float, float]]] = [[] for _ in range(count)]
        for ends in self._edges:
            (low, x), (high, x_2) = sorted(ends)
            if low == high:
                continue
            edge = low, x, high, (x_2 - x) / (high - low)
            for band in range(
                int((low - south) * per_degree), int((high - south) * per_degree) + 1
            ):
                bands[band].append(edge)
        return per_degree, bands

    def contains(self, latitude: float, longitude: float) -> bool:
        """Return True if a place is inside; of the border, a part counts as inside."""
        south, west, north, east = self._box
        if not south <= latitude <= north:
            return False
        if longitude < west:
            longitude += _FULL_CIRCLE
        elif longitude > east:
            longitude -= _FULL_CIRCLE
        if not west <= longitude <= east:
            return False
        is_inside = False
        for low, x, high, slope in self._bands[int((latitude - south) * self._bands_per_degree)]:
            if low <= latitude < high and longitude < x + (latitude - low) * slope:
                is_inside = not is_inside
        return is_inside

    def distance(self, latitude: float, longitude: float) -> float:
        """Return the metres to the border: positive outside, negative inside.

        In the plane that touches the Earth at this place: up to 10 km it is right within 1 %.
        """
        longitude = self._beside(longitude)
        metres = sqrt(min(_square(latitude, longitude, *start, *end) for start, end in self._edges))
        return -metres if self.contains(latitude, longitude) else metres

    def is_within(self, latitude: float, longitude: float, metres: float) -> bool:
        """Return True if a place is inside, or outside by at most this many metres."""
        south, west, north, east = self._box
        longitude = self._beside(longitude)
        height = metres / METRES_PER_DEGREE
        low, high = latitude - height, latitude + height
        if high < south or low > north:
            return False
        scale = metres_per_degree_east(latitude)
        width = metres / scale if scale > 1 else inf
        left, right = longitude - width, longitude + width
        if right < west or left > east:
            return False
        if self.contains(latitude, longitude):
            return True
        limit = metres * metres
        for (y, x), (y_2, x_2) in self._edges:
            # Most edges end here, at a third of the cost.
            if (y < low and y_2 < low) or (y > high and y_2 > high):
                continue
            if (x < left and x_2 < left) or (x > right and x_2 > right):
                continue
            if _square(latitude, longitude, y, x, y_2, x_2) <= limit:
                return True
        return False

    def box(self) -> Box:
        """Return the smallest box of degrees around it."""
        return self._box

    def _beside(self, longitude: float) -> float:
        """Return a longitude plus the whole circles that bring it nearest to the polygon."""
        middle = (self._box[1] + self._box[3]) / 2
        return longitude + _FULL_CIRCLE * round((middle - longitude) / _FULL_CIRCLE)


def unwrapped(corners: Any) -> list[tuple[float, float]]:
    """Return a polygon's corners with longitudes that do not jump at the antimeridian.

    The westernmost one is in WGS 84, those beyond the antimeridian exceed 180. Raise InvalidShape
    if these are no corners of a polygon, or of one that is too far north, south or wide.
    """
    if not isinstance(corners, (list, tuple)):
        raise InvalidShape("no list of corners")
    if not MIN_CORNERS <= len(corners) <= MAX_CORNERS:
        raise InvalidShape(f"{len(corners)} corners")
    points: list[tuple[float, float]] = []
    for corner in corners:
        if not isinstance(corner, (list, tuple)) or len(corner) != 2:
            raise InvalidShape("a corner that is not a latitude and a longitude")
        latitude, longitude = corner
        _check_place(latitude, longitude, MAX_LATITUDE)
        if points and abs(longitude - points[-1][1]) > 180:
            longitude = points[-1][1] + degrees_east(points[-1][1], longitude)
        points.append((float(latitude), float(longitude)))
    if abs(points[0][1] - points[-1][1]) > 180:
        raise InvalidShape("a polygon around a pole")
    west, east = min(point[1] for point in points), max(point[1] for point in points)
    if east - west > MAX_WIDTH:
        raise InvalidShape(f"a polygon that is {east - west:g} degrees wide")
    shift = _FULL_CIRCLE if west < -180 else 0.0
    return [(latitude, longitude + shift) for latitude, longitude in points]


def area_of(points: Sequence[tuple[float, float]]) -> float:
    """Return a polygon's area in square metres, in the plane at its middle latitude.

    Positive if the corners, unwrapped, go counterclockwise.
    """
    latitude_0, longitude_0 = points[0]
    # From the first corner, as differences of large products would lose the digits of small ones.
    flat = [(y - latitude_0, x - longitude_0) for y, x in points]
    double = sum(
        x * y_2 - x_2 * y for (y, x), (y_2, x_2) in zip(flat, flat[1:] + flat[:1], strict=True)
    )
    middle = (min(y for y, _ in points) + max(y for y, _ in points)) / 2
    return double / 2 * METRES_PER_DEGREE * metres_per_degree_east(middle)


def crossing(points: Sequence[tuple[float, float]]) -> tuple[int, int] | None:
    """Return the numbers from 0 of the first two edges that touch, other than at a common corner.

    The corners are unwrapped. An edge has the number of the corner where it begins. None if the
    border touches itself nowhere.
    """
    count = len(points)
    edges = list(zip(points, [*points[1:], points[0]], strict=True))
    for i, (a, b) in enumerate(edges):
        for j in range(i + 1, count):
            c, d = edges[j]
            if j == i + 1:
                is_touching = _turns_back(a, b, d)
            elif i == 0 and j == count - 1:
                is_touching = _turns_back(c, a, b)
            else:
                is_touching = _touch(a, b, c, d)
            if is_touching:
                return i, j
    return None


def _touch(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]
) -> bool:
    """Return True if two edges have a place in common."""
    if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
        return False
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    return _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0


def _turns_back(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Return True if the edge from b to c goes back along the one from a to b."""
    dot = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1])
    return a == b or b == c or (_side(a, b, c) == 0 and dot < 0)


def _side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> int:
    """Return on which side of the line from a to b a place is: -1, 0 on it, or 1."""
    cross = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return (cross > 0) - (cross < 0)


def _square(y: float, x: float, y_1: float, x_1: float, y_2: float, x_2: float) -> float:
    """Return the square of the metres from a place to the nearest one of an edge."""
    scale = metres_per_degree_east(y)
    east, north = (x_1 - x) * scale, (y_1 - y) * METRES_PER_DEGREE
    width, height = (x_2 - x_1) * scale, (y_2 - y_1) * METRES_PER_DEGREE
    length = width * width + height * height
    if length:
        part = min(1.0, max(0.0, -(east * width + north * height) / length))
        east += part * width
        north += part * height
    return east * east + north * north


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)


def _check_place(latitude: object, longitude: object, max_latitude: float) -> None:
    if not (_is_number(latitude) and abs(latitude) <= max_latitude):  # type: ignore[arg-type]
        raise InvalidShape(f"a latitude of {latitude!r}")
    if not (_is_number(longitude) and abs(longitude) <= 180):  # type: ignore[arg-type]
        raise InvalidShape(f"a longitude of {longitude!r}")
