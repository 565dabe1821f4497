"""The history of a made-up fleet: whole days of its drivers, each with a fix every 5 s.

The cars drive in the demo's town for a shift each day. Their fixes are stored in the order
of time, as in production, so that a driver's day is spread over as many pages as it has fixes. The
numbers have the noise of a phone's, which is what the packed form has to keep.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import connections, transaction
from django.utils import timezone

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.vehicle import Vehicle
from tracking.fix import Fix
from tracking.history.packing import E7
from tracking.history.partitions import create_days, history_db, start_of
from tracking.models import HistoryFix
from tracking.pipeline.rows import upsert

INTERVAL: Final = 5  # seconds
SHIFT_START: Final = timedelta(hours=6)
# So many drivers follow one simulated car, each from a later moment and elsewhere.
FOLLOWERS: Final = 25
_LATER: Final = 60  # ticks
# Milliseconds over which the drivers report, so that all their fixes lie within the shift.
_SPREAD: Final = INTERVAL * 1000 - 100
# Ticks that are stored in one transaction.
_AT_ONCE: Final = 60

_CREATE: Final = """
CREATE TEMPORARY TABLE template (
    vehicle int, tick int, latitude_e7 int, longitude_e7 int, accuracy real, heading real,
    speed real, PRIMARY KEY (tick, vehicle)
)
"""
# Times are in whole milliseconds, as phones give them. The network takes 50 ms or more, and 1 % of
# the fixes half a minute. A standing car has no heading.
_INSERT: Final = f"""
INSERT INTO {HistoryFix._meta.db_table} (driver_id, recorded_at, received_at, latitude_e7,
    longitude_e7, accuracy, heading, speed, battery, charging, mock)
SELECT driver, recorded_at, recorded_at + delay * interval '1 millisecond',
    latitude_e7 + driver * 10000, longitude_e7 + driver * 7000, accuracy,
    CASE WHEN speed > 0 THEN (heading::int + (random() * 6 - 3)::int + 360) %% 360 END,
    CASE WHEN speed > 0 THEN round(greatest(0, speed + random() - 0.5)::numeric, 1) ELSE 0 END,
    greatest(20, 100 - (tick + driver) / 90), driver %% 3 = 0, false
FROM (
    SELECT driver, template.*, step,
        %(start)s::timestamptz + (step * {INTERVAL * 1000} + driver * {_SPREAD} / %(drivers)s
            + (random() * 40)::int) * interval '1 millisecond' AS recorded_at,
        (50 - 80 * ln(1 - random()) + CASE WHEN random() < 0.01 THEN 30000 ELSE 0 END)::int AS delay
    FROM generate_series(%(first)s::int, %(last)s::int) AS steps (step)
    CROSS JOIN generate_series(1, %(drivers)s) AS drivers (driver)
    JOIN template
        ON vehicle = driver / {FOLLOWERS} AND tick = step + driver %% {FOLLOWERS} * {_LATER}
) AS fixes
ORDER BY step, driver
"""  # noqa: S608 - our own constants


@dataclass(frozen=True)
class Fleet:
    """So many drivers, with so many fixes a day each. The default is a shift of 8 hours."""

    drivers: int = 1_000
    fixes: int = 5_760

    @property
    def ids(self) -> range:
        return range(1, self.drivers + 1)

    @property
    def fixes_per_day(self) -> int:
        """The fixes of all drivers."""
        return self.drivers * self.fixes

    def shift_of(self, day: date) -> tuple[datetime, datetime]:
        """Return the window of all fixes of a day."""
        start = start_of(day) + SHIFT_START
        return start, start + self.fixes * timedelta(seconds=INTERVAL)

    def simulate(self) -> None:
        """Drive the cars, and keep their fixes for `store` in a table of this connection."""
        city, rng = City.load(), random.Random(1)  # noqa: S311 - no secret
        with connections[history_db()].cursor() as cursor:
            cursor.execute(_CREATE)
            with cursor.copy("COPY template FROM STDIN") as copy:
                for vehicle in range(self.drivers // FOLLOWERS + 1):
                    for row in self._drive(Vehicle(city, rng)):
                        copy.write_row((vehicle, *row))
            cursor.execute("ANALYZE template")

    def _drive(self, car: Vehicle) -> Iterator[tuple[float, ...]]:
        for tick in range(self.fixes + FOLLOWERS * _LATER):
            fix = car.advance(INTERVAL)
            place = (round(fix.latitude * E7), round(fix.longitude * E7), round(fix.accuracy, 1))
            yield tick, *place, round(fix.heading) % 360, round(fix.speed, 1)

    def store(self, day: date) -> None:
        """Store a day of all drivers."""
        create_days(HistoryFix, [day])
        start, _ = self.shift_of(day)
        for first in range(0, self.fixes, _AT_ONCE):
            last = min(first + _AT_ONCE, self.fixes) - 1
            parameters = {"start": start, "drivers": self.drivers, "first": first, "last": last}
            with transaction.atomic(history_db()), connections[history_db()].cursor() as cursor:
                # Loading is not measured.
                cursor.execute("SET LOCAL synchronous_commit = off")
                cursor.execute("SET LOCAL jit = off")
                cursor.execute(_INSERT, parameters)

    def locate(self) -> None:
        """Store a last known location of each driver."""
        now = timezone.now()
        upsert([Fix(driver_id, -1.4354, 0.9871, now, now) for driver_id in self.ids])
