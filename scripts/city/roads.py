"""The main roads, drawn by hand in metres: ring, arterials, bridges, roads along the water."""

from typing import NamedTuple

from .geometry import Point, spline
from .terrain import Terrain


class Road(NamedTuple):
    name: str
    kind: str  # "primary", "secondary" or "residential", the classes of OpenStreetMap
    line: list[Point]


_PLAZA = (330.0, -330.0)
_MAIN: list[tuple[str, str, list[Point]]] = [
    ("Ring Road", "primary", [(-2760, -1560), (-3180, -700), (-3080, 500), (-2500, 1500),
        (-1350, 1880), (-250, 2330), (320, 2440), (1000, 2060), (2000, 1700), (2780, 900),
        (2980, -200), (2840, -1150), (2560, -1900)]),
    ("Quayside", "primary", [(-2760, -1560), (-2280, -1540), (-1820, -1120), (-1250, -980),
        (-560, -880), (-140, -960), (420, -1110), (800, -1330), (1080, -1650), (1400, -2000),
        (2000, -2200), (2560, -1900)]),
    ("Western Avenue", "primary", [(-300, -60), (-560, -40), (-1300, 60), (-2100, 200),
        (-3160, 180), (-4400, 380), (-5300, 260), (-6900, 420)]),
    ("Bridge Street", "primary", [_PLAZA, (20, -130), (-300, -60)]),
    ("Eastern Avenue", "primary", [_PLAZA, (900, -300), (1600, -140), (2300, -180), (2990, -100),
        (4100, 60), (5200, 340), (6900, 300)]),
    ("Abbey Road", "primary", [_PLAZA, (420, 150), (560, 700), (950, 1300), (1560, 1820),
        (2150, 2500), (2700, 3400), (3050, 4200), (3300, 5400)]),
    ("Granary Road", "primary", [(-1060, 40), (-900, 700), (-1000, 1300), (-1350, 1880),
        (-1700, 2700), (-2050, 3500), (-2000, 4300), (-2250, 5400)]),
    ("Castle Road", "primary", [_PLAZA, (720, -640), (1150, -1080), (1500, -1560), (1690, -2140),
        (1640, -2420)]),
    ("Coast Road West", "primary", [(-2760, -1560), (-3500, -1880), (-4500, -1800), (-5500, -1720),
        (-6900, -1900)]),
    ("Coast Road East", "primary", [(2560, -1900), (3300, -2050), (4200, -2020), (5200, -2160),
        (6900, -2440)]),
    ("Weir Road", "secondary", [(-960, 1180), (-620, 1220), (-330, 1080), (10, 960), (560, 760)]),
    ("Mill Road", "secondary", [(-1650, 2600), (-700, 2860), (130, 2850), (900, 2700),
        (2050, 2380)]),
    ("Old Weir Lane", "secondary", [(-1280, -960), (-1150, -420), (-1060, 40)]),
    ("Cross Avenue", "secondary", [(-2280, -1500), (-2060, -560), (-2100, 200), (-2230, 900),
        (-2360, 1640)]),
    ("Market Road", "secondary", [(560, 700), (1250, 540), (2000, 560), (2900, 640)]),
    ("Tower Road", "secondary", [(1000, -940), (1700, -980), (2300, -900), (2900, -900)]),
    ("Links Road", "secondary", [(3560, -30), (3700, -800), (3640, -1500), (3560, -2060)]),
    ("Mere Road", "secondary", [(-4140, 330), (-4180, -400), (-4050, -1200), (-4120, -1800)]),
    ("Heath Road", "secondary", [(-3090, 400), (-3500, 1000), (-4100, 1420), (-4700, 1800),
        (-5600, 1900), (-6900, 1750)]),
    ("Down Road", "secondary", [(2700, 1020), (3300, 1350), (3800, 1700), (4500, 2200),
        (5500, 2300), (6900, 1900)]),
    ("Fell Lane", "secondary", [(-2050, 3500), (-1200, 3720), (-200, 3640), (420, 3400),
        (1300, 3080), (2150, 2500)]),
    ("Drover's Road", "secondary", [(-3940, 1340), (-3700, 2050), (-3100, 2560), (-2400, 2900),
        (-1740, 2800)]),
    ("Shepherd's Way", "secondary", [(3300, 1350), (2950, 1950), (2900, 2600), (2500, 3040)]),
    ("Cliff Lane", "secondary", [(4200, 80), (4780, -620), (4740, -1500), (4560, -2050)]),
]  # fmt: skip


def main_roads(terrain: Terrain) -> list[Road]:
    """Return the main roads, and a road around each park."""
    roads = [Road(name, kind, spline(control, 45)) for name, kind, control in _MAIN]
    around = {
        "Queen's Gardens": "Queen's Circus",
        "Citadel Park": "Citadel Walk",
        "Botanic Garden": "Garden Row",
        "Mariners' Green": "Green Row",
        "Weir Meadows": "Meadow Walk",
        "Abbey Close": "The Close",
    }
    return roads + [Road(around[name], "residential", ring) for name, ring in terrain.parks]
