"""The watch: which fixes of which drivers cause what."""

import time

import pytest

from tracking.arrival.effects import Crossed, Reached
from tracking.arrival.rows import Whereabouts, load_whereabouts, load_zones
from tracking.arrival.watch import Watch
from tracking.arrival.zones import Shape, ZoneIndex
from tracking.drives import Drive
from tracking.geo import METRES_PER_DEGREE

from ..fakes import NOON, fix_of, settle
from .places import PLACE, fix_at

PICKUP = {"kind": "pickup", "lat": PLACE[0], "lon": PLACE[1], "name": None}
# 2 km to the north.
DROPOFF = {
    "kind": "dropoff",
    "lat": PLACE[0] + 2_000 / METRES_PER_DEGREE,
    "lon": PLACE[1],
    "name": None,
}
AIRPORT = Shape(3, "circle", *PLACE, 500.0)


class Database:
    """Fake rows: the whereabouts by driver, and the zones."""

    def __init__(self):
        self.whereabouts = {}
        self.zones = []
        self.reads = []
        self.error = None

    async def read(self, function, *args):
        self.reads.append(function.__name__)
        if self.error is not None:
            raise self.error
        if function is load_whereabouts:
            nothing = Whereabouts(None, frozenset())
            return {pk: self.whereabouts.get(pk, nothing) for pk in args[0]}
        return ZoneIndex(self.zones) if function is load_zones else len(self.zones)

    def drive(self, driver_id, status="new", reached=None, waypoints=(PICKUP, DROPOFF), trip=7):
        drive = Drive(trip, status, list(waypoints), reached or {})
        self.whereabouts[driver_id] = Whereabouts(drive, frozenset())


@pytest.fixture
def database():
    return Database()


@pytest.fixture
async def watch(database):
    watch = Watch(database.read, lambda: [19])
    yield watch
    await watch.close()


def effects_of(watch, *drive, **rest):
    """Return the effects of a drive: metres north of the pickup and seconds, one message each."""
    fixes = [fix_at(metres, second, **rest) for metres, second in drive]
    return [effect for fix in fixes for effect in watch.observe([fix])]


def steps_of(*args, **rest):
    return [(each.number, each.step) for each in effects_of(*args, **rest)]


async def test_driver_without_trip_and_zones_is_neither_read_nor_kept(watch, database):
    await watch.follow(19, None)
    assert "load_whereabouts" not in database.reads
    assert watch.observe([fix_at(0, 0)]) == ()
    assert not watch._drivers


