"""Measure times of arrival against real drives: `python -m benchmarks.eta_accuracy`, in a minute.

200 vehicles of the demo are each sent to a pickup from where they are, and from there to a
destination, as its rides do. When one sets off, the time of arrival is asked of the routing engine
on the town's streets, and estimated from the straight line, with usual values for a town and with
the ones that fit these drives best, which nobody knows before; then the simulator drives, at the
demo's speed, and says how long it took. The engine is asked about the measured place, with the
errors of its GPS. What the server adds is not in it: the time since the last computation.
"""

import argparse
import json
import random
import statistics
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ridehail.demo.routing import PROFILE
from ridehail.demo.simulation.city import CITY_FILE, City
from ridehail.demo.simulation.vehicle import Vehicle
from ridehail.demo.streets_osm import osm_xml
from tests import services
from tracking.geo import distance

TRIPS: Final = 200
# The straight line is so much shorter than the way, and cars drive so fast in a town, in m/s.
DETOUR, TOWN_SPEED = 1.4, 25 / 3.6
# Seconds. The vehicle drives in steps of so many.
STEP: Final = 0.5


class Leg(NamedTuple):
    """The seconds that a leg took, and those that were announced."""

    driven: float
    engine: float
    straight: float
    fitted: float


def drive(city: City, url: str, seed: int, speed: float) -> Iterator[Leg]:
    """Drive a trip, and yield its legs."""
    rng = random.Random(seed)  # noqa: S311, a repeatable game of chance
    vehicle = Vehicle(city, rng)
    position = vehicle.advance(60)
    for place in rng.sample(city.destinations, 2):
        latitude, longitude = city.degrees(city.points[place])
        path = f"{position.longitude},{position.latitude};{longitude},{latitude}?overview=false"
        address = f"{url}/route/v1/driving/{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310, our own server
            engine = json.load(answer)["routes"][0]["duration"] / speed
        metres = distance(position.latitude, position.longitude, latitude, longitude)
        vehicle.drive_to(place)
        driven = 0.0
        while not vehicle.arrived:
            position = vehicle.advance(STEP)
            driven += STEP / speed
        if driven:
            # Fitted later, as it takes all drives.
            yield Leg(driven, engine, metres * DETOUR / TOWN_SPEED / speed, metres)


def fit(legs: list[Leg]) -> list[Leg]:
    """Return the legs with the metres in `fitted` turned into seconds."""
    pace = statistics.median(leg.driven / leg.fitted for leg in legs)
    return [leg._replace(fitted=leg.fitted * pace) for leg in legs]


def report(name: str, legs: list[Leg], column: str) -> None:
    """Print the median and the 90th percentile of the errors."""
    errors = [getattr(leg, column) - leg.driven for leg in legs]
    seconds = [abs(error) for error in errors]
    parts = [size / leg.driven for size, leg in zip(seconds, legs, strict=True)]
    tenths = [statistics.quantiles(values, n=10)[-1] for values in (seconds, parts)]
    print(
        f"{name:<14} error: median {statistics.median(seconds):5.1f} s"
        f" ({statistics.median(parts):4.0%}), p90 {tenths[0]:5.1f} s ({tenths[1]:4.0%});"
        f" with its sign: median {statistics.median(errors):+6.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=TRIPS)
    parser.add_argument("--speed", type=float, default=1.0, help="as of `make demo`")
    options = parser.parse_args()
    city = City.load()
    with tempfile.TemporaryDirectory() as directory:
        streets = Path(directory, "town.osm")
        streets.write_text(osm_xml(json.loads(CITY_FILE.read_text())))
        with services.RoutingEngine(streets, PROFILE) as engine:
            legs = fit(
                [
                    leg
                    for seed in range(options.trips)
                    for leg in drive(city, engine.url, seed, options.speed)
                ]
            )
    median = statistics.median(leg.driven for leg in legs)
    print(
        f"{options.trips} trips, {len(legs)} legs of {median:.0f} s (median), speed {options.speed}"
    )
    report("routing engine", legs, "engine")
    report("straight line", legs, "straight")
    report("  if fitted", legs, "fitted")


if __name__ == "__main__":
    main()
