"""One waypoint of a trip, approached, reached and left, as far as fixes prove it. No I/O.

A car is arriving from the first good fix within the larger radius on. It has arrived if it is still
within the smaller one after MIN_STAY and has hardly moved: a car that passes by has. It has
departed after two fixes, DEPARTED_AFTER apart, that are outside by more than their accuracy.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from tracking.fix import Fix
from tracking.geo import distance

Step: TypeAlias = Literal["arriving", "arrived", "departed"]

# A phone may report a place that is wrong by 200 m with an accuracy of 2 m, so one fix proves no
# arrival. At 5 s between fixes, the second one inside does.
MIN_STAY: Final = timedelta(seconds=4)
# Metres per second: a walk. Within 4 s, the noise of a standing phone is below 10 m.
MAX_SPEED: Final = 2.5
# Metres that the fixes of a standing phone may be apart, or half of the radius if that is more.
MIN_SPREAD: Final = 25.0
# The fixes inside that the newest is compared with: of more, the oldest is dropped.
MAX_INSIDE: Final = 8
DEPARTED_AFTER: Final = timedelta(seconds=10)
# Metres beyond the radius that count as outside, or half of the radius if that is more.
MARGIN: Final = 50.0


class Waypoint:
    """The progress of one driver at one waypoint.

    The place is in WGS 84 degrees, radii are in metres. `reached` holds the steps that are reached.
    """

    __slots__ = (
        "_inside",
        "_outside_since",
        "arrived_radius",
        "arriving_radius",
        "kind",
        "latitude",
        "longitude",
        "number",
        "reached",
    )

    def __init__(
        self,
        number: int,
        kind: str,
        place: tuple[float, float],
        arriving_radius: float,
        arrived_radius: float,
        reached: set[Step],
    ) -> None:
        self.number = number
        self.kind = kind
        self.latitude, self.longitude = place
        self.arriving_radius = arriving_radius
        self.arrived_radius = arrived_radius
        self.reached = reached
        self._inside: deque[tuple[datetime, float, float]] = deque(maxlen=MAX_INSIDE)
        self._outside_since: datetime | None = None

    def add(self, fix: Fix) -> Iterator[Step]:
        """Add the next plausible fix, and yield the steps that it completes, which are reached."""
        metres = distance(self.latitude, self.longitude, fix.latitude, fix.longitude)
        accuracy = fix.accuracy or 0.0
        if "arriving" not in self.reached and metres <= self.arriving_radius >= accuracy:
            self.reached.add("arriving")
            yield "arriving"
        if "arrived" not in self.reached:
            if self._has_arrived(fix, metres, accuracy):
                self.reached.add("arrived")
                yield "arrived"
        elif "departed" not in self.reached and self._has_departed(fix, metres, accuracy):
            self.reached.add("departed")
            yield "departed"

    def carry_over(self, other: "Waypoint") -> None:
        """Take over the evidence of the same waypoint, which was read again."""
        self._inside, self._outside_since = other._inside, other._outside_since

    def _has_arrived(self, fix: Fix, metres: float, accuracy: float) -> bool:
        if metres > self.arrived_radius:
            # An inaccurate fix proves neither.
            if metres - accuracy > self.arrived_radius:
                self._inside.clear()
            return False
        if accuracy > self.arrived_radius:
            return False
        at = fix.recorded_at
        for since, latitude, longitude in self._inside:
            if at - since < MIN_STAY:
                break
            moved = distance(latitude, longitude, fix.latitude, fix.longitude)
            limit = MAX_SPEED * (at - since).total_seconds()
            # Of a car that turned round in between, two fixes are far apart and slow.
            if moved <= min(limit, max(MIN_SPREAD, self.arrived_radius / 2)):
                return True
        self._inside.append((at, fix.latitude, fix.longitude))
        return False

    def _has_departed(self, fix: Fix, metres: float, accuracy: float) -> bool:
        border = self.arrived_radius + max(MARGIN, self.arrived_radius / 2)
        if metres <= border:
            self._outside_since = None
            return False
        if metres - accuracy <= border:
            return False  # it proves neither
        if self._outside_since is None:
            self._outside_since = fix.recorded_at
        return fix.recorded_at - self._outside_since >= DEPARTED_AFTER