async def test_drive_over_both_waypoints_reaches_each_in_order(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    to_pickup = [(-900, 0), (-400, 30), (10, 70), (10, 75)]
    to_dropoff = [(150, 100), (250, 111), (1_600, 200), (1_990, 240), (1_990, 245)]
    assert steps_of(watch, *to_pickup, *to_dropoff) == [
        (0, "arriving"),
        (0, "arrived"),
        (0, "departed"),
        (1, "arriving"),
        (1, "arrived"),
    ]


async def test_effect_names_the_trip_and_the_time_of_the_fix(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    fix = fix_at(100, 5)
    assert watch.observe([fix]) == [Reached(7, 0, "arriving", fix.recorded_at)]


async def test_later_waypoint_does_not_count_before_its_turn(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (2_000, 0), (2_000, 5), (2_000, 10)) == []


async def test_status_makes_a_missed_waypoint_pass(watch, database):
    database.drive(19, status="enroute_to_dropoff")
    await watch.follow(19, 7)
    assert steps_of(watch, (0, 0), (0, 5), (2_000, 200), (2_000, 205)) == [
        (1, "arriving"),
        (1, "arrived"),
    ]


async def test_stop_that_was_passed_by_does_not_hide_the_next_one(watch, database):
    stops = [PICKUP | {"kind": "stop"}, DROPOFF | {"kind": "stop"}, DROPOFF | {"lat": 60.3}]
    database.drive(19, status="enroute_to_intermediate_destination", waypoints=stops)
    await watch.follow(19, 7)
    past_the_first = [(-900, 0), (-450, 15), (100, 30), (700, 50)]
    at_the_second = [(1_600, 90), (1_990, 120), (1_990, 125), (2_300, 150), (2_400, 160)]
    assert steps_of(watch, *past_the_first, *at_the_second) == [
        (0, "arriving"),
        (1, "arriving"),
        (1, "arrived"),
        (1, "departed"),
    ]
    assert [each.number for each in watch._drivers[19].waypoints] == [2]


async def test_inaccurate_fix_does_not_undo_the_first_of_an_exit_from_a_zone(watch, database):
    await zones_of(watch, database)
    assert len(effects_of(watch, (400, 0))) == 1
    assert effects_of(watch, (900, 60)) == []
    assert effects_of(watch, (900, 65), accuracy=400.0) == []
    assert [each.entered for each in effects_of(watch, (900, 70))] == [False]


async def test_pickup_is_left_also_if_the_status_is_ahead(watch, database):
    database.drive(19, status="enroute_to_dropoff", reached={"0": {"arriving": "", "arrived": ""}})
    await watch.follow(19, 7)
    assert steps_of(watch, (10, 0), (300, 30), (400, 41)) == [(0, "departed")]


async def test_what_is_reached_already_is_not_reached_again(watch, database):
    database.drive(19, reached={"0": {"arriving": "", "arrived": ""}})
    await watch.follow(19, 7)
    assert steps_of(watch, (10, 0), (10, 5)) == []


async def test_late_fix_causes_nothing(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (10, 0), (10, 5), late=61.0) == []
    assert steps_of(watch, (10, 10), late=59.0) == [(0, "arriving")]


async def test_fix_that_is_older_than_the_last_one_causes_nothing(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (900, 30)) == []
    assert steps_of(watch, (10, 0), (10, 5)) == []


async def test_fixes_of_a_batch_are_judged_in_order(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    batch = [fix_at(20, second, late=10 - second) for second in (0, 5, 10)]
    assert [each.step for each in watch.observe(batch)] == ["arriving", "arrived"]


async def test_jump_and_simulated_place_cause_nothing(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (9_000, 0), (8_990, 5)) == []
    assert steps_of(watch, (10, 10)) == []
    assert steps_of(watch, (8_980, 15)) == []
    assert steps_of(watch, (10, 1_000), mock=True) == []


async def test_second_fix_after_a_jump_counts(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (9_000, 0), (10, 10), (12, 15)) == [(0, "arriving")]


async def test_sign_of_life_causes_nothing(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    fix = fix_of(19, 0, *PLACE, heard_at=NOON)
    assert watch.observe([fix]) == []


async def test_new_trip_and_new_status_are_read(watch, database):
    database.drive(19, trip=7)
    await watch.follow(19, 7)
    database.drive(19, trip=8, waypoints=(DROPOFF,))
    watch.states_changed({19: 8})
    await settle()
    assert steps_of(watch, (2_000, 0)) == [(0, "arriving")]
    database.whereabouts.clear()
    watch.trips_changed([8])
    await settle()
    assert watch.observe([fix_at(0, 60)]) == ()


async def test_state_of_a_driver_without_a_trip_reads_nothing(watch, database):
    await watch.follow(19, None)
    await settle()
    database.reads.clear()
    watch.states_changed({19: None, 20: None})
    watch.trips_changed([7])
    await settle()
    assert database.reads == []


async def test_evidence_survives_a_change_of_the_trip(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (10, 0)) == [(0, "arriving")]
    database.drive(19, status="enroute_to_pickup", reached={"0": {"arriving": ""}})
    watch.trips_changed([7])
    await settle()
    assert steps_of(watch, (10, 5)) == [(0, "arrived")]


async def test_driver_that_cannot_be_read_is_watched_later(watch, database, monkeypatch):
    monkeypatch.setattr("tracking.arrival.watch.ZONES_INTERVAL", 0.01)
    database.drive(19)
    database.error = OSError("the database is unavailable")
    await watch.follow(19, 7)
    assert watch.observe([fix_at(0, 0)]) == ()
    database.error = None
    while not watch._drivers:
        await settle()
    assert steps_of(watch, (0, 5)) == [(0, "arriving")]


async def zones_of(watch, database):
    database.zones = [AIRPORT]
    await watch.follow(19, None)
    while not watch._drivers:
        await settle()


async def test_driver_enters_and_leaves_a_zone(watch, database):
    await zones_of(watch, database)
    first, second = fix_at(400, 60), fix_at(900, 120)
    assert effects_of(watch, (900, 0)) == []
    assert watch.observe([first]) == [Crossed(3, entered=True, at=first.recorded_at)]
    assert effects_of(watch, (300, 65)) == []
    assert effects_of(watch, (900, 110), (900, 119)) == []
    assert watch.observe([second]) == [Crossed(3, entered=False, at=second.recorded_at)]


async def test_stray_fix_outside_is_no_exit_from_a_zone(watch, database):
    await zones_of(watch, database)
    assert len(effects_of(watch, (400, 0))) == 1
    assert effects_of(watch, (900, 30), (400, 60), (900, 90), (550, 120), (900, 150)) == []


async def test_driver_that_is_in_a_zone_already_does_not_enter_again(watch, database):
    database.whereabouts[19] = Whereabouts(None, frozenset({3}))
    await zones_of(watch, database)
    assert effects_of(watch, (400, 0)) == []
    assert [each.entered for each in effects_of(watch, (900, 60), (900, 70))] == [False]


async def test_new_zone_is_noticed(watch, database, monkeypatch):
    monkeypatch.setattr("tracking.arrival.watch.ZONES_INTERVAL", 0.01)
    await watch.follow(19, None)
    await settle()
    assert effects_of(watch, (400, 0)) == []
    database.zones = [AIRPORT]
    while not watch._drivers:
        await settle()
    assert [each.zone_id for each in effects_of(watch, (400, 10))] == [3]


async def read_again(watch, trip_id=7):
    """Let the watch read the driver as the database fake has it: before the latest was stored."""
    watch.trips_changed([trip_id])
    await settle()


async def test_read_that_began_before_the_arrival_was_stored_does_not_undo_it(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (10, 0), (10, 5)) == [(0, "arriving"), (0, "arrived")]
    await read_again(watch)
    assert (0, "departed") in steps_of(watch, (250, 30), (400, 41))


async def test_step_that_a_read_does_not_show_is_caused_again_until_one_does(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    arriving = watch.observe([fix_at(400, 0)])
    assert watch.observe([fix_at(390, 5)]) == []
    for second in (10, 15):
        await read_again(watch)
        assert watch.observe([fix_at(300, second)]) == arriving
        assert watch.observe([fix_at(300, second + 1)]) == []
    database.drive(19, reached={"0": {"arriving": ""}})
    await read_again(watch)
    assert watch.observe([fix_at(290, 20)]) == []
    assert not watch._drivers[19]._unshown


async def test_step_of_a_former_trip_is_forgotten(watch, database):
    database.drive(19)
    await watch.follow(19, 7)
    assert steps_of(watch, (10, 0)) == [(0, "arriving")]
    database.drive(19, trip=8)
    watch.states_changed({19: 8})
    await settle()
    assert watch.observe([fix_at(10, 5)]) == [Reached(8, 0, "arriving", fix_at(10, 5).recorded_at)]


async def test_read_that_began_before_a_zone_was_entered_does_not_undo_it(watch, database):
    await zones_of(watch, database)
    entered = effects_of(watch, (400, 0))
    watch._reread([19])
    await settle()
    assert effects_of(watch, (900, 30), (900, 41)) == [
        *entered,
        Crossed(3, entered=False, at=fix_at(900, 41).recorded_at),
    ]


async def test_old_visit_to_a_zone_that_a_read_does_not_show_is_not_stored_again(watch, database):
    await zones_of(watch, database)
    assert len(effects_of(watch, (400, 0))) == 1
    watch._reread([19])
    await settle()
    assert effects_of(watch, (400, 61)) == []


async def test_zone_that_the_driver_left_by_way_of_another_worker_is_entered_again(
    watch, database, monkeypatch
):
    await zones_of(watch, database)
    assert len(effects_of(watch, (400, 0))) == 1
    # The other worker has stored the exit: this one reads that the driver is in no zone.
    later = time.monotonic() + 61
    monkeypatch.setattr("tracking.arrival.watch.monotonic", lambda: later)
    watch._reread([19])
    await settle()
    assert [each.entered for each in effects_of(watch, (400, 600))] == [True]


async def test_effects_that_no_read_shows_are_bounded(watch, database):
    database.zones = [Shape(pk, "circle", *PLACE, 500.0) for pk in range(100)]
    await watch.follow(19, None)
    while not watch._drivers:
        await settle()
    assert len(effects_of(watch, (400, 0))) == 100
    assert len(watch._drivers[19]._unshown) == 64
