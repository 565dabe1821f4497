import asyncio
import contextlib
import random
from itertools import count

import pytest

from ridehail.demo.simulation import rides as rides_module
from ridehail.demo.simulation import shifts, town_time
from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.dispatch_api import Refused
from ridehail.demo.simulation.phone import PhoneStopped
from ridehail.demo.simulation.ride_request import RideRequest
from ridehail.demo.simulation.rides import Rides
from ridehail.demo.simulation.tour import drive_tours
from ridehail.demo.simulation.town_time import TownTime

DEADLINE = 20


@pytest.fixture(scope="module")
def city():
    return City.load()


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(town_time, "SHORTEST_PAUSE", 0.0)
    monkeypatch.setattr(shifts, "FIRST", 1e12)
    monkeypatch.setattr(rides_module, "FIRST_REQUESTS", 0.0)


class FakeVehicle:
    def __init__(self):
        self.cruises = 0

    def cruise(self, after=0.0):
        self.cruises += 1


class FakePhone:
    """Arrives at once, unless `holds`; then when `go` is set."""

    def __init__(self, driver_id):
        self.driver_id, self.vehicle, self.token = driver_id, FakeVehicle(), f"token {driver_id}"
        self.stopped = None
        self.driven = []
        self.go = asyncio.Event()
        self.go.set()

    async def drive_to(self, place):
        self.driven.append(place)
        await self.go.wait()
        await asyncio.sleep(0)
        if self.stopped:
            raise PhoneStopped(self.stopped)


class FakeApi:
    """A server with the rules of trips, in memory: a driver has one open trip at most."""

    def __init__(self, drivers):
        self.drivers, self.trips, self.log = drivers, {}, []
        self.numbers = count(1)
        self.changed = asyncio.Condition()

    def add(self, **trip):
        number = next(self.numbers)
        fields = {"reference": "", "riders": [], "driver": None, "waypoints": [], "status": "new"}
        self.trips[number] = {"id": number, "ended_at": None, **fields, **trip}
        return number

    def driver_of(self, trip_id):
        driver = self.trips[trip_id]["driver"]
        return driver and driver["userId"]

    @property
    def taken(self):
        return {t["driver"]["userId"] for t in self.trips.values() if t["driver"]} - {None}

    async def note(self, *entry):
        self.log.append(entry)
        async with self.changed:
            self.changed.notify_all()
        await asyncio.sleep(0)

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE), self.changed:
            await self.changed.wait_for(condition)

    def ended(self, status):
        return [trip for trip in self.trips.values() if trip["status"] == status]

    async def settle(self):
        """Nothing runs on here after a cancellation."""

    async def open_trips(self, driver=None):
        await asyncio.sleep(0)
        trips = [trip for trip in self.trips.values() if trip["ended_at"] is None]
        return [t for t in trips if driver is None or self.driver_of(t["id"]) == driver]

    async def trip(self, trip_id):
        return self.trips[trip_id]

    async def create(self, reference, rider_id, waypoints):
        number = self.add(reference=reference, riders=[rider_id], waypoints=waypoints)
        await self.note("create", number)
        return number

    async def nearest(self, latitude, longitude, vehicle_type):
        await self.note("nearest", vehicle_type)
        return list(self.drivers)

    async def assign(self, trip_id, driver_id, vehicle):
        await self.note("assign", trip_id, driver_id)
        if self.trips[trip_id]["ended_at"]:
            raise Refused(409, "trip_over")
        if driver_id in self.taken:
            raise Refused(409, "driver_taken")
        self.trips[trip_id] |= {"driver": {"userId": driver_id}, "status": "new"}

    async def cancel(self, trip_id, reason):
        if self.trips[trip_id]["ended_at"]:
            raise Refused(409, "trip_over")
        self.end(trip_id, "canceled")
        await self.note("cancel", trip_id, reason)

    async def set_status(self, trip_id, status, token):
        if token != f"token {self.driver_of(trip_id)}":
            raise Refused(404, "not_found")
        self.trips[trip_id]["status"] = status
        if status == "complete":
            self.end(trip_id, status)
        await self.note("status", trip_id, status)

    def end(self, trip_id, status):
        self.trips[trip_id] |= {"ended_at": "now", "status": status, "driver": None}

    def statuses(self, trip_id):
        return [entry[2] for entry in self.log if entry[:2] == ("status", trip_id)]


def request(city, *, stop=False, vehicle_type="", cancels_after=None):
    places = city.destinations[: 3 if stop else 2]
    kinds = ["pickup", *["stop"] * stop, "dropoff"]
    waypoints = [city.waypoint(kind, place) for kind, place in zip(kinds, places, strict=True)]
    return RideRequest(places, waypoints, vehicle_type, cancels_after)


