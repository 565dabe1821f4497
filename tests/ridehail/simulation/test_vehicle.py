import math
import random
from itertools import islice, pairwise

import pytest

from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.vehicle import GPS_ACCURACY, GPS_WORST, Vehicle


@pytest.fixture(scope="module")
def city():
    return City.load()


def drives(city, *, vehicles=15, seconds=400, step=1.0):
    """Return the tracks of some vehicles: a position after each step."""
    for seed in range(vehicles):
        vehicle = Vehicle(city, random.Random(seed))
        yield [vehicle.advance(step) for _ in range(round(seconds / step))]


def test_the_same_seed_drives_the_same_way(city):
    first, second = (list(islice(drives(city), 2)) for _ in range(2))
    assert first == second
    assert first[0] != first[1]


@pytest.mark.parametrize("step", [0.2, 1.0, 5.0])
def test_a_vehicle_stays_on_the_streets_within_the_error_of_its_gps(city, step):
    cells = {}
    for a, ways in enumerate(city.roads):
        for b in ways:
            (ax, ay), (bx, by) = city.points[a], city.points[b]
            for k in range(math.ceil(city.distance(a, b) / 5) + 1):
                part = min(1.0, 5 * k / city.distance(a, b))
                x, y = ax + (bx - ax) * part, ay + (by - ay) * part
                cells.setdefault((round(x / 20), round(y / 20)), []).append((x, y))
    for track in drives(city, vehicles=6, step=step):
        for position in track:
            x, y = city.metres(position.latitude, position.longitude)
            near = [
                math.dist((x, y), p)
                for cx in (-1, 0, 1)
                for cy in (-1, 0, 1)
                for p in cells.get((round(x / 20) + cx, round(y / 20) + cy), ())
            ]
            # Half of what the street's points are apart comes on top.
            assert min(near) < GPS_WORST * math.sqrt(2) + 2.5


def test_a_vehicle_keeps_to_the_speed_limits_and_covers_the_ground_that_its_speed_says(city):
    for track in drives(city):
        for before, after in pairwise(track):
            assert 0 <= after.speed <= 16.71
            moved = math.dist(
                city.metres(before.latitude, before.longitude),
                city.metres(after.latitude, after.longitude),
            )
            # A second at the faster of the two speeds, and the jitter of two measurements.
            assert moved <= max(before.speed, after.speed) + 1.8 + 4


def test_a_vehicle_brakes_and_accelerates_as_a_car_does(city):
    for track in drives(city):
        for before, after in pairwise(track):
            if after.speed > 0:  # the last half metre to the kerb ends at once
                assert -5 <= after.speed - before.speed <= 2


def test_the_heading_is_the_direction_of_motion(city):
    agree = total = 0
    for track in drives(city):
        for before, after in pairwise(track):
            if before.speed > 5 and after.speed > 5:
                ax, ay = city.metres(before.latitude, before.longitude)
                bx, by = city.metres(after.latitude, after.longitude)
                course = math.degrees(math.atan2(bx - ax, by - ay))
                off = abs((course - after.heading + 180) % 360 - 180)
                assert 0 <= after.heading < 360
                total += 1
                agree += off < 30
    # Not in corners, and not where the error of the GPS is as long as the way.
    assert total > 1000
    assert agree / total > 0.93


def test_the_accuracy_is_a_phones_in_a_street(city):
    accuracies = [position.accuracy for track in drives(city) for position in track]
    assert GPS_ACCURACY <= min(accuracies) < max(accuracies) < 3 * GPS_ACCURACY
    assert len({round(accuracy, 1) for accuracy in accuracies}) > 10


def test_a_vehicle_does_not_turn_round_on_the_way(city):
    for track in drives(city):
        turns = [
            abs((after.heading - before.heading + 180) % 360 - 180)
            for before, after in pairwise(track)
            if before.speed > 2 and after.speed > 2
        ]
        assert sum(turn > 150 for turn in turns) == 0


def test_a_vehicle_stops_at_the_kerb_for_a_while_and_drives_on(city):
    stops = []
    for track in drives(city, vehicles=8, seconds=900):
        standing = 0
        for position in track:
            if position.speed == 0:
                standing += 1
            elif standing:
                stops.append(standing)
                standing = 0
    assert len(stops) > 10
    assert all(7 <= stop <= 47 for stop in stops)


def sent(city, seed, places=5):
    """Yield a vehicle, the place to which it is sent, and its track, from one place to the next.

    It is sent on while it drives, and the last times from a standstill.
    """
    rng = random.Random(seed)
    vehicle = Vehicle(city, random.Random(seed))
    for number in range(places):
        place = rng.choice(city.destinations)
        vehicle.drive_to(place)
        track = [vehicle.advance(1.0) for _ in range(rng.randrange(2, 60) if number < 2 else 2000)]
        yield vehicle, place, track


@pytest.mark.parametrize("seed", range(6))
def test_a_vehicle_drives_to_the_place_to_which_it_is_sent_and_stays_there(city, seed):
    for number, (vehicle, place, track) in enumerate(sent(city, seed)):
        if number < 2:
            continue
        assert vehicle.arrived
        assert track[-1].speed == 0
        there = city.metres(track[-1].latitude, track[-1].longitude)
        assert math.dist(there, city.points[place]) < GPS_WORST * math.sqrt(2)


@pytest.mark.parametrize("seed", range(6))
def test_a_vehicle_that_is_sent_elsewhere_still_moves_as_a_car_does(city, seed):
    track = [position for _, _, part in sent(city, seed) for position in part]
    for before, after in pairwise(track):
        moved = math.dist(
            city.metres(before.latitude, before.longitude),
            city.metres(after.latitude, after.longitude),
        )
        assert moved <= max(before.speed, after.speed) + 1.8 + 4
        if after.speed > 0:
            assert -5 <= after.speed - before.speed <= 2
        turn = abs((after.heading - before.heading + 180) % 360 - 180)
        if turn > 170:  # it turns round in the road
            assert min(before.speed, after.speed) <= 4


def test_the_same_seed_drives_the_same_way_to_the_same_places(city):
    first, second = ([track for _, _, track in sent(city, 3)] for _ in range(2))
    assert first == second


def test_a_vehicle_sent_to_where_it_stands_has_arrived_at_once(city):
    *_, (vehicle, place, _) = sent(city, 1)
    vehicle.drive_to(place)
    assert not vehicle.arrived
    vehicle.advance(1.0)
    assert vehicle.arrived


def test_a_vehicle_cruises_again_after_it_was_parked(city):
    *_, (vehicle, _, track) = sent(city, 1)
    stood_at = track[-1]
    vehicle.cruise(after=30)
    track = [vehicle.advance(1.0) for _ in range(60)]
    assert not vehicle.arrived
    assert all(position.speed == 0 for position in track[:29])
    assert all(position.speed > 0 for position in track[32:40])
    assert track[-1] != stood_at


def test_a_vehicle_released_on_its_way_goes_on_cruising(city):
    vehicle = Vehicle(city, random.Random(1))
    vehicle.drive_to(city.destinations[5])
    vehicle.advance(10.0)
    vehicle.cruise(after=100)
    track = [vehicle.advance(1.0) for _ in range(2000)]
    stops = [a.speed > 0 and b.speed == 0 for a, b in pairwise(track)]
    assert sum(stops) > 1
    assert not vehicle.arrived
