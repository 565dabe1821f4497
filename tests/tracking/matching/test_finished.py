"""Finished trips on the streets: claims, failures, and real streets."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import trips
from tracking.history.erasure import apply_erasures, erase
from tracking.history.matches import expire_matches
from tracking.history.partitions import DAY
from tracking.history.retention import hold, release
from tracking.matching import finished, match_finished
from tracking.matching.engine import EngineFailed, ask
from tracking.models import Trip, TripMatch
from tracking.polyline import decode, encode

from ..history.tracks import NOON, drive, keep_hot, track_fix

pytestmark = pytest.mark.django_db

User = get_user_model()


def on_postgresql(test):
    """Run a test on PostgreSQL, with commits; the others run on SQLite."""
    return pytest.mark.django_db(transaction=True, databases=["default", "postgresql"])(
        pytest.mark.parametrize("database", ["postgresql"], indirect=True)(
            pytest.mark.usefixtures("database")(test)
        )
    )


@pytest.fixture
def clock(monkeypatch):
    """Return the clock of the server, in seconds after noon of the day of the tracks."""

    class Clock:
        seconds = 0

    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=Clock.seconds))
    return Clock


@pytest.fixture(autouse=True)
def _engine_is_set(settings):
    settings.TRACKING = settings.TRACKING | {
        "ROUTING": {"BACKEND": "osrm", "URL": "http://127.0.0.1:9"},
        "HISTORY": "all",
        "HISTORY_DAYS": 60,
    }


class Engine:
    """Answers as OSRM does, with a straight line; or fails."""

    def __init__(self):
        self.asked = 0
        self.fails = False
        self.meanwhile = lambda: None

    def ask(self, path):
        self.asked += 1
        if self.fails:
            raise EngineFailed("away")
        self.meanwhile()
        places = [place.split(",") for place in path.split("/")[-1].partition("?")[0].split(";")]
        line = encode([(float(y), float(x)) for x, y in places])
        matching = {"distance": 1234.56, "geometry": line}
        return json.dumps({"code": "Ok", "matchings": [matching]}).encode()


@pytest.fixture
def engine(monkeypatch):
    engine = Engine()
    monkeypatch.setattr(finished, "ask", engine.ask)
    return engine


def finish(clock, number, fixes=True, begin=0):
    """Return a trip that ended after ten minutes, with a driver of its own."""
    driver = User.objects.create_user(email=f"d{number}@example.com", role="driver").pk
    clock.seconds = begin
    trip = trips.create(reference=f"T-{number}", driver=driver)
    if fixes:
        keep_hot(driver, drive(121, at=NOON + timedelta(seconds=begin)))
    clock.seconds += 600
    trips.complete(trip)
    clock.seconds += 600
    return trip.pk, driver


def match(trip):
    return TripMatch.objects.filter(pk=trip).first()


def test_a_finished_trip_is_matched_once(clock, engine):
    trip, _ = finish(clock, 1)
    assert match_finished() == 1
    # Two requests: 121 fixes, 50 m apart.
    assert (match(trip).distance, engine.asked) == (2469.1, 2)
    assert len(decode(match(trip).line)) == 121
    assert match_finished() == 0
    assert engine.asked == 2


def test_a_trip_without_fixes_gets_an_empty_match(clock, engine):
    trip, _ = finish(clock, 1, fixes=False)
    assert match_finished() == 1
    assert (match(trip).distance, match(trip).line) == (None, "")
    assert match(trip).matched_at is not None
    assert match_finished() == engine.asked == 0


@pytest.mark.parametrize("seconds", [60, 4 * 86_400])
def test_a_trip_that_ended_just_now_or_long_ago_is_left_alone(clock, engine, seconds):
    trip, _ = finish(clock, 1)
    clock.seconds = 600 + seconds
    assert match_finished() == 0
    assert match(trip) is None


def test_an_open_trip_and_one_without_a_driver_are_left_alone(clock, engine):
    driver = User.objects.create_user(email="d@example.com", role="driver").pk
    trips.create(driver=driver)
    trips.cancel(trips.create())
    clock.seconds = 3600
    assert match_finished() == 0


@on_postgresql
def test_a_trip_that_fails_is_tried_again_later_and_delays_no_other(clock, engine, monkeypatch):
    first, driver = finish(clock, 1)
    second, _ = finish(clock, 2, begin=1200)
    track = finished.track

    def damaged(driver_id, *window):
        if driver_id == driver:
            raise finished.CorruptSegment("damaged")
        return track(driver_id, *window)

    monkeypatch.setattr(finished, "track", damaged)
    assert match_finished() == 1
    assert (match(first).matched_at, match(second).distance) == (None, 2469.1)
    monkeypatch.setattr(finished, "track", track)
    assert match_finished() == 0
    clock.seconds += 601
    assert match_finished() == 1
    assert match(first).distance == 2469.1


def test_a_call_ends_soon_while_the_engine_is_away(clock, engine):
    found = [finish(clock, number, begin=1200 * number)[0] for number in range(5)]
    engine.fails = True
    assert match_finished() == 0
    assert engine.asked == 3
    engine.fails = False
    clock.seconds += 601
    assert match_finished() == 5
    assert all(match(trip).distance for trip in found)


@on_postgresql
def test_of_two_processes_one_has_a_trip(clock, engine):
    finish(clock, 1)
    engine.meanwhile = lambda: others.append(match_finished())
    others = []
    assert match_finished() == 1
    assert others == [0, 0]
    assert engine.asked == 2


@pytest.mark.parametrize(
    "routing", [{}, {"BACKEND": "valhalla", "URL": "http://127.0.0.1:9"}, {"BACKEND": "osrm"}]
)
def test_without_osrm_nothing_is_done(clock, engine, settings, routing):
    finish(clock, 1)
    settings.TRACKING = settings.TRACKING | {"ROUTING": routing}
    assert match_finished() == 0


def test_an_engine_that_is_away_is_an_error_without_a_place(settings):
    with pytest.raises(EngineFailed) as error:
        ask("/match/v1/driving/25.1,60.1;25.2,60.2")
    assert "60.1" not in str(error.value)


# Erasure


def test_erasure_deletes_the_way_too_and_what_is_left_is_matched_again(clock, engine):
    trip, driver = finish(clock, 1)
    match_finished()
    erase(driver, NOON + timedelta(seconds=300))
    assert match(trip) is None
    match_finished()
    assert len(decode(match(trip).line)) == 60
    # The erasure is kept, and the new way has none of what it erased.
    clock.seconds += 3600
    apply_erasures()
    assert match(trip) is not None


def test_erasure_of_what_was_before_a_trip_keeps_its_way(clock, engine):
    trip, driver = finish(clock, 1)
    match_finished()
    erase(driver, NOON)
    assert match(trip).distance


@on_postgresql
def test_a_way_that_is_being_matched_while_it_is_erased_is_not_stored(clock, engine):
    trip, driver = finish(clock, 1)
    engine.meanwhile = lambda: erase(driver)
    assert match_finished() == 0
    assert match(trip) is None
    engine.meanwhile = lambda: None
    match_finished()
    assert match(trip).distance is None


@on_postgresql
def test_a_way_of_a_backup_is_erased_again(clock, engine):
    trip, driver = finish(clock, 1)
    match_finished()
    stored = match(trip)
    clock.seconds += 60
    erase(driver)
    stored.save(force_insert=True)
    apply_erasures()
    assert match(trip) is None


@on_postgresql
def test_deleting_the_driver_deletes_the_way(clock, engine):
    trip, driver = finish(clock, 1)
    match_finished()
    User.objects.get(pk=driver).delete()
    assert match(trip) is None
    assert Trip.objects.filter(pk=trip).exists()


@on_postgresql
def test_the_way_expires_with_the_history_unless_it_is_held(clock, engine):
    trip, _ = finish(clock, 1)
    match_finished()
    hold("T-1")
    clock.seconds += 62 * DAY.total_seconds()
    assert expire_matches() == 0
    release("T-1")
    assert expire_matches() == 1
    assert match(trip) is None


def test_the_way_does_not_expire_before_the_history(clock, engine):
    trip, _ = finish(clock, 1)
    match_finished()
    clock.seconds += 59 * DAY.total_seconds()
    assert expire_matches() == 0
    assert match(trip) is not None


def test_a_hold_of_the_whole_trip_keeps_the_way_from_erasure(clock, engine):
    trip, driver = finish(clock, 1)
    match_finished()
    hold("T-1")
    erase(driver)
    assert match(trip).distance


# Real streets


def test_a_drive_along_real_streets_is_matched_to_them(clock, routing_engine, settings):
    settings.TRACKING = settings.TRACKING | {
        "ROUTING": {"BACKEND": "osrm", "URL": routing_engine.url}
    }
    trip, driver = finish(clock, 1, fixes=False)
    answer = json.loads(
        ask(
            "/route/v1/driving/24.93596,60.16756;24.95199,60.17406?overview=full&geometries=polyline6"
        )
    )["routes"][0]
    places = decode(answer["geometry"])
    # A phone that is some metres off, to the left and to the right.
    keep_hot(
        driver,
        [
            track_fix(5 * n, y + (-1) ** n * 3e-5, x, accuracy=8.0)
            for n, (y, x) in enumerate(places)
        ],
    )
    assert match_finished() == 1
    assert match(trip).distance == pytest.approx(answer["distance"], rel=0.1)


def test_a_drive_far_from_the_engines_streets_has_no_way(clock, routing_engine, settings):
    settings.TRACKING = settings.TRACKING | {
        "ROUTING": {"BACKEND": "osrm", "URL": routing_engine.url}
    }
    trip, _ = finish(clock, 1)
    assert match_finished() == 1
    assert match(trip).distance is None