@contextlib.asynccontextmanager
async def town(
    city, monkeypatch, *, drivers=(101,), riders=(1001,), asks=None, trips=(), nearest=None
):
    """Run the rides of a town at a high speed; `asks` is what its riders ask for."""
    wanted = asks or request(city)
    monkeypatch.setattr(rides_module, "random_request", lambda *_: wanted)
    phones = {driver_id: FakePhone(driver_id) for driver_id in drivers}
    api = FakeApi(drivers if nearest is None else nearest)
    for trip in trips:
        api.add(**trip)
    rng = random.Random(1)
    rides = Rides(api, phones, riders, city=city, rng=rng, speed=1e9)
    task = asyncio.create_task(rides.run())
    try:
        yield rides, api, phones
    finally:
        if task.done():
            await task
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE)


async def test_a_ride_is_driven_from_the_pickup_to_the_destination_and_the_car_is_free_again(
    city, monkeypatch
):
    async with town(city, monkeypatch) as (rides, api, phones):
        await api.until(lambda: len(api.ended("complete")) >= 3)
    assert api.statuses(1) == [
        "enroute_to_pickup",
        "arrived_at_pickup",
        "enroute_to_dropoff",
        "complete",
    ]
    assert phones[101].driven[:2] == city.destinations[:2]
    assert phones[101].vehicle.cruises >= 2
    assert rides.done >= 2
    assert rides.canceled == 0


async def test_a_ride_stops_in_between(city, monkeypatch):
    async with town(city, monkeypatch, asks=request(city, stop=True)) as (_, api, phones):
        await api.until(lambda: api.ended("complete"))
    assert api.statuses(1) == [
        "enroute_to_pickup",
        "arrived_at_pickup",
        "enroute_to_intermediate_destination",
        "arrived_at_intermediate_destination",
        "enroute_to_dropoff",
        "complete",
    ]
    assert phones[101].driven[:3] == city.destinations[:3]


async def test_the_next_nearest_gets_the_ride_if_another_trip_has_the_driver(city, monkeypatch):
    async with town(city, monkeypatch, drivers=(102, 101)) as (_, api, _):
        # Another dispatcher is faster than the one of the simulation.
        await api.until(lambda: ("nearest", "") in api.log)
        api.add(driver={"userId": 102})
        await api.until(lambda: len(api.ended("complete")) >= 2)
    assigned = [entry[2] for entry in api.log if entry[0] == "assign"]
    assert assigned[-2:] == [102, 101]


async def test_drivers_that_the_simulation_does_not_drive_get_no_ride(city, monkeypatch):
    async with town(city, monkeypatch, nearest=(21, 101)) as (_, api, _):
        await api.until(lambda: api.ended("complete"))
    assert {entry[2] for entry in api.log if entry[0] == "assign"} == {101}


async def test_one_car_never_has_two_rides_at_once(city, monkeypatch):
    riders = range(1001, 1021)
    async with town(city, monkeypatch, drivers=(101, 102, 103), riders=riders) as (_, api, _):
        await api.until(lambda: len(api.ended("complete")) >= 30)
    # A second ride is only assigned after the first was complete.
    has = {}
    for kind, trip_id, *rest in (entry for entry in api.log if entry[0] in ("assign", "status")):
        if kind == "assign":
            assert rest[0] not in has.values()
            has[trip_id] = rest[0]
        elif rest[0] == "complete":
            del has[trip_id]


async def test_a_rider_cancels_while_the_car_is_coming(city, monkeypatch):
    asks = request(city, cancels_after=60.0)
    async with town(city, monkeypatch, asks=asks) as (rides, api, phones):
        phones[101].go.clear()
        await api.until(lambda: len(api.ended("canceled")) >= 2)
    assert ("cancel", 1, "customer_cancellation") in api.log
    assert api.statuses(1) == ["enroute_to_pickup"]
    assert phones[101].vehicle.cruises >= 1
    assert rides.done == 0


async def test_a_rider_for_whom_there_is_no_car_is_told_so_after_a_while(city, monkeypatch):
    asks = request(city, vehicle_type="van")
    async with town(city, monkeypatch, nearest=(), asks=asks) as (rides, api, _):
        await api.until(lambda: api.ended("canceled"))
        assert rides.canceled >= 1
    assert ("cancel", 1, "provider_cancellation") in api.log
    searches = api.log[: api.log.index(("cancel", 1, "provider_cancellation"))]
    assert searches.count(("nearest", "van")) == rides_module.MAX_SEARCHES


async def test_a_ride_goes_on_with_the_driver_to_whom_staff_gave_it(city, monkeypatch):
    async with town(city, monkeypatch, drivers=(101, 102)) as (_, api, phones):
        phones[101].go.clear()
        await api.until(lambda: api.statuses(1) == ["enroute_to_pickup"])
        await api.assign(1, 102, "")
        phones[101].go.set()
        await api.until(lambda: api.ended("complete"))
    assert api.statuses(1)[1:] == [
        "enroute_to_pickup",
        "arrived_at_pickup",
        "enroute_to_dropoff",
        "complete",
    ]
    assert phones[102].driven[:2] == city.destinations[:2]
    assert phones[101].vehicle.cruises >= 1


