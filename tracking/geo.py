"""Distances on the Earth, in WGS 84 degrees and metres. No I/O."""

from math import asin, atan2, cos, pi, sin, sqrt
from typing import Final

# The mean radius: a sphere differs from the ellipsoid by at most 0.6 %.
EARTH_RADIUS: Final = 6_371_008.8
METRES_PER_DEGREE: Final = EARTH_RADIUS * pi / 180

_RADIAN: Final = pi / 180
_HALF_RADIAN: Final = pi / 360
_DIAMETER: Final = 2 * EARTH_RADIUS


def distance(latitude_1: float, longitude_1: float, latitude_2: float, longitude_2: float) -> float:
    """Return the length in metres of the great circle between two places.

    By the haversine formula, which is exact for near places and at the poles; 0.3 µs.
    """
    sine_1 = sin((latitude_2 - latitude_1) * _HALF_RADIAN)
    sine_2 = sin((longitude_2 - longitude_1) * _HALF_RADIAN)
    haversine = (
        sine_1 * sine_1 + cos(latitude_1 * _RADIAN) * cos(latitude_2 * _RADIAN) * sine_2 * sine_2
    )
    # Rounding errors exceed 1 between opposite places.
    return _DIAMETER * asin(sqrt(haversine)) if haversine < 1 else EARTH_RADIUS * pi


def bearing(latitude_1: float, longitude_1: float, latitude_2: float, longitude_2: float) -> float:
    """Return the direction in which the way from a place to another begins.

    In degrees clockwise from true north, from 0 to below 360; 0 if both are the same place.
    """
    phi_1, phi_2 = latitude_1 * _RADIAN, latitude_2 * _RADIAN
    east = (longitude_2 - longitude_1) * _RADIAN
    x = sin(east) * cos(phi_2)
    y = cos(phi_1) * sin(phi_2) - sin(phi_1) * cos(phi_2) * cos(east)
    return atan2(x, y) / _RADIAN % 360


def degrees_east(longitude_1: float, longitude_2: float) -> float:
    """Return the degrees from a longitude eastwards to another, the shorter way: -180 to 180."""
    east = longitude_2 - longitude_1
    if -180 <= east <= 180:
        return east
    return (east + 180) % 360 - 180


def metres_per_degree_east(latitude: float) -> float:
    """Return the length of a degree of longitude on a parallel."""
    return METRES_PER_DEGREE * cos(latitude * _RADIAN)
