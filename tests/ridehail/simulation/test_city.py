import json

import pytest

from ridehail.demo.simulation.city import CITY_FILE, City
from scripts.city.build import build


@pytest.mark.long
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


def grid(*streets):
    """Return a city of the streets, each with a name and its points 11 m apart."""
    return City(
        {
            "latitude": 0.0,
            "longitude": 0.0,
            "unit": 1e-4,
            "streets": [
                {
                    "name": name,
                    "class": "residential",
                    "points": [value for point in points for value in point],
                }
                for name, *points in streets
            ],
        }
    )


def test_a_vehicle_goes_round_the_block_rather_than_turn_in_the_road():
    city = grid(("Block", (0, 0), (0, 2), (2, 2), (1, 0), (0, 0)))
    assert city.route(1, 0) == [1, 0]
    assert city.route(1, 0, coming_from=0) == [1, 2, 3, 0]
    assert city.route(1, 0, coming_from=2) == [1, 0]


def test_a_vehicle_turns_round_where_the_way_round_is_long_or_missing():
    long = grid(("Block", (0, 0), (0, 2), (200, 2), (200, 0), (0, 0)))
    assert long.route(1, 0, coming_from=0) == [1, 0]
    dead_end = grid(("Close", (0, 0), (0, 2), (0, 4)))
    assert dead_end.route(2, 0, coming_from=1) == [2, 1, 0]


def test_a_waypoint_is_named_after_the_streets_that_meet_there():
    city = grid(("Mill Road", (0, 0), (0, 2)), ("Abbey Road", (2, 2), (0, 2)))
    assert city.waypoint("pickup", 1) == {
        "kind": "pickup",
        "lat": 0.0002,
        "lon": 0.0,
        "name": "Mill Road / Abbey Road",
    }
    assert city.waypoint("stop", 0)["name"] == "Mill Road"


def test_the_nearest_place_is_found_by_degrees():
    city = City.load()
    for place in city.destinations[:5]:
        waypoint = city.waypoint("stop", place)
        assert city.nearest(waypoint["lat"], waypoint["lon"], range(len(city.points))) == place
