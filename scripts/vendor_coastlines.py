"""Copy the world's coastlines from an npm package: `python -m scripts.vendor_coastlines`.

world-atlas has Natural Earth's land polygons, which are in the public domain. The output suffices
for a base map without tiles: {"unit": degrees per step, "rings": [[x, y, dx, dy, …], …]}, in
longitude and latitude, with each point after a ring's first as the step from the point before.
"""

import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from scripts.vendor_leaflet import VENDOR, npm_package, read, write

PACKAGE: Final = "world-atlas@2.0.2"
INTEGRITY: Final = "sha512-IXfV0qwlKXpckz1FhwXVwKRjiIhOnWttOskm5CtxMsjgE/MXAYRHWJqgXOpM8IkcPBoXnyTU5lFHcYa5ChG0LQ=="  # noqa: E501
UNIT: Final = 0.01  # degrees, 1.1 km
TOLERANCE: Final = 0.03  # degrees that a dropped point may lie off the line
MIN_SIZE: Final = 0.15  # degrees across; smaller islands are left out

Point = tuple[float, float]


def arcs(topology: dict[str, Any]) -> list[list[Point]]:
    """Return TopoJSON's arcs in degrees (its specification, 2.1.3 and 2.1.4)."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    decoded = []
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            line.append((x * sx + tx, y * sy + ty))
        decoded.append(line)
    return decoded


def rings(topology: dict[str, Any]) -> list[list[Point]]:
    """Return every ring of the land, including lakes, which are rings inside rings."""
    lines = arcs(topology)
    found = []
    for geometry in topology["objects"]["land"]["geometries"]:
        for polygon in geometry["arcs"]:
            for indices in polygon:
                ring: list[Point] = []
                for index in indices:
                    line = lines[index] if index >= 0 else lines[~index][::-1]
                    ring += line[1:] if ring else line
                found.append(ring)
    return found


def simplify(line: list[Point]) -> list[Point]:
    """Simplify a line by the Ramer-Douglas-Peucker algorithm, without recursion."""
    keep = {0, len(line) - 1}
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        (ax, ay), (bx, by) = line[first], line[last]
        length = ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5
        farthest, index = 0.0, 0
        for i in range(first + 1, last):
            x, y = line[i]
            if length:
                off = abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / length
            else:  # a closed ring
                off = ((x - ax) ** 2 + (y - ay) ** 2) ** 0.5
            if off > farthest:
                farthest, index = off, i
        if farthest > TOLERANCE:
            keep.add(index)
            spans += [(first, index), (index, last)]
    return [line[i] for i in sorted(keep)]


def steps(ring: list[Point]) -> list[int]:
    points = [(round(x / UNIT), round(y / UNIT)) for x, y in ring]
    flat = [*points[0]]
    for (ax, ay), (bx, by) in pairwise(points):
        if (ax, ay) != (bx, by):
            flat += (bx - ax, by - ay)
    return flat


def is_big(ring: list[Point]) -> bool:
    return any(
        max(axis) - min(axis) > MIN_SIZE for axis in ([p[0] for p in ring], [p[1] for p in ring])
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        package = npm_package(PACKAGE, INTEGRITY, Path(directory))
    topology = json.loads(read(package, "land-50m.json"))
    land = {"unit": UNIT, "rings": [steps(simplify(r)) for r in rings(topology) if is_big(r)]}
    content = json.dumps(land, separators=(",", ":")) + "\n"
    files = {"LICENSE": read(package, "LICENSE"), "coastlines.json": content.encode()}
    write(VENDOR / "coastlines", files)


if __name__ == "__main__":
    main()