async def test_a_ride_that_staff_end_frees_the_car(city, monkeypatch):
    async with town(city, monkeypatch) as (_, api, phones):
        phones[101].go.clear()
        await api.until(lambda: api.statuses(1) == ["enroute_to_pickup"])
        await api.cancel(1, "by staff")
        phones[101].go.set()
        await api.until(lambda: api.ended("complete"))
    assert api.statuses(1) == ["enroute_to_pickup"]


async def test_a_ride_whose_phone_stopped_is_canceled(city, monkeypatch):
    async with town(city, monkeypatch) as (_, api, phones):
        phones[101].stopped = "driver 101 stops"
        await api.until(lambda: api.ended("canceled"))
    assert ("cancel", 1, "driver_cancellation") in api.log


async def test_what_an_earlier_run_left_is_canceled_and_nothing_else(city, monkeypatch):
    trips = [
        {"reference": "RIDE-1", "driver": {"userId": 101}},
        {"reference": "T-7", "driver": {"userId": 500}},
    ]
    async with town(city, monkeypatch, trips=trips) as (_, api, _):
        await api.until(lambda: api.ended("complete"))
    assert api.trips[1]["status"] == "canceled"
    assert api.trips[2]["status"] == "new"


async def test_no_driver_stays_reserved_at_the_end(city, monkeypatch):
    async with town(city, monkeypatch, drivers=(101, 102), riders=(1001, 1002)) as (
        rides,
        api,
        phones,
    ):
        for phone in phones.values():
            phone.go.clear()
        await api.until(lambda: len(api.taken) == 2)
    api.close = lambda: None
    await rides.close()
    assert not await api.open_trips()


def tour(status="new"):
    city = City.load()
    kinds = ["pickup", "stop", "stop", "dropoff"]
    waypoints = [city.waypoint(kind, city.destinations[n]) for n, kind in enumerate(kinds)]
    return {
        "reference": "DEMO",
        "riders": [22],
        "driver": {"userId": 19},
        "waypoints": waypoints,
        "status": status,
    }


async def test_a_trip_of_others_goes_from_stop_to_stop_and_its_people_take_no_rides(
    city, monkeypatch
):
    async with town(city, monkeypatch, drivers=(19, 101), riders=(22, 1001), trips=[tour()]) as (
        _,
        api,
        phones,
    ):
        await api.until(lambda: len(api.statuses(1)) > 10 and len(api.ended("complete")) > 3)
    stop = ["enroute_to_intermediate_destination", "arrived_at_intermediate_destination"]
    assert api.statuses(1)[:8] == ["enroute_to_pickup", "arrived_at_pickup", *stop * 3]
    first, second, third = city.destinations[:3]
    assert phones[19].driven[:5] == [first, second, third, second, third]
    assert {trip["riders"][0] for trip in api.ended("complete")} == {1001}
    assert 19 not in {entry[2] for entry in api.log if entry[0] == "assign"}


async def test_a_tour_goes_on_where_an_earlier_run_left_it_and_with_the_next_trip(
    city, monkeypatch
):
    monkeypatch.setattr("ridehail.demo.simulation.tour.LOOK_AGAIN", 0.0)
    api, phone = FakeApi(()), FakePhone(19)
    api.add(**tour("arrived_at_intermediate_destination"))
    task = asyncio.create_task(drive_tours(api, phone, city, TownTime(1e9, random.Random(1))))
    await api.until(lambda: len(api.statuses(1)) > 3)
    assert api.statuses(1)[0] == "enroute_to_intermediate_destination"
    api.end(1, "canceled")
    api.add(**tour())
    await api.until(lambda: len(api.statuses(2)) > 3)
    assert api.statuses(2)[0] == "enroute_to_pickup"
    phone.stopped = "driver 19 stops"
    await asyncio.wait_for(task, DEADLINE)


async def test_a_free_driver_takes_a_break_and_is_free_again(city, monkeypatch):
    monkeypatch.setattr(shifts, "FIRST", 0.0)
    events = asyncio.Queue()

    class Resting(FakePhone):
        async def end_shift(self):
            events.put_nowait(("ends", self.driver_id))
            await asyncio.sleep(0)
            return self.driver_id != 103

        def begin_shift(self):
            events.put_nowait(("begins", self.driver_id))

    phones = {driver_id: Resting(driver_id) for driver_id in (101, 102, 103)}
    busy = {102}
    rng = random.Random(1)
    task = asyncio.create_task(shifts.change_shifts(phones, busy, rng, TownTime(1e9, rng)))
    async with asyncio.timeout(DEADLINE):
        seen = [await events.get() for _ in range(30)]
    task.cancel()
    await asyncio.wait({task}, timeout=DEADLINE)
    assert set(seen) == {("ends", 101), ("begins", 101), ("ends", 103)}


def test_progress_says_how_many_riders_wait_ride_and_are_done(city):
    rides = Rides(FakeApi(()), {}, [], city=city, rng=random.Random(1), speed=1)
    rides._phases |= {1001: "waiting", 1002: "riding", 1003: "riding"}
    rides.done = 7
    assert rides.progress() == "riders: 1 waiting, 2 riding, 7 done, 0 canceled"
