"""Plane geometry in metres: x east, y north of the city's origin."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Generic, TypeVar

Point = tuple[float, float]
T = TypeVar("T")


def lerp(a: Point, b: Point, t: float) -> Point:
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t)


def spline(control: Sequence[Point], step: float, *, closed: bool = False) -> list[Point]:
    """Return a Catmull-Rom curve through the control points, about one point per `step` metres."""
    n = len(control)
    curve: list[Point] = []
    for i in range(n if closed else n - 1):
        if closed:
            p0, p1, p2, p3 = (control[(i + k) % n] for k in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = (control[min(max(i + k, 0), n - 1)] for k in (-1, 0, 1, 2))
        pieces = max(1, round(math.dist(p1, p2) / step))
        for k in range(pieces):
            t = k / pieces
            curve.append(
                (
                    catmull_rom(p0[0], p1[0], p2[0], p3[0], t),
                    catmull_rom(p0[1], p1[1], p2[1], p3[1], t),
                )
            )
    curve.append(curve[0] if closed else control[-1])
    return curve


def catmull_rom(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )


def crossing(a: Point, b: Point, c: Point, d: Point) -> tuple[float, float] | None:
    """Return the crossing of segments ab and cd, as fractions along each, or None."""
    rx, ry, sx, sy = b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1]
    cross = rx * sy - ry * sx
    if abs(cross) < 1e-9:
        return None
    qx, qy = c[0] - a[0], c[1] - a[1]
    t, u = (qx * sy - qy * sx) / cross, (qx * ry - qy * rx) / cross
    return (t, u) if 0 <= t <= 1 and 0 <= u <= 1 else None


def distance_to_segment(p: Point, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    t = 0.0 if length == 0 else ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length
    return math.dist(p, lerp(a, b, min(max(t, 0.0), 1.0)))


def simplify(line: Sequence[Point], tolerance: float) -> list[Point]:
    """Simplify a line by the Douglas-Peucker algorithm, with an error of at most `tolerance`."""
    if len(line) < 3:
        return list(line)
    a, b = line[0], line[-1]
    far, worst = 0, -1.0
    for i in range(1, len(line) - 1):
        off = distance_to_segment(line[i], a, b)
        if off > worst:
            far, worst = i, off
    if worst <= tolerance:
        return [a, b]
    return simplify(line[: far + 1], tolerance)[:-1] + simplify(line[far:], tolerance)


def contains(ring: Sequence[Point], p: Point) -> bool:
    """Return whether the closed ring contains the point (even-odd rule)."""
    inside = False
    x, y = p
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


class PointIndex(Generic[T]):
    """A spatial index of points with values: a hash of square cells."""

    def __init__(self, cell: float) -> None:
        self.cell = cell
        self.cells: dict[tuple[int, int], list[tuple[Point, T]]] = {}

    def add(self, p: Point, value: T) -> None:
        key = (math.floor(p[0] / self.cell), math.floor(p[1] / self.cell))
        self.cells.setdefault(key, []).append((p, value))

    def near(self, p: Point, radius: float) -> Iterator[tuple[float, T]]:
        """Yield (distance, value) for every point within `radius`."""
        x0, x1 = (math.floor((p[0] + d) / self.cell) for d in (-radius, radius))
        y0, y1 = (math.floor((p[1] + d) / self.cell) for d in (-radius, radius))
        for cx in range(x0, x1 + 1):
            for cy in range(y0, y1 + 1):
                for q, value in self.cells.get((cx, cy), ()):
                    distance = math.dist(p, q)
                    if distance <= radius:
                        yield distance, value


def bounding_cells(points: Iterable[Point], cell: float) -> Iterator[tuple[int, int]]:
    xs, ys = zip(*points, strict=True)
    for cx in range(math.floor(min(xs) / cell), math.floor(max(xs) / cell) + 1):
        for cy in range(math.floor(min(ys) / cell), math.floor(max(ys) / cell) + 1):
            yield cx, cy
