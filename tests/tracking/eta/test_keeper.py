"""The keeper: what is computed when, with how many requests, and what failures cost."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio
from django.db import OperationalError

from tracking import changes
from tracking.drives import Drive, load_drives
from tracking.eta import keeper as keeper_module
from tracking.eta.engines import Refused
from tracking.eta.engines.osrm import OSRM
from tracking.eta.keeper import MAX_ROUTES, EtaKeeper
from tracking.eta.router import Router
from tracking.eta.rows import (
    Computed,
    Outcome,
    load_computed,
    load_routes,
    store,
)
from tracking.geo import METRES_PER_DEGREE
from tracking.polyline import encode

from ..fakes import NOON, Log, fix_of

METRE = 1 / METRES_PER_DEGREE
PICKUP = {"kind": "pickup", "lat": 1.5, "lon": 2.5, "name": None}
DROPOFF = {"kind": "dropoff", "lat": 1.5 + 5_000 * METRE, "lon": 2.5, "name": None}
# Along the meridian of both.
LINE = encode([(1.4, 2.5), (1.6, 2.5)])


class Database:
    """Fake rows: the trips by driver, and what is stored of their times of arrival."""

    def __init__(self):
        self.drives = {}
        self.stored = {}
        self.computed = {}
        self.routes = {}
        self.calls = Log()
        self.locked = set()
        self.error = None

    async def run(self, function, *args):
        self.calls.append(function.__name__)
        if self.error is not None:
            raise self.error
        if function is load_drives:
            return {pk: self.drives[pk] for pk in args[0] if pk in self.drives}
        if function in (load_computed, load_routes):
            known = self.computed if function is load_computed else self.routes
            return {pk: known[pk] for pk in args[0] if pk in known}
        assert function is store
        free = {pk: each for pk, each in args[0].items() if pk not in self.locked}
        self.stored |= free
        return Outcome(list(free), [pk for pk in args[0] if pk in self.locked])


class World:
    """A keeper with a fake clock, a fake database, and an engine over a socket."""

    def __init__(self, engine):
        self.second = 0.0
        self.database = Database()
        self.router = Router(engine)
        self.keeper = EtaKeeper(
            self.router, self.database.run, lambda: NOON + timedelta(seconds=self.second)
        )

    async def drive(self, driver_id=19, trip_id=7, status="enroute_to_pickup", **reached):
        self.database.drives[driver_id] = Drive(trip_id, status, [PICKUP, DROPOFF], reached)
        self.keeper.follow(driver_id, trip_id)
        self.keeper.trips_changed([trip_id])

    async def at(self, second, metres=None, east=0.0, drivers=(19,), **rest):
        """Have the drivers report how far south of the pickup they are, and tick."""
        self.second = second
        if metres is not None:
            for driver_id in drivers:
                place = {"latitude": 1.5 - metres * METRE, "longitude": 2.5 + east * METRE}
                self.keeper.observe(driver_id, fix_of(driver_id, second, **place, **rest))
        await self.keeper.tick()

    def eta(self, trip_id=7):
        """Return seconds, metres, confidence, waypoint and route of what is stored."""
        each = self.database.stored[trip_id]
        seconds = (each.arrives_at - each.computed_at).total_seconds()
        return round(seconds), round(each.distance), each.confidence, each.waypoint, each.route


@pytest.fixture
def announced(monkeypatch):
    announced = Log()
    monkeypatch.setattr(changes, "announce", lambda etas: announced.append(sorted(etas)))
    return announced


@pytest_asyncio.fixture
async def world(fake, announced, monkeypatch):
    # The tests tick themselves.
    monkeypatch.setattr(keeper_module, "TICK", 3600)
    fake.line = LINE
    world = World(OSRM(fake.url))
    yield world
    await world.keeper.close()


async def test_driver_without_trip_is_not_kept(world, fake):
    world.keeper.follow(19, None)
    await world.at(0, 900)
    assert (fake.requests, world.database.calls) == ([], [])


async def test_first_computation_has_a_route(world, fake, announced):
    await world.drive()
    await world.at(0, 1000)
    assert world.eta() == (120, 1200, "high", 0, LINE)
    assert (len(fake.routes), len(fake.tables)) == (1, 0)
    assert announced == [[7]]


async def test_nothing_is_computed_before_the_first_fix(world, fake):
    await world.drive()
    await world.at(0)
    assert fake.requests == []
    await world.at(1, 1000)
    assert world.eta()[:2] == (120, 1200)


async def test_at_most_one_computation_in_20_seconds(world, fake, announced):
    await world.drive()
    for second in range(100):
        await world.at(second, 1000 - second)
    assert (len(fake.routes), len(fake.tables)) == (1, 4)
    assert len(announced) == 5
    assert world.eta() == (110, 1104, "high", 0, None)


async def test_off_the_route_there_is_a_new_one_at_once(world, fake):
    await world.drive()
    await world.at(0, 1000)
    for second in range(1, 26):
        await world.at(second, 1000, east=140)
    assert (len(fake.routes), len(fake.tables)) == (1, 1)
    fake.line = encode([(1.4, 2.5 + 160 * METRE), (1.6, 2.5)])
    await world.at(26, 1000, east=160)
    assert (len(fake.routes), len(fake.tables)) == (2, 1)
    assert world.eta()[4] == fake.line
    for second in range(27, 46):
        await world.at(second, 1000, east=160)
    assert (len(fake.routes), len(fake.tables)) == (2, 1)


async def test_a_place_that_strays_from_the_line_is_not_asked_about_each_second(world, fake):
    await world.drive()
    await world.at(0, 1000)
    for second in range(1, 41):
        # The engine answers with a line where the car is not.
        await world.at(second, 1000, east=200 * (second % 2))
    assert len(fake.routes) + len(fake.tables) <= 4


async def test_a_car_that_says_nothing_new_is_not_computed_again(world, fake):
    await world.drive()
    await world.at(0, 1000)
    await world.at(100)
    await world.at(101, 500, heard_at=NOON + timedelta(seconds=101))
    assert len(fake.requests) == 1


async def test_late_fix_does_not_move_the_car_back(world, fake):
    await world.drive()
    await world.at(0, 1000)
    world.keeper.observe(19, fix_of(19, 19, latitude=1.5 - 800 * METRE))
    world.keeper.observe(19, fix_of(19, 5, latitude=1.5 - 950 * METRE))
    await world.at(20)
    assert world.eta()[0] == 96


async def test_next_waypoint_is_computed_at_once_with_a_route(world, fake):
    await world.drive()
    await world.at(0, 10)
    await world.drive(status="enroute_to_dropoff")
    await world.at(1, 0)
    assert world.eta() == (600, 6000, "high", 1, LINE)
    assert len(fake.routes) == 2


async def test_what_is_reached_here_counts_before_it_is_stored(world, fake):
    await world.drive(status="new")
    await world.at(0, 10)
    world.keeper.reached(19, 7, 0, "arrived")
    await world.at(30, 5)
    assert len(fake.requests) == 1
    world.keeper.reached(19, 7, 0, "departed")
    await world.at(31, 0)
    assert world.eta()[3] == 1
    # The database does not have it yet.
    world.keeper.trips_changed([7])
    await world.at(32, 0)
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("status", "reached"), [("arrived_at_pickup", {}), ("new", {"0": {"arrived": ""}})]
)
async def test_a_driver_that_waits_does_not_arrive_again(world, fake, status, reached):
    await world.drive(status=status, **reached)
    for second in (0, 30, 60):
        await world.at(second, 5)
    assert fake.requests == []


async def test_former_place_is_not_used_for_a_new_waypoint(world, fake):
    """The driver may report to another worker by now."""
    await world.drive()
    await world.at(0, 10)
    await world.drive(status="enroute_to_dropoff")
    await world.at(61)
    assert len(fake.requests) == 1
    await world.at(62, 0)
    assert len(fake.requests) == 2


async def test_end_of_the_trip_ends_it(world, fake):
    await world.drive()
    await world.at(0, 1000)
    world.keeper.states_changed({19: None})
    await world.at(30, 900)
    await world.drive()
    del world.database.drives[19]
    await world.at(60, 900)
    assert len(fake.requests) == 1
    assert world.keeper._drivers == {}


async def test_next_trip_of_a_driver_is_computed_at_once(world, fake):
    await world.drive()
    await world.at(0, 1000)
    await world.drive(trip_id=8)
    world.keeper.states_changed({19: 8})
    await world.at(1, 1000)
    assert world.eta(8) == (120, 1200, "high", 0, LINE)


async def many(world, count):
    drivers = range(100, 100 + count)
    for driver_id in drivers:
        await world.drive(driver_id, 1000 + driver_id)
    return drivers


async def test_many_trips_share_requests_and_one_upsert(world, fake, announced):
    drivers = await many(world, 120)
    await world.at(0, 1000, drivers=drivers)
    # All have a time at once, the lines follow.
    assert len(world.database.stored) == 120
    assert len(fake.routes) == MAX_ROUTES
    assert len(fake.tables) == 2
    for second in range(1, 6):
        await world.at(second, 1000, drivers=drivers)
    assert len(fake.routes) == 120
    assert {each.route for each in world.database.stored.values()} == {LINE}
    fake.requests.clear()
    world.database.calls.clear()
    announced.clear()
    await world.at(26, 900, drivers=drivers)
    assert (len(fake.routes), len(fake.tables)) == (0, 3)
    assert world.database.calls == ["load_computed", "store"]
    assert len(announced) == 1
    assert len(announced[0]) == 120


async def test_few_requests_at_the_same_time(world, fake):
    fake.delay = 0.01
    drivers = await many(world, 30)
    await world.at(0, 1000, drivers=drivers)
    assert fake.most == 4


async def test_another_workers_computation_counts(world, fake):
    await world.drive()
    world.database.computed[7] = Computed(19, 0, NOON - timedelta(seconds=5))
    world.database.routes[7] = LINE
    await world.at(0, 1000)
    await world.at(14, 900)
    assert fake.requests == []
    await world.at(15, 900)
    assert (len(fake.routes), len(fake.tables)) == (0, 1)
    assert world.eta()[4] is None


@pytest.mark.parametrize("stored", [(20, 0, 5), (19, 1, 5)])
async def test_a_computation_for_another_driver_or_waypoint_does_not_count(world, fake, stored):
    await world.drive()
    driver_id, waypoint, age = stored
    world.database.computed[7] = Computed(driver_id, waypoint, NOON - timedelta(seconds=age))
    world.database.routes[7] = LINE
    await world.at(0, 1000)
    assert len(fake.routes) == 1


async def test_a_restart_takes_over_the_stored_line(world, fake):
    await world.drive()
    world.database.computed[7] = Computed(19, 0, NOON - timedelta(seconds=50))
    world.database.routes[7] = LINE
    await world.at(0, 1000)
    assert (len(fake.routes), len(fake.tables)) == (0, 1)


async def test_without_an_engine_the_straight_line_is_a_guess(announced, monkeypatch):
    monkeypatch.setattr(keeper_module, "TICK", 3600)
    world = World(None)
    await world.drive()
    await world.at(0, 1000)
    assert world.eta() == (214, 1500, "low", 0, "")
    assert announced == [[7]]
    await world.keeper.close()


async def test_failing_engine_costs_the_confidence_only(world, fake):
    await world.drive()
    await world.at(0, 1000)
    fake.body = b"<html>Sign in</html>"
    await world.at(20, 900)
    # The line is still right, and the pace is the engine's.
    assert world.eta() == (108, 1080, "low", 0, None)
    await world.at(40, 900, east=500)
    assert world.eta()[2:] == ("low", 0, "")
    fake.body = None
    await world.at(60, 800)
    assert world.eta() == (96, 960, "high", 0, LINE)


async def test_engine_that_fails_is_left_alone(world, fake):
    await world.drive()
    fake.status = 500
    for second in range(0, 200, 20):
        await world.at(second, 1000 - second)
    assert len(fake.requests) == 3
    assert world.eta()[2] == "low"


async def test_engine_that_hangs_delays_no_other_tick_for_long(world, fake, monkeypatch):
    monkeypatch.setattr("tracking.eta.engines.base.TIMEOUT", 0.1)
    drivers = await many(world, 100)
    fake.hangs = True
    async with asyncio.timeout(2):
        await world.at(0, 1000, drivers=drivers)
    # As many at once, and two more before the third failure.
    assert len(fake.requests) <= 4 + 2
    assert {each.confidence for each in world.database.stored.values()} == {"low"}
    assert len(world.database.stored) == 100


async def test_place_that_the_engine_refuses_costs_the_others_nothing(world, fake):
    """Valhalla refuses a whole matrix if one car is far from all streets."""
    drivers = await many(world, MAX_ROUTES + 20)
    await world.at(0, 1000, drivers=drivers)
    for second in range(1, 4):
        await world.at(second, 1000, drivers=drivers)
    lost = drivers[7]
    ask = world.router._engine.matrix

    async def matrix(pairs):
        if any(start[1] != 2.5 for start, _ in pairs):
            raise Refused("no")
        return await ask(pairs)

    world.router._engine.matrix = matrix
    world.second = 40
    for driver_id in drivers:
        east = 100 if driver_id == lost else 0
        world.keeper.observe(
            driver_id,
            fix_of(driver_id, 40, latitude=1.5 - 900 * METRE, longitude=2.5 + east * METRE),
        )
    await world.keeper.tick()
    confidences = {pk: each.confidence for pk, each in world.database.stored.items()}
    assert [pk for pk, each in confidences.items() if each == "low"] == [1000 + lost]
    assert world.router.is_closed


async def test_database_that_is_away_costs_nothing_but_times(world, fake, announced):
    await world.drive()
    world.database.error = OperationalError("away")
    for second in range(3):
        with pytest.raises(OperationalError):
            await world.at(second, 1000)
    assert fake.requests == []
    world.database.error = None
    await world.at(3, 1000)
    assert world.eta()[:2] == (120, 1200)


async def test_estimate_that_could_not_be_stored_is_stored_later(world, fake, announced):
    await world.drive()
    world.database.locked = {7}
    await world.at(0, 1000)
    assert (world.database.stored, announced) == ({}, [])
    world.database.locked = set()
    await world.at(1, 1000)
    assert (len(fake.requests), announced) == (1, [[7]])
    await world.at(2, 1000)
    assert world.database.calls.count("store") == 2


async def test_trip_that_changes_while_the_engine_is_asked(world, fake):
    await world.drive()
    fake.delay = 0.05
    world.keeper.observe(19, fix_of(19, 0, latitude=1.5 - 1000 * METRE))
    ticking = asyncio.create_task(world.keeper.tick())
    await fake.requests.reach(1)
    world.keeper.reached(19, 7, 0, "departed")
    await ticking
    assert world.database.stored == {}
    await world.at(1)
    assert world.eta()[3] == 1


async def test_the_task_ticks_by_itself(fake, announced, monkeypatch):
    monkeypatch.setattr(keeper_module, "TICK", 0.01)
    fake.line = LINE
    world = World(OSRM(fake.url))
    world.database.error = OperationalError("away")
    await world.drive()
    world.keeper.observe(19, fix_of(19, 0, latitude=1.5 - 1000 * METRE))
    await world.database.calls.reach(3)
    world.database.error = None
    await announced.reach(1)
    await world.keeper.close()
