import json

from ridehail.demo.simulation.city import CITY_FILE, City
from scripts.city.build import build


def test_the_file_is_what_the_generator_writes_byte_for_byte():
    assert build().encode() == CITY_FILE.read_bytes()


def test_the_file_is_small_enough_for_a_phone():
    assert CITY_FILE.stat().st_size < 250_000


def test_every_street_can_be_reached_from_every_other():
    city = City.load()
    reached, ahead = {0}, [0]
    while ahead:
        for neighbour in city.roads[ahead.pop()]:
            if neighbour not in reached:
                reached.add(neighbour)
                ahead.append(neighbour)
    assert len(reached) == len(city.points)


def test_dead_ends_are_only_at_the_edge_of_the_map():
    city = City.load()
    ends = [p for p, ways in zip(city.points, city.roads, strict=True) if len(ways) == 1]
    assert all(abs(x) > 5700 or abs(y) > 4200 for x, y in ends)


def test_the_location_of_the_contracts_example_is_in_the_streets():
    city = City.load()
    x, y = city.metres(-1.4354, 0.9871)
    assert min((x - px) ** 2 + (y - py) ** 2 for px, py in city.points) < 60**2


def test_degrees_and_metres_are_each_others_inverse():
    city = City.load()
    latitude, longitude = city.degrees(city.metres(-1.4354, 0.9871))
    assert abs(latitude - -1.4354) < 1e-12
    assert abs(longitude - 0.9871) < 1e-12


def test_every_layer_of_the_map_lies_in_whole_steps_and_rings_are_closed():
    data = json.loads(CITY_FILE.read_text(encoding="utf-8"))
    rings = data["sea"] + data["river"] + data["built"] + data["woods"]
    rings += [park["points"] for park in data["parks"]]
    assert all(isinstance(step, int) for ring in rings for step in ring)
    assert all(ring[:2] == ring[-2:] and len(ring) >= 8 for ring in rings)
    assert {street["class"] for street in data["streets"]} == {
        "primary",
        "secondary",
        "residential",
    }


def test_a_route_follows_the_streets_and_takes_the_fastest_way():
    # A square whose direct side is slow, and whose three others are fast.
    def street(kind, *points):
        return {"name": "", "class": kind, "points": [value for p in points for value in p]}

    city = City(
        {
            "latitude": 0.0,
            "longitude": 0.0,
            "unit": 1e-5,
            "streets": [
                street("residential", (0, 0), (0, 10), (0, 20), (0, 30)),
                street("primary", (0, 0), (4, 0), (4, 30), (0, 30)),
            ],
        }
    )
    route = [tuple(round(v / 1.11195) for v in city.points[p]) for p in city.route(0, 3)]
    assert route == [(0, 0), (4, 0), (4, 30), (0, 30)]
