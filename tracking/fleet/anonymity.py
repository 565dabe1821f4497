"""Rules for what riders see of free cars, so that following one is hard. Pure: no I/O.

A rider sees a car under an id of that rider's own, from one change to the next. A change hides the
car for some minutes, in which it drives away among the others, and gives it new ids. Ids change at
a random moment of each period, when the driver's state changes, so with each trip, and when the car
leaves a place where it stood: one that was seen to vanish there would else be known again.

Every rider sees the same cars at the same time, so a second account does not help. A car is also
hidden near its quiet places, where its shift began and where the last ones ended; to leave them is
a change as well.

All choices look random and are the same in every process: they are keyed hashes.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import cos, pi, sin, sqrt
from typing import Final, NamedTuple

from tracking.geo import METRES_PER_DEGREE, distance, metres_per_degree_east
from tracking.ids import DriverId, UserId, to_plain

# Seconds in which a car's ids change once, at a moment drawn anew for each car and each period: a
# fixed one would identify the car, as it links each id with the next. From one such change to the
# next it is an hour at most.
PERIOD: Final = 1_800
# Seconds for which a change hides a car, at least and at most. In 14 minutes, the mean, a car can
# be anywhere in a town; half of the cars are hidden. docs/trips.md has what the curious rider of
# the tests finds with this: with 4 to 16 minutes it was twice as much after a change.
HIDDEN: Final = (360.0, 1_320.0)
# Where fewer cars than this are free, none is shown: the fewer they are, the better one guesses,
# and one alone is followed whatever its id.
CROWD: Final = 15
# The greatest distance in metres by which a car is displaced from one change to the next, for all
# riders alike: a parked car does not reappear at exactly the same spot. A car is drawn about as
# large.
DISPLACEMENT: Final = 40.0
# Radii in metres of the circles around quiet places, and how far their centres are displaced, as a
# part of the radius. All quiet places in one cell of so many degrees share one circle: one for each
# place where the driver happens to park would have its mean at the home.
RADIUS: Final = (700.0, 1_200.0)
CENTRE: Final = 0.5
CELL: Final = 0.003

# Choices of each kind that are remembered, some 300 bytes each; another one takes 6 µs.
MAX_CHOICES: Final = 65_536


class Sight(NamedTuple):
    """A car as all riders see it since its last change, at the place where it is shown."""

    driver_id: DriverId
    changed_at: int
    latitude: float
    longitude: float


class _Draw(NamedTuple):
    """A car's draw at a change: the seconds for which it is hidden, and the metres displaced."""

    hidden: float
    north: float
    east: float


class Veil:
    """Decides which cars are seen, and under which ids.

    `secret` is known to the server alone.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, person=b"tracking.nearby", digest_size=32).digest()
        self._circle = lru_cache(maxsize=MAX_CHOICES)(self._new_circle)
        self._moment = lru_cache(maxsize=MAX_CHOICES)(self._new_moment)
        self._draw = lru_cache(maxsize=MAX_CHOICES)(self._new_draw)

    def sight(
        self,
        driver_id: DriverId,
        latitude: float,
        longitude: float,
        since: float,
        now: float,
    ) -> Sight | None:
        """Return a car at a place as riders see it `now`; None if it is hidden.

        `since` is when its driver's state changed, or when it last left a quiet place or one where
        it stood, whichever was the latest. Both times are in seconds.
        """
        period = int(now // PERIOD)
        moment = self._moment(driver_id, period)
        if now < moment:
            moment = self._moment(driver_id, period - 1)
        changed_at = int(max(moment, since))
        draw = self._draw(driver_id, changed_at)
        if now - changed_at < draw.hidden:
            return None
        return Sight(driver_id, changed_at, *_moved(latitude, longitude, draw.north, draw.east))

    def is_quiet(
        self,
        driver_id: DriverId,
        latitude: float,
        longitude: float,
        places: Iterable[Sequence[float]],
    ) -> bool:
        """Return True if a place, or where it is shown, is near one of the car's quiet places.

        These are given as [latitude, longitude].
        """
        for place in places:
            cell = int(place[0] // CELL), int(place[1] // CELL)
            centre, middle, radius = self._circle(driver_id, *cell)
            if distance(centre, middle, latitude, longitude) < radius + DISPLACEMENT:
                return True
        return False

    def alias(self, rider_id: UserId, driver_id: DriverId, changed_at: int) -> str:
        """Return the id of a car for one rider, from its last change to the next."""
        about = to_plain(rider_id), to_plain(driver_id), changed_at
        return urlsafe_b64encode(self._digest("alias", *about)[:9]).decode()

    def _new_draw(self, driver_id: DriverId, changed_at: int) -> _Draw:
        least, most = HIDDEN
        about = driver_id, changed_at
        hidden = least + (most - least) * self._number("hidden", *about)
        return _Draw(hidden, *self._way("displaced", "by", DISPLACEMENT, *about))

    def _new_moment(self, driver_id: DriverId, period: int) -> float:
        """Return the time in a period at which a car's ids change."""
        return PERIOD * (period + self._number("moment", driver_id, period))

    def _new_circle(self, driver_id: DriverId, row: int, column: int) -> tuple[float, float, float]:
        """Return the circle in which a car is hidden near a cell: its centre and radius."""
        about = driver_id, row, column
        least, most = RADIUS
        radius = least + (most - least) * self._number("radius", *about)
        way = self._way("turn", "away", radius * CENTRE, *about)
        return *_moved((row + 0.5) * CELL, (column + 0.5) * CELL, *way), radius

    def _way(self, turn: str, away: str, most: float, *about: object) -> tuple[float, float]:
        """Return metres north and east to a place within `most` metres, each as likely.

        `turn` and `away` name the two numbers that are drawn.
        """
        angle = 2 * pi * self._number(turn, *about)
        metres = most * sqrt(self._number(away, *about))
        return metres * cos(angle), metres * sin(angle)

    def _number(self, *about: object) -> float:
        """Return a number from 0 to below 1."""
        return int.from_bytes(self._digest(*about)[:6], "big") / 2**48

    def _digest(self, *about: object) -> bytes:
        text = "|".join(map(str, about)).encode()
        return hashlib.blake2b(text, key=self._key, digest_size=16).digest()


def _moved(latitude: float, longitude: float, north: float, east: float) -> tuple[float, float]:
    """Return a place that is so many metres north and east of another."""
    # At the poles, a degree has no length.
    degree = max(metres_per_degree_east(latitude), 1_000.0)
    return latitude + north / METRES_PER_DEGREE, longitude + east / degree
