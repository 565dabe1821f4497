"""Measure what a fix costs that is compared with waypoints and zones.

`python -m benchmarks.arrival` drives a car through a town without and with 1,000 zones, and without
and with a trip, and prints the microseconds of a fix: the best and the worst of seven drives.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from benchmarks.zones import HEIGHT, SOUTH, WEST, WIDTH, shapes
from tracking.arrival.zones import Shape, ZoneIndex

DRIVES: Final = 7
FIXES: Final = 20_000
DRIVER: Final = 19


async def main() -> None:
    rng = random.Random(1)  # noqa: S311 - no secret
    zones = shapes(rng)
    for waypoints in (0, 1):
        for some in ((), zones):
            best, worst = await measure(some, waypoints, rng)
            print(f"{waypoints} waypoints, {len(some):5,} zones: {best:6.2f} to {worst:6.2f} µs")


async def measure(
    zones: Sequence[Shape], waypoints: int, rng: random.Random
) -> tuple[float, float]:
    """Return the microseconds of a fix in the fastest and in the slowest drive."""
    from tracking.arrival.rows import Whereabouts, load_whereabouts
    from tracking.arrival.watch import Watch
    from tracking.drives import Drive

    pickup = {"kind": "pickup", "lat": SOUTH + HEIGHT / 2, "lon": WEST + WIDTH / 2}
    trip = Drive(7, "new", [pickup], {}) if waypoints else None

    async def read(function: Callable[..., Any], *_: object) -> Any:
        """Read the rows, without a database."""
        if function is load_whereabouts:
            return {DRIVER: Whereabouts(trip, frozenset())}
        return ZoneIndex(zones) if function.__name__ == "load_zones" else len(zones)

    watch = Watch(read, lambda: [DRIVER])
    await watch.follow(DRIVER, None if trip is None else trip.trip_id)
    await asyncio.sleep(0.1)  # until the zones are read
    if (DRIVER in watch._drivers) != bool(zones or waypoints):
        raise RuntimeError("the zones were not read in time")
    figures = []
    for number in range(DRIVES):
        # Each is later than the one before, as older fixes are left out.
        fixes = drive(datetime(2026, 1, 1 + number, tzinfo=UTC), rng)
        start = time.perf_counter()
        for fix in fixes:
            watch.observe([fix])
        figures.append((time.perf_counter() - start) / FIXES * 1e6)
    await watch.close()
    return min(figures), max(figures)


def drive(since: datetime, rng: random.Random) -> list[Any]:
    """Return the fixes of a drive through the middle of the town, one a second."""
    from tracking.fix import Fix

    latitude, longitude = SOUTH + HEIGHT / 2, WEST + WIDTH / 2
    fixes = []
    for second in range(FIXES):
        latitude += rng.uniform(-1, 1) * 1e-4
        longitude += rng.uniform(-1, 1) * 2e-4
        at = since + timedelta(seconds=second)
        fixes.append(Fix(DRIVER, latitude, longitude, at, at, 10.0))
    return fixes


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ridehail.settings")
    import django

    django.setup()
    asyncio.run(main())
