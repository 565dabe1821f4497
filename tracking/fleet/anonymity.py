"""Rules for what riders see of free cars, so that following one is hard. Pure: no I/O.

A rider sees a car under an id of that rider's own, for an hour. A car that changes its ids while it
is in view would be found again where it was, so it is hidden after the change: for some minutes,
and until it has moved away. Every rider sees the same cars at the same time, so a second account
does not help. A car is also hidden near the places where its shift began and where the last ended.

All choices look random and are the same in every process: they are keyed hashes.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from math import cos, pi, sin, sqrt
from typing import Final, NamedTuple

from tracking.geo import METRES_PER_DEGREE, distance, metres_per_degree_east
from tracking.ids import DriverId, UserId, to_plain

# Seconds in which a car's ids change once, at a moment drawn anew for each car and each period: a
# fixed one would identify the car, as it links each id with the next.
PERIOD: Final = 3600
# Seconds for which a car is hidden after the change, at least and at most. It is hidden longer if
# it has not left its place: a car that parks for more than an hour is not shown. This does not stop
# a rider who has learned how cars move: see docs/trips.md, "Cars nearby".
HIDDEN: Final = (90.0, 300.0)
# The greatest distance in metres by which a car is displaced for the period, for all riders alike:
# a parked car does not reappear at exactly the same spot. A car is drawn about as large.
DISPLACEMENT: Final = 40.0
# Radii in metres of the circles around quiet places, and how far their centres are displaced, as a
# part of the radius. All quiet places in one cell of so many degrees share one circle: one for each
# place where the driver happens to park would have its mean at the home.
RADIUS: Final = (700.0, 1_200.0)
CENTRE: Final = 0.5
CELL: Final = 0.003

# Circles that are remembered, some 300 bytes each; another one takes 6 µs.
MAX_CIRCLES: Final = 65_536


class Sight(NamedTuple):
    """A car as all riders see it in its present period, at the place where it is shown."""

    driver_id: DriverId
    period: int
    latitude: float
    longitude: float


class Veil:
    """Decides which cars are seen, and under which ids.

    `secret` is known to the server alone.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, person=b"tracking.nearby", digest_size=32).digest()
        self._circle = lru_cache(maxsize=MAX_CIRCLES)(self._new_circle)
        self._moment = lru_cache(maxsize=MAX_CIRCLES)(self._new_moment)
        self._displacement = lru_cache(maxsize=MAX_CIRCLES)(self._new_displacement)

    def sight(
        self,
        driver_id: DriverId,
        latitude: float,
        longitude: float,
        here_since: float,
        quiet: Sequence[Sequence[float]],
        now: float,
    ) -> Sight | None:
        """Return a car at a place as riders see it `now`; None if it is hidden.

        `here_since` is when the car came to where it is, give or take some hundred metres. Both
        times are in seconds. `quiet` are the quiet places: [latitude, longitude].
        """
        period = int(now // PERIOD)
        if now < self._moment(driver_id, period):
            period -= 1
        changed_at = self._moment(driver_id, period)
        least, most = HIDDEN
        hidden = least + (most - least) * self._number("hidden", driver_id, period)
        if now - changed_at < hidden or here_since < changed_at:
            return None
        for place in quiet:
            cell = int(place[0] // CELL), int(place[1] // CELL)
            centre, middle, radius = self._circle(driver_id, *cell)
            if distance(centre, middle, latitude, longitude) < radius:
                return None
        north, east = self._displacement(driver_id, period)
        return Sight(
            driver_id,
            period,
            latitude + north / METRES_PER_DEGREE,
            longitude + east / max(metres_per_degree_east(latitude), 1_000.0),
        )

    def alias(self, rider_id: UserId, sight: Sight) -> str:
        """Return the id of a car for one rider, in the car's present period."""
        about = to_plain(rider_id), to_plain(sight.driver_id), sight.period
        return urlsafe_b64encode(self._digest("alias", *about)[:9]).decode()

    def _new_displacement(self, driver_id: DriverId, period: int) -> tuple[float, float]:
        """Return the metres north and east by which a car is displaced."""
        turn = 2 * pi * self._number("displaced", driver_id, period)
        metres = DISPLACEMENT * sqrt(self._number("by", driver_id, period))
        return metres * cos(turn), metres * sin(turn)

    def _new_moment(self, driver_id: DriverId, period: int) -> float:
        """Return the time in a period at which a car's ids change."""
        return PERIOD * (period + self._number("moment", driver_id, period))

    def _new_circle(self, driver_id: DriverId, row: int, column: int) -> tuple[float, float, float]:
        """Return the circle in which a car is hidden near a cell: its centre and radius."""
        about = driver_id, row, column
        least, most = RADIUS
        radius = least + (most - least) * self._number("radius", *about)
        away = radius * CENTRE * self._number("away", *about)
        turn = 2 * pi * self._number("turn", *about)
        latitude, longitude = (row + 0.5) * CELL, (column + 0.5) * CELL
        east = away * sin(turn) / max(metres_per_degree_east(latitude), 1_000.0)
        return latitude + away * cos(turn) / METRES_PER_DEGREE, longitude + east, radius

    def _number(self, *about: object) -> float:
        """Return a number from 0 to below 1."""
        return int.from_bytes(self._digest(*about)[:6], "big") / 2**48

    def _digest(self, *about: object) -> bytes:
        text = "|".join(map(str, about)).encode()
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()
