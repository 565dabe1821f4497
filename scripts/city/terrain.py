"""The ground under the town, drawn by hand in metres: sea, river, parks, districts."""

import math
import random
from itertools import pairwise
from typing import NamedTuple

from .geometry import Point, PointIndex, contains, lerp, spline

WIDTH, HEIGHT = 12_000.0, 9_000.0
FAR = 600.0  # beyond this, the distance to the shore changes nothing


class District(NamedTuple):
    """An elliptic quarter whose blocks lie at `angle` degrees (counter-clockwise from east)."""

    name: str
    centre: Point
    radii: tuple[float, float]
    angle: float
    block: tuple[float, float]  # block depth and length, metres
    wobble: float  # 0: ruler-straight; 1: as crooked as an old town


# The first district that contains a point determines its blocks.
DISTRICTS = [
    District("Old Town", (330, -330), (900, 760), 20, (72, 88), 1.0),
    District("Anchor Side", (-1500, -680), (900, 560), 24, (95, 150), 0.15),
    District("New Town", (-1780, 380), (1480, 1250), 10, (95, 165), 0.0),
    District("Lantern Hill", (1650, -1450), (820, 1150), 62, (105, 140), 0.6),
    District("Chandlers", (1550, 480), (1350, 1150), -14, (100, 160), 0.15),
    District("Northgate", (-1350, 2500), (1250, 900), -22, (115, 165), 0.35),
    District("Mill Fields", (1000, 2500), (1100, 700), 12, (120, 160), 0.4),
    District("Eastcliff", (3700, -850), (1350, 1150), 6, (120, 185), 0.5),
    District("Westmere", (-4050, -700), (1250, 1050), -12, (120, 185), 0.5),
    District("Sheepcote", (3500, 1500), (900, 700), 28, (125, 180), 0.7),
    District("Aldersey", (-4100, 1500), (800, 620), 16, (125, 180), 0.7),
]

COAST = [
    (-9000, -2300), (-7000, -2350), (-5600, -2150), (-4500, -2300), (-3500, -2520),
    (-2700, -2350), (-2150, -1800), (-1700, -1330), (-1200, -1180), (-760, -1130),
    (-420, -1150), (150, -1210), (640, -1400), (900, -1780), (1010, -2250), (1230, -2780),
    (1650, -3080), (2120, -3000), (2450, -2650), (3000, -2420), (3800, -2380),
    (4700, -2480), (5600, -2750), (7000, -2900), (9000, -3000),
]  # fmt: skip
RIVER = [
    (2750, 7000), (2500, 5200), (2150, 4300), (1450, 3750), (350, 3350), (130, 2750),
    (420, 2150), (180, 1550), (-330, 1080), (-560, 520), (-430, -60), (-520, -620), (-590, -1300),
]  # fmt: skip
PARKS: list[tuple[str, list[Point]]] = [
    ("Queen's Gardens", [(-1960, 640), (-1330, 751), (-1275, 436), (-1905, 325)]),
    ("Citadel Park", [(1290, -2560), (1560, -2380), (1960, -2440), (2200, -2690), (1900, -2890),
                      (1560, -2900)]),
    ("Botanic Garden", [(1500, 900), (1880, 830), (1980, 1130), (1700, 1330), (1420, 1220)]),
    ("Mariners' Green", [(-2560, -1050), (-2160, -880), (-2040, -1140), (-2420, -1310)]),
    ("Weir Meadows", [(-520, 1640), (-180, 1700), (60, 2060), (-120, 2160), (-440, 2000)]),
    ("Abbey Close", [(640, 60), (840, 90), (860, -90), (680, -130)]),
]  # fmt: skip
FORMAL = {"Queen's Gardens", "Abbey Close"}  # straight sides, sharp corners
WOODS: list[list[Point]] = [
    [(-6900, 2400), (-5400, 2150), (-4700, 2700), (-3500, 2800), (-3000, 3600), (-3400, 5200),
     (-6900, 5200)],
    [(3600, 3000), (4700, 2500), (5400, 2900), (6900, 2500), (6900, 5200), (4300, 5200),
     (3300, 4200)],
    [(4900, -300), (5500, -100), (6100, -500), (5900, -1300), (5200, -1400), (4950, -900)],
]  # fmt: skip
BREAKWATERS: list[list[Point]] = [
    [(-1730, -1340), (-1500, -1620), (-1080, -1800)],
    [(690, -1440), (300, -1760), (-220, -1850)],
    [(-60, -1190), (-130, -1470)],
    [(230, -1240), (130, -1500)],
]


