"""Measure what zones cost a fix.

`python -m benchmarks.zones` builds an index of 1,000 zones in a town of 30 km, a tenth of them
polygons of 200 corners, and prints the microseconds of a look-up of a place in no zone, of a place
anywhere in the town, and of one in several zones, and of a question whether a car has left a zone:
the best and the worst of seven runs each.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from tracking.arrival.zones import Shape, ZoneIndex

COUNT: Final = 1_000
CORNERS: Final = 200
RUNS: Final = 7
SOUTH, WEST, HEIGHT, WIDTH = 60.0, 24.7, 0.27, 0.54

Place = tuple[float, float]


def shapes(rng: random.Random) -> list[Shape]:
    """Return the zones of a town: depots and yards, some as large as airports."""
    found = []
    for number in range(COUNT):
        latitude, longitude = place(rng)
        radius = rng.choice([30, 60, 150, 500, 2000])
        if number % 10:
            found.append(Shape(number, "circle", latitude, longitude, radius))
            continue
        corners = []
        for step in range(CORNERS):
            angle = step * math.tau / CORNERS
            away = radius / 111_195 * (1 + 0.3 * math.sin(angle * 9))
            corners.append(
                [latitude + away * math.sin(angle), longitude + 2 * away * math.cos(angle)]
            )
        found.append(Shape(number, "polygon", polygon=corners))
    return found


def place(rng: random.Random) -> Place:
    return SOUTH + rng.random() * HEIGHT, WEST + rng.random() * WIDTH


def places_beside(index: ZoneIndex, zone: int, rng: random.Random) -> list[Place]:
    """Return places up to 60 m outside a polygon."""
    latitude, longitude = index.shape(zone).polygon[0]  # type: ignore[index]
    found: list[Place] = []
    while len(found) < 500:
        each = latitude + rng.gauss(0, 0.003), longitude + rng.gauss(0, 0.006)
        if 0 < index.distance(zone, *each) < 60:
            found.append(each)
    return found * 4


def report(name: str, call: Callable[[Place], object], places: Sequence[Place]) -> None:
    """Print the microseconds of a call, of `places` in turn."""
    runs = []
    for _ in range(RUNS):
        start = time.perf_counter()
        for each in places:
            call(each)
        runs.append((time.perf_counter() - start) / len(places) * 1e6)
    print(f"{name:55} {min(runs):6.2f} to {max(runs):6.2f} µs")


def main() -> None:
    rng = random.Random(1)  # noqa: S311 - no secret
    listed = shapes(rng)
    start = time.perf_counter()
    index = ZoneIndex(listed)
    print(f"index of {len(index):,} zones built in {(time.perf_counter() - start) * 1e3:.0f} ms")
    places = [place(rng) for _ in range(20_000)]
    by_count = sorted(places, key=lambda each: len(index.inside(*each)))
    several = by_count[-200:] * 20
    counts = [len(index.inside(*each)) for each in several]
    empty = ZoneIndex([])
    report("no zones at all", lambda each: empty.inside(*each), places)
    report("1,000 zones, none near", lambda each: index.inside(0.0, each[1]), places)
    report("1,000 zones, a place in the town", lambda each: index.inside(*each), places)
    name = f"1,000 zones, a place in {min(counts)} to {max(counts)} of them"
    report(name, lambda each: index.inside(*each), several)
    polygon = next(shape.id for shape in listed if shape.kind == "polygon")
    beside = places_beside(index, polygon, rng)
    name = f"left a polygon of {CORNERS} corners, up to 60 m outside"
    report(name, lambda each: index.clear_of(polygon, *each, 10.0), beside)
    circle = next(shape for shape in listed if shape.kind == "circle")
    name = "left a circle"
    report(name, lambda each: index.clear_of(circle.id, *each, 10.0), places)


if __name__ == "__main__":
    main()
