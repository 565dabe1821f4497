"""The small streets: lines traced through a field of directions, as towns grow.

After Chen et al., "Interactive Procedural Street Modeling" (SIGGRAPH 2008): every place has a main
direction, from its quarter's grid, the shore and the main roads nearby; streets follow it or cross
it, and keep a block's distance from the ones that are there already.
"""

import math
import random
from itertools import pairwise

from .geometry import Point, PointIndex, simplify, spline
from .roads import Road
from .terrain import DISTRICTS, District, Noise, Terrain

STEP = 14.0
CELL = 40.0  # of the field
OLD_TOWN_HEART: Point = (330.0, -330.0)


class Field:
    """The main direction at each point."""

    def __init__(self, terrain: Terrain, roads: list[Road], rng: random.Random) -> None:
        self.terrain = terrain
        self.noise = Noise(520, rng)
        self._roads: PointIndex[Point] = PointIndex(250)
        for road in roads:
            fine = spline(road.line, 20)
            for a, b in pairwise(fine):
                self._roads.add(a, (b[0] - a[0], b[1] - a[1]))
        self._cells: dict[tuple[int, int], tuple[float, float]] = {}

    def _tensor(self, p: Point) -> tuple[float, float]:
        a = b = 0.0

        def pull(weight: float, angle: float) -> None:
            # A direction and its opposite are the same: doubled angles add up, plain ones do not.
            nonlocal a, b
            a, b = a + weight * math.cos(2 * angle), b + weight * math.sin(2 * angle)

        district = self.terrain.district_at(p)
        if district is not None:
            pull(1.0, math.radians(district.angle) + self.noise(p) * district.wobble * 0.9)
        dx, dy = p[0] - OLD_TOWN_HEART[0], p[1] - OLD_TOWN_HEART[1]
        pull(1.1 * math.exp(-(((dx * dx + dy * dy) / 780**2) ** 2)), math.atan2(dy, dx))
        distance, along = self.terrain.shore(p)
        pull(1.6 * math.exp(-max(distance, 0) / 160), math.atan2(along[1], along[0]))
        near = min(self._roads.near(p, 250), default=None)
        if near is not None:
            # A road running across the blocks turns them by a right angle, which is the same grid.
            angle = math.atan2(near[1][1], near[1][0])
            if a * math.cos(2 * angle) + b * math.sin(2 * angle) < 0:
                angle += math.pi / 2
            pull(1.2 * math.exp(-near[0] / 110), angle)
        return a, b

    def direction(self, p: Point) -> float:
        """Return the direction in radians counter-clockwise from east, modulo pi."""
        x, y = p[0] / CELL, p[1] / CELL
        ix, iy = math.floor(x), math.floor(y)
        a = b = 0.0
        for kx, wx in ((ix, ix + 1 - x), (ix + 1, x - ix)):
            for ky, wy in ((iy, iy + 1 - y), (iy + 1, y - iy)):
                if (kx, ky) not in self._cells:
                    self._cells[kx, ky] = self._tensor((kx * CELL, ky * CELL))
                ta, tb = self._cells[kx, ky]
                a, b = a + wx * wy * ta, b + wx * wy * tb
        return math.atan2(b, a) / 2


class Streets:
    """Traces the small streets between the main roads."""

    def __init__(self, terrain: Terrain, roads: list[Road], rng: random.Random) -> None:
        self.terrain, self.rng = terrain, rng
        self.field = Field(terrain, roads, rng)
        # One index for the lines along the field, one for those across it.
        self._taken: tuple[PointIndex[int], PointIndex[int]] = (PointIndex(60), PointIndex(60))
        self._sites: dict[tuple[int, int], District | None] = {}
        for number, road in enumerate(roads):
            fine = spline(road.line, STEP)
            for a, b in pairwise(fine):
                turn = math.atan2(b[1] - a[1], b[0] - a[0]) - self.field.direction(a)
                self._taken[abs(math.cos(turn)) < math.sqrt(0.5)].add(a, -1 - number)
        self.lines: list[list[Point]] = []

    def _site(self, p: Point) -> District | None:
        """Return the district of a point, or None if no street can be built there."""
        key = (math.floor(p[0] / 12), math.floor(p[1] / 12))
        if key not in self._sites:
            district = self.terrain.district_at(p)
            dry = district and self.terrain.shore(p)[0] > 45 and not self.terrain.park_at(p)
            self._sites[key] = district if dry else None
        return self._sites[key]

    def _follow(self, start: Point, across: int, spacing: float, sign: int) -> list[Point]:
        line = [start]
        heading = self.field.direction(start) + across * math.pi / 2 + (sign < 0) * math.pi
        p = start
        while len(line) < 150:
            half = self._turn_to(p, across, heading)
            middle = (p[0] + math.cos(half) * STEP / 2, p[1] + math.sin(half) * STEP / 2)
            heading = self._turn_to(middle, across, half)
            # Round at every step, so that the last bit of a machine's cosine cannot lead to a
            # different town.
            p = (
                round(p[0] + math.cos(heading) * STEP, 2),
                round(p[1] + math.sin(heading) * STEP, 2),
            )
            if self._site(p) is None:
                break
            if any(True for _ in self._taken[across].near(p, spacing * 0.58)):
                break
            if len(line) > 12 and math.dist(p, line[len(line) // 3]) < spacing:
                break
            line.append(p)
        return line

    def _turn_to(self, p: Point, across: int, heading: float) -> float:
        angle = self.field.direction(p) + across * math.pi / 2
        turns = round((heading - angle) / math.pi)
        return angle + turns * math.pi

    def trace(self) -> list[list[Point]]:
        """Return all small streets as lines with open ends."""
        for district in reversed(DISTRICTS):
            (cx, cy), (rx, ry) = district.centre, district.radii
            reach = max(rx, ry) * 1.2
            for _ in range(int(3.2 * rx * ry / (district.block[0] * district.block[1]) * 3)):
                seed = (
                    round(cx + (self.rng.random() * 2 - 1) * reach, 2),
                    round(cy + (self.rng.random() * 2 - 1) * reach, 2),
                )
                if self._site(seed) is district:
                    for across in (0, 1):
                        self._grow(seed, across, district.block[across])
        return self.lines

    def _grow(self, seed: Point, across: int, spacing: float) -> None:
        nearest = min((d for d, _ in self._taken[across].near(seed, spacing * 1.9)), default=None)
        # Start beside an existing street, so that blocks are regular.
        if nearest is not None and not spacing * 0.92 <= nearest <= spacing * 1.35:
            return
        back = self._follow(seed, across, spacing, -1)
        line = [*reversed(back[1:]), *self._follow(seed, across, spacing, 1)]
        if len(line) * STEP < spacing * 1.1:
            return
        for p in line:
            self._taken[across].add(p, len(self.lines))
        self.lines.append(simplify(line, 1.2))