def half_width(y: float) -> float:
    """Return half the river's width in metres: 28 in the hills, 85 at the sea."""
    return 28 + 57 * min(max((2600 - y) / 3700, 0.0), 1.0)


def rough(line: list[Point], amount: float, rng: random.Random) -> list[Point]:
    """Make a drawn shore look natural, by midpoint displacement in three passes."""
    for _ in range(3):
        finer: list[Point] = []
        for a, b in pairwise(line):
            shift = (rng.random() - 0.5) * amount * math.dist(a, b)
            mx, my = lerp(a, b, 0.5)
            length = math.dist(a, b)
            finer += [a, (mx - (b[1] - a[1]) / length * shift, my + (b[0] - a[0]) / length * shift)]
        line = [*finer, line[-1]]
    return line


class Noise:
    """Smooth value noise from -1 to 1, over a lattice of `scale` metres."""

    def __init__(self, scale: float, rng: random.Random) -> None:
        self.scale = scale
        self.table = [[rng.random() * 2 - 1 for _ in range(64)] for _ in range(64)]

    def __call__(self, p: Point) -> float:
        x, y = p[0] / self.scale, p[1] / self.scale
        ix, iy = math.floor(x), math.floor(y)
        tx, ty = ((t * t * (3 - 2 * t)) for t in (x - ix, y - iy))
        rows = [self.table[(iy + k) % 64] for k in (0, 1)]
        low, high = (row[ix % 64] * (1 - tx) + row[(ix + 1) % 64] * tx for row in rows)
        return low * (1 - ty) + high * ty


class Terrain:
    def __init__(self, rng: random.Random) -> None:
        quay = COAST[8:13]  # stays straight: people built it
        self.coast = (
            rough(spline(COAST[:9], 400), 0.16, rng)[:-1]
            + spline(quay, 120)
            + rough(spline(COAST[12:], 400), 0.16, rng)[1:]
        )
        self.sea = [*self.coast, (9000.0, -9000.0), (-9000.0, -9000.0), self.coast[0]]
        self.river_line = spline(RIVER, 40)
        self.river = self._banks()
        self.parks = [
            (name, [*ring, ring[0]] if name in FORMAL else spline(ring, 60, closed=True))
            for name, ring in PARKS
        ]
        self.woods = [rough(spline(ring, 300, closed=True), 0.2, rng) for ring in WOODS]
        self.edge = Noise(420, rng)
        self._shore: PointIndex[Point] = PointIndex(FAR)
        fine = spline(self.coast, 25)
        for a, b in pairwise(fine):
            self._shore.add(a, (b[0] - a[0], b[1] - a[1]))
        self._current: PointIndex[tuple[float, Point]] = PointIndex(FAR)
        for a, b in zip(self.river_line, self.river_line[1:], strict=False):
            self._current.add(a, (half_width(a[1]), (b[0] - a[0], b[1] - a[1])))

    def _banks(self) -> list[Point]:
        left: list[Point] = []
        right: list[Point] = []
        for a, b in zip(self.river_line, self.river_line[1:], strict=False):
            length, w = math.dist(a, b), half_width(a[1])
            nx, ny = -(b[1] - a[1]) / length * w, (b[0] - a[0]) / length * w
            left.append((a[0] + nx, a[1] + ny))
            right.append((a[0] - nx, a[1] - ny))
        return [*left, *reversed(right), left[0]]

    def shore(self, p: Point) -> tuple[float, Point]:
        """Return the metres to the nearest water, up to FAR, negative in water, and the shore's
        direction.
        """
        sea = min(self._shore.near(p, FAR), default=(FAR, (1.0, 0.0)))
        if contains(self.sea, p):
            return -sea[0], sea[1]
        banks = [(d - w, along) for d, (w, along) in self._current.near(p, FAR)]
        return min([sea, *banks])

    def park_at(self, p: Point) -> bool:
        return any(contains(ring, p) for _, ring in self.parks)

    def district_at(self, p: Point) -> District | None:
        """Return the built-up district at a point, or None. Edges are irregular, not elliptic."""
        for district in DISTRICTS:
            (cx, cy), (rx, ry) = district.centre, district.radii
            turn = math.radians(district.angle)
            dx, dy = p[0] - cx, p[1] - cy
            u = (dx * math.cos(turn) + dy * math.sin(turn)) / rx
            v = (dy * math.cos(turn) - dx * math.sin(turn)) / ry
            if math.hypot(u, v) < 1 + 0.16 * self.edge(p):
                return district
        return None
