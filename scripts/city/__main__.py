"""Generate the made-up town: `python -m scripts.city` writes ridehail/demo/static/demo/city.json.

Members of the file, which the simulator and the base map read:

    name, latitude, longitude   of the town and of its origin
    unit                        degrees per step of every coordinate below
    bounds                      [west, south, east, north]
    sea, river, built, woods    lists of rings, each [x, y, x, y, …] from the origin, east and north
    parks, places               {"name", "points"} and {"name", "at"}
    breakwaters                 lines
    streets                     {"name", "class", "points"}; streets meet where they share a point
"""

import json

from ridehail.demo.simulation.city import CITY_FILE

from .build import build

if __name__ == "__main__":
    CITY_FILE.write_text(build(), encoding="utf-8")
    city = json.loads(CITY_FILE.read_text(encoding="utf-8"))
    print(f"{CITY_FILE}: {len(city['streets'])} streets, {CITY_FILE.stat().st_size // 1024} KiB")
