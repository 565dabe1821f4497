"""Lines become a street network: crossings shared, ends joined, stubs and islands removed."""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from .geometry import Point, bounding_cells, crossing, lerp
from .roads import Road

CELL = 100.0
SNAP = 13.0  # crossings nearer than this are one crossing
REACH = 140.0  # how far an open end is drawn on to meet the next street
Chain = list[int]


class _Segments:
    """A spatial index of the segments of all lines."""

    def __init__(self, lines: list[list[Point]]) -> None:
        self.lines = lines
        self.cells: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for number, line in enumerate(lines):
            for i in range(len(line) - 1):
                self.add(number, i)

    def add(self, number: int, i: int) -> None:
        for cell in bounding_cells(self.lines[number][i : i + 2], CELL):
            self.cells.setdefault(cell, []).append((number, i))

    def crossings(self, a: Point, b: Point, but: int) -> Iterator[tuple[float, int, int, float]]:
        """Yield (fraction along ab, line, segment, fraction along it) for each crossing."""
        seen: set[tuple[int, int]] = set()
        for cell in bounding_cells((a, b), CELL):
            for number, i in self.cells.get(cell, ()):
                if number != but and (number, i) not in seen:
                    seen.add((number, i))
                    hit = crossing(a, b, self.lines[number][i], self.lines[number][i + 1])
                    if hit is not None:
                        yield hit[0], number, i, hit[1]


def join_ends(lines: list[list[Point]], first: int, dry: Callable[[Point], bool]) -> None:
    """Extend the open ends of lines[first:] straight, over dry land, to the next street."""
    segments = _Segments(lines)
    for number in range(first, len(lines)):
        for _ in range(2):
            line = lines[number]
            a, b = line[-2], line[-1]
            length = math.dist(a, b)
            ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
            start = (b[0] - ux * SNAP, b[1] - uy * SNAP) if length > SNAP else a
            far = (b[0] + ux * REACH, b[1] + uy * REACH)
            hit = min(segments.crossings(start, far, number), default=None)
            if hit is not None:
                end = lerp(start, far, hit[0])
                steps = max(1, int(math.dist(b, end) / 15))
                if all(dry(lerp(b, end, k / steps)) for k in range(steps)):
                    # A little beyond, so that rounding leaves no gap; the stub is trimmed later.
                    line[-1] = (round(end[0] + ux * 2, 2), round(end[1] + uy * 2, 2))
                    segments.add(number, len(line) - 2)
            line.reverse()
            # Turned twice, the segments are back in place for the next line's look-ups.


class Network:
    """Points by number, and each road as a chain of them."""

    def __init__(self, roads: list[Road], keep: Callable[[Point], bool]) -> None:
        self.points: list[Point] = []
        self._cells: dict[tuple[int, int], list[int]] = {}
        self.roads: list[tuple[Road, Chain]] = []
        lines = [road.line for road in roads]
        segments = _Segments(lines)
        chains = [self._chain(number, lines, segments) for number in range(len(lines))]
        self._take(roads, chains)
        self._trim({i for i, p in enumerate(self.points) if keep(p)})
        self._largest_component()

    def _node(self, p: Point) -> int:
        cx, cy = math.floor(p[0] / SNAP), math.floor(p[1] / SNAP)
        best = min(
            (math.dist(self.points[n], p), n)
            for n in [
                n
                for x in (cx - 1, cx, cx + 1)
                for y in (cy - 1, cy, cy + 1)
                for n in self._cells.get((x, y), ())
            ]
            or [self._new(p, (cx, cy))]
        )
        return best[1] if best[0] <= SNAP else self._new(p, (cx, cy))

    def _new(self, p: Point, cell: tuple[int, int]) -> int:
        self.points.append(p)
        self._cells.setdefault(cell, []).append(len(self.points) - 1)
        return len(self.points) - 1

    def _chain(self, number: int, lines: list[list[Point]], segments: _Segments) -> Chain:
        line = lines[number]
        chain: Chain = []
        for i, (a, b) in enumerate(pairwise(line)):
            cuts = sorted(hit[0] for hit in segments.crossings(a, b, number))
            for t in [0.0, *cuts, *([1.0] if i == len(line) - 2 else [])]:
                node = self._node(lerp(a, b, t))
                if not chain or chain[-1] != node:
                    chain.append(node)
        return chain

    def _take(self, roads: list[Road], chains: list[Chain]) -> None:
        """Keep every shared edge in the first road that has it, and split the later roads."""
        taken: set[tuple[int, int]] = set()
        for road, chain in zip(roads, chains, strict=True):
            part = chain[:1]
            for a, b in pairwise(chain):
                edge = (min(a, b), max(a, b))
                if edge in taken:
                    self.roads.append((road, part))
                    part = [b]
                else:
                    taken.add(edge)
                    part.append(b)
            self.roads.append((road, part))
        self.roads = [(road, chain) for road, chain in self.roads if len(chain) > 1]

    def degrees(self) -> dict[int, int]:
        degrees: dict[int, int] = {}
        for _, chain in self.roads:
            for a, b in pairwise(chain):
                degrees[a] = degrees.get(a, 0) + 1
                degrees[b] = degrees.get(b, 0) + 1
        return degrees

    def _trim(self, kept: set[int]) -> None:
        """Remove dead ends until none is left, except the intended ones."""
        degrees = self.degrees()
        changed = True
        while changed:
            changed = False
            for _, chain in self.roads:
                for end in (-1, 0):
                    while len(chain) > 1 and degrees[chain[end]] == 1 and chain[end] not in kept:
                        degrees[chain[end]] -= 1
                        del chain[end]
                        degrees[chain[end]] -= 1
                        changed = True
        self.roads = [(road, chain) for road, chain in self.roads if len(chain) > 1]

    def _largest_component(self) -> None:
        parent = list(range(len(self.points)))

        def root(n: int) -> int:
            while parent[n] != n:
                parent[n] = parent[parent[n]]
                n = parent[n]
            return n

        for _, chain in self.roads:
            for node in chain[1:]:
                parent[root(node)] = root(chain[0])
        sizes: dict[int, int] = {}
        for _, chain in self.roads:
            sizes[root(chain[0])] = sizes.get(root(chain[0]), 0) + len(chain)
        largest = max(sizes, key=lambda n: sizes[n])
        self.roads = [(road, chain) for road, chain in self.roads if root(chain[0]) == largest]
