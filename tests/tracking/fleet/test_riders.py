"""Frames of riders under a clock that stands: cars glide, change near home, and need a crowd."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from tracking.fleet import anonymity, riders
from tracking.fleet.anonymity import CROWD, DISPLACEMENT, Veil
from tracking.fleet.riders import TICK, Riders
from tracking.fleet.state import Fleet
from tracking.geo import METRES_PER_DEGREE, distance
from tracking.pipeline.duty import StateRow
from tracking.protocol.nearby import Place

from ..fakes import DEADLINE, fix_of

CENTRE = Place(60.0, 25.0)
# Between two changes of all cars, as none changes at a moment of its own here.
BEGIN = 1_000_000 * TICK


class Nearby:
    """The fleet, without a database behind it."""

    is_loaded = True

    def __init__(self, fleet):
        self.fleet = fleet

    @property
    def free(self):
        return self.fleet.free

    def entry_of(self, driver_id):
        return self.fleet.entry_of(driver_id)

    async def settle(self):
        pass

    async def loaded(self):
        pass

    def hold(self, holder):
        pass

    def release(self, holder):
        pass

    def keep(self, seconds):
        pass


class Outbox:
    def __init__(self):
        self.events = []

    def offer(self, event):
        self.events.append(event)

    put = offer

    @property
    def cars(self):
        """The cars of the last frame, by id: their places."""
        cars = json.loads(self.events[-1]["text"])["cars"]
        return {car["id"]: (float(car["location_lat"]), float(car["location_lon"])) for car in cars}


class Town:
    """A fleet of free drivers, whose shifts began far away, and what a rider at CENTRE sees."""

    def __init__(self, secret=b"secret"):
        self.now = BEGIN
        self.fleet = Fleet(lambda: datetime.fromtimestamp(self.now, UTC))
        self.riders = Riders(Nearby(self.fleet), Veil(secret), lambda: self.now)

    def drive(self, driver_id, north, home=(0.0, 0.0)):
        """Take a driver's fix, so many metres north of CENTRE."""
        at = datetime.fromtimestamp(self.now, UTC)
        since = datetime.fromtimestamp(BEGIN, UTC) - timedelta(days=1)
        row = StateRow(driver_id, "available", since, None, "", None, None, list(home), [])
        self.fleet.set_states({driver_id: row})
        place = CENTRE.latitude + north / METRES_PER_DEGREE, CENTRE.longitude
        fix = fix_of(driver_id, *place)
        self.fleet.take(type(fix)(driver_id, *place, at, at))

    async def look(self, user_id=22, place=CENTRE):
        outbox = Outbox()
        self.riders.look(outbox, user_id, place)
        return outbox

    async def see(self, outbox, seconds=0.0):
        """Return the cars that are shown after so many seconds."""
        self.now += seconds
        await self.riders._begin_round()
        for slot in self.riders._slots:
            if outbox in slot:
                self.riders._send(slot[outbox])
        return outbox.cars


@pytest.fixture(autouse=True)
def _only_changes_of_the_tests(monkeypatch):
    monkeypatch.setattr(anonymity, "PERIOD", 10**9)
    monkeypatch.setattr(anonymity, "HIDDEN", (100.0, 100.0))


@pytest.fixture
async def town():
    town = Town()
    for driver_id in range(1, CROWD + 1):
        town.drive(driver_id, 100.0 * driver_id)
    # A server that runs for long knows its cars since then.
    for driver_id in range(1, CROWD + 1):
        town.fleet.entry_of(driver_id).known_at = 0.0
    yield town
    await town.riders.close()


def north_of(place):
    return (place[0] - CENTRE.latitude) * METRES_PER_DEGREE


async def test_places_are_taken_over_at_common_moments_and_cars_glide_in_between(town):
    outbox = await town.look()
    before = await town.see(outbox)
    assert len(before) == CROWD
    # Whenever in the ten seconds a phone reports.
    for driver_id, second in ((1, 1.0), (2, 6.0), (3, 9.0)):
        town.now = BEGIN + second
        town.drive(driver_id, 100.0 * driver_id + 90)
        assert await town.see(outbox) == before
    begin = BEGIN + TICK
    for part in (0.0, 0.4, 0.8, 1.0):
        town.now = begin + part * TICK - (0.01 if part == 1.0 else 0.0)
        seen = await town.see(outbox)
        moved = sorted(north_of(seen[car]) - north_of(before[car]) for car in before)
        # Rounded to 11 m, before and after.
        assert moved[-3:] == pytest.approx([90 * part] * 3, abs=12)
        assert moved[: CROWD - 3] == [0] * (CROWD - 3)


async def test_car_that_leaves_its_home_has_another_id_and_is_hidden(town):
    outbox = await town.look()
    home = [CENTRE.latitude + 0.03, CENTRE.longitude]  # 3.3 km away
    town.drive(1, 100.0, home)
    town.drive(CROWD + 1, 900.0)
    before = await town.see(outbox, 2 * TICK)
    assert len(before) == CROWD + 1
    town.drive(1, 2_900.0, home)
    inside = await town.see(outbox, TICK)
    assert len(inside) == CROWD
    town.drive(1, 100.0, home)
    assert (await town.see(outbox, TICK)).keys() == inside.keys()
    assert (await town.see(outbox, 80.0)).keys() == inside.keys()
    after = await town.see(outbox, 20.0)
    assert len(after) == CROWD + 1
    assert len(after.keys() & before.keys()) == CROWD


async def test_cars_at_home_are_no_crowd(town):
    """Else the only car that drives would be followed whatever its ids."""
    outbox = await town.look()
    assert len(await town.see(outbox)) == CROWD
    town.drive(1, 100.0, home=CENTRE)
    assert await town.see(outbox, 2 * riders.LOOK_INTERVAL) == {}


async def test_cars_at_home_do_not_hide_those_behind_them(town):
    for driver_id in range(100, 100 + riders.LOOKED_AT[0]):
        town.drive(driver_id, 0.0, home=CENTRE)
    outbox = await town.look()
    assert len(await town.see(outbox)) == CROWD


async def test_process_that_has_just_begun_shows_no_ids_from_before(town):
    outbox = await town.look()
    before = await town.see(outbox)
    restarted = Town()
    for driver_id in range(1, CROWD + 1):
        restarted.drive(driver_id, 100.0 * driver_id)
    outbox = await restarted.look()
    after = await restarted.see(outbox)
    assert len(after) == len(before)
    assert not after.keys() & before.keys()
    await restarted.riders.close()


async def test_shown_places_are_displaced_but_little(town):
    outbox = await town.look()
    shown = sorted(north_of(place) for place in (await town.see(outbox)).values())
    true = [100.0 * driver_id for driver_id in range(1, CROWD + 1)]
    assert shown == pytest.approx(true, abs=DISPLACEMENT + 6)
    assert all(distance(*place, *CENTRE) < 100.0 * CROWD + 50 for place in outbox.cars.values())


async def test_fault_in_a_round_does_not_end_the_streams(town, monkeypatch):
    monkeypatch.setattr(riders, "INTERVAL", 0.02)
    rounds = []

    async def begin_round():
        rounds.append(1)
        raise ValueError

    monkeypatch.setattr(town.riders, "_begin_round", begin_round)
    outbox = await town.look()
    async with asyncio.timeout(DEADLINE):
        while len(rounds) < 3:  # noqa: ASYNC110 - nothing tells of a round
            await asyncio.sleep(0.01)
    assert len(outbox.events) > 2
