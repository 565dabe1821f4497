"""Draws the made-up town: `python -m scripts.city` writes tracking/static/tracking/city.json.

The file, for the simulator and for the base map:

    name, latitude, longitude   of the town and of its origin
    unit                        degrees per step of every coordinate below
    bounds                      [west, south, east, north]
    sea, river, built, woods    lists of rings, each [x, y, x, y, …] from the origin, east and north
    parks, places               {"name", "points"} and {"name", "at"}
    breakwaters                 lines
    streets                     {"name", "class", "points"}; streets meet where they share a point
"""

import json
from pathlib import Path

from .build import build

if __name__ == "__main__":
    target = Path(__file__).parents[2] / "tracking" / "static" / "tracking" / "city.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(build(), encoding="utf-8")
    city = json.loads(target.read_text(encoding="utf-8"))
    print(f"{target}: {len(city['streets'])} streets, {target.stat().st_size // 1024} KiB")
