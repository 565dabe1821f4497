"""Generation of city.json, with the same bytes on every run."""

import json
import math
import random
from collections.abc import Iterable

from .geometry import Point, simplify
from .names import Names
from .network import Network, join_ends
from .roads import Road, main_roads
from .streets import Streets
from .terrain import BREAKWATERS, DISTRICTS, HEIGHT, WIDTH, Terrain

SEED = 1907
LATITUDE, LONGITUDE = -1.435, 0.985  # open sea, so that it collides with no real place
UNIT = 1e-5  # degrees, 1.1 m
METRES_PER_DEGREE = 111_195.0  # the mean Earth radius's; a tour of the town is off by millimetres


def _steps(p: Point) -> tuple[int, int]:
    east = METRES_PER_DEGREE * math.cos(math.radians(LATITUDE))
    return round(p[0] / east / UNIT), round(p[1] / METRES_PER_DEGREE / UNIT)


def _flat(points: Iterable[Point]) -> list[int]:
    flat: list[int] = []
    for p in points:
        step = _steps(p)
        if flat[-2:] != [*step]:
            flat += step
    return flat


def _on_map(p: Point) -> bool:
    return abs(p[0]) <= WIDTH / 2 and abs(p[1]) <= HEIGHT / 2


def _built(terrain: Terrain) -> list[list[Point]]:
    """Return an irregular ellipse for each district, to colour built-up land."""
    rings = []
    for district in DISTRICTS:
        (cx, cy), (rx, ry) = district.centre, district.radii
        turn = math.radians(district.angle)
        ring: list[Point] = []
        for k in range(41):
            u, v = math.cos(k * math.pi / 20) * rx, math.sin(k * math.pi / 20) * ry
            x = u * math.cos(turn) - v * math.sin(turn)
            y = u * math.sin(turn) + v * math.cos(turn)
            grown = 1.04 + 0.16 * terrain.edge((cx + x, cy + y))
            ring.append((cx + x * grown, cy + y * grown))
        rings.append(ring)
    return rings


def build() -> str:
    """Return the text of city.json."""
    rng = random.Random(SEED)  # noqa: S311 - the same town every time is the point
    terrain = Terrain(rng)
    roads = main_roads(terrain)
    small = Streets(terrain, roads, rng).trace()
    lines = [road.line for road in roads] + small
    join_ends(lines, len(roads), lambda p: terrain.shore(p)[0] > 25 and not terrain.park_at(p))
    names = Names(rng)
    for line in small:
        district = terrain.district_at(line[len(line) // 2])
        roads.append(Road(names.street(district.name if district else ""), "residential", line))
    roads = [road._replace(line=[p for p in road.line if _on_map(p)]) for road in roads]
    network = Network(roads, lambda p: abs(p[0]) > WIDTH / 2 - 150 or abs(p[1]) > HEIGHT / 2 - 150)
    city = {
        "name": "Port Maravel",
        "latitude": LATITUDE,
        "longitude": LONGITUDE,
        "unit": UNIT,
        "bounds": [*_steps((-WIDTH / 2, -HEIGHT / 2)), *_steps((WIDTH / 2, HEIGHT / 2))],
        "sea": [_flat(simplify(terrain.sea, 3))],
        "river": [_flat(simplify(terrain.river, 2))],
        "built": [_flat(ring) for ring in _built(terrain)],
        "woods": [_flat(simplify(ring, 4)) for ring in terrain.woods],
        "parks": [
            {"name": name, "points": _flat(simplify(ring, 2))} for name, ring in terrain.parks
        ],
        "breakwaters": [_flat(line) for line in BREAKWATERS],
        "places": [{"name": d.name, "at": _flat([d.centre])} for d in DISTRICTS],
        "streets": [
            {
                "name": road.name,
                "class": road.kind,
                "points": _flat(network.points[node] for node in chain),
            }
            for road, chain in network.roads
        ],
    }
    return json.dumps(city, separators=(",", ":")) + "\n"
