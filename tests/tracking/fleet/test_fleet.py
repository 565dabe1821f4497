"""The state of all drivers: its changes, its counts, and its changes by time alone."""

import json
from datetime import timedelta

import pytest

from tracking.conf import conf
from tracking.fleet import state as fleet_module
from tracking.fleet.state import Fleet

from ..fakes import NOON, fix_of


class Clock:
    """A clock that is set by hand, to seconds after noon."""

    second = 0.0

    def __call__(self):
        return NOON + timedelta(seconds=self.second)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def fleet(clock):
    return Fleet(clock)


def changed(fleet, version=0):
    return [entry.fix.driver_id for entry in fleet.changed_since(version)]


def item(fleet, driver_id=19):
    entries = {entry.fix.driver_id: entry for entry in fleet.changed_since(0)}
    return json.loads(entries[driver_id].item)


def test_an_item_is_the_details_frame_with_the_name(fleet):
    fleet.take(fix_of(19, speed=8.5))
    fleet.rename(19, "Jonh")
    assert item(fleet) == {
        "location_lat": "1.5",
        "location_lon": "2.5",
        "userId": 19,
        "recorded_at": "2026-01-31T12:00:00.000Z",
        "received_at": "2026-01-31T12:00:00.000Z",
        "heading": None,
        "speed": 8.5,
        "accuracy": None,
        "heard_at": "2026-01-31T12:00:00.000Z",
        "clock_offset": None,
        "status": "live",
        "name": "Jonh",
    }


def test_an_item_is_encoded_once_per_change(fleet):
    fleet.take(fix_of(19))
    (entry,) = fleet.changed_since(0)
    assert entry.item is entry.item
    before = entry.item
    fleet.take(fix_of(19, second=1))
    assert entry.item != before


def test_changes_since_a_version_are_each_driver_once_the_newest_first(fleet):
    for driver_id in (1, 2, 3):
        fleet.take(fix_of(driver_id))
    version = fleet.version
    assert changed(fleet) == [3, 2, 1]
    assert changed(fleet, version) == []
    for second in (1, 2, 3):
        fleet.take(fix_of(1, second))
    fleet.take(fix_of(3, second=1))
    assert changed(fleet, version) == [3, 1]


def test_a_late_or_repeated_fix_changes_nothing(fleet):
    fleet.take(fix_of(19, second=5))
    version = fleet.version
    fleet.take(fix_of(19, second=5))
    fleet.take(fix_of(19, second=4, latitude=9.0))
    assert fleet.version == version
    assert fleet.fix_of(19).latitude == 1.5


def test_the_same_name_again_changes_nothing(fleet):
    fleet.take(fix_of(19))
    fleet.rename(19, "Jonh")
    version = fleet.version
    fleet.rename(19, "Jonh")
    assert fleet.version == version
    fleet.rename(19, "Jonh Smith")
    assert changed(fleet, version) == [19]


def test_newcomers_are_nameless_until_they_are_named_or_removed(fleet):
    fleet.take(fix_of(1))
    fleet.take(fix_of(2))
    assert fleet.nameless == {1, 2}
    assert item(fleet, 1)["name"] is None
    fleet.rename(1, "Jonh")
    fleet.remove(2)
    assert fleet.nameless == set()


def test_a_removed_driver_is_no_longer_counted(fleet):
    fleet.take(fix_of(1))
    fleet.remove(1)
    fleet.remove(1)
    assert fleet.counts == {"live": 0, "stale": 0, "offline": 0}
    assert fleet.driver_ids == set()


def test_silence_makes_a_driver_stale_and_then_offline(fleet, clock):
    fleet.take(fix_of(19))
    for second, status in ((conf.STALE_AFTER, "stale"), (conf.OFFLINE_AFTER, "offline")):
        version = fleet.version
        clock.second = second - 0.01
        fleet.expire()
        assert changed(fleet, version) == []
        clock.second = second
        fleet.expire()
        assert changed(fleet, version) == [19]
        assert item(fleet)["status"] == status
        assert {name for name, count in fleet.counts.items() if count} == {status}


def test_a_fix_keeps_a_driver_live(fleet, clock):
    for second in range(0, 60, 5):
        clock.second = second
        fleet.take(fix_of(19, second))
        fleet.expire()
    assert fleet.counts == {"live": 1, "stale": 0, "offline": 0}
    assert len(fleet._expiries) == 1, "one look ahead per driver, not one per fix"
    clock.second = 55 + conf.STALE_AFTER
    fleet.expire()
    assert fleet.counts["stale"] == 1


def test_a_departure_is_offline_at_once_and_a_new_fix_live_again(fleet, clock):
    fleet.take(fix_of(19))
    clock.second = 5
    fleet.take(fix_of(19, disconnected_at=clock()))
    assert fleet.counts == {"live": 0, "stale": 0, "offline": 1}
    clock.second = 6
    fleet.take(fix_of(19, second=6))
    assert fleet.counts == {"live": 1, "stale": 0, "offline": 0}
    clock.second = 6 + conf.STALE_AFTER
    fleet.expire()
    assert fleet.counts["stale"] == 1


def test_a_driver_removed_and_back_again_expires_by_its_new_fix(fleet, clock):
    fleet.take(fix_of(19))
    fleet.remove(19)
    clock.second = 10
    fleet.take(fix_of(19, second=10))
    clock.second = conf.STALE_AFTER
    fleet.expire()
    assert fleet.counts["live"] == 1
    clock.second = 10 + conf.STALE_AFTER
    fleet.expire()
    assert fleet.counts["stale"] == 1


def test_many_who_expire_at_once_are_taken_in_turns(fleet, clock, monkeypatch):
    monkeypatch.setattr(fleet_module, "MAX_EXPIRIES", 2)
    for driver_id in (1, 2, 3):
        fleet.take(fix_of(driver_id))
    clock.second = conf.STALE_AFTER
    assert fleet.expire() is True
    assert fleet.counts == {"live": 1, "stale": 2, "offline": 0}
    assert fleet.expire() is False
    assert fleet.counts == {"live": 0, "stale": 3, "offline": 0}
