"""The judgement of what riders of trips received, on which the result of that scenario depends."""

from datetime import UTC, datetime

import pytest

from .trips import DriverStream, Phase, TripLedger, TripStream, Visit, measure

# The trip has driver 1 from second 100 on, driver 2 from 110 on, and ends at 120. Locations were
# recorded when they arrived.
EPOCH = 1_000_000.0


@pytest.fixture
def trip():
    phases = [
        Phase(100, 1, "new", EPOCH + 100),
        Phase(105, 1, "enroute_to_pickup", EPOCH + 100),
        Phase(110, 2, "new", EPOCH + 110),
        Phase(120, 2, "complete", EPOCH + 110),
    ]
    return TripLedger(7, 22, phases)


def shown(driver, status="new", trip_id=7):
    return {"trip": {"id": trip_id, "driver": driver and {"userId": driver}, "status": status}}


def located(driver, second):
    recorded_at = datetime.fromtimestamp(EPOCH + second, UTC).isoformat()
    return {"userId": driver, "recorded_at": recorded_at}


def error(code="trip_ended"):
    return {"error": {"code": code}}


def visit(*frames, ended=120.3, code=4403):
    return Visit([(at, frame) for at, frame in frames], ended, code)


GOOD = [
    (101, shown(1)),
    (102, located(1, 102)),
    (105.1, shown(1, "enroute_to_pickup")),
    # Until its commit has reached the worker.
    (110.1, located(1, 110.1)),
    (110.2, shown(2)),
    # From shortly before its time.
    (110.3, located(2, 108.5)),
    (111, located(2, 111)),
    (120.2, shown(2, "complete")),
    (120.3, error()),
]


def leaks(trip, *frames):
    stream = TripStream(trip)
    stream.visits.append(visit(*frames))
    return len(list(stream.leaks()))


def test_whole_life_has_no_leaks(trip):
    assert leaks(trip, *GOOD) == 0


@pytest.mark.parametrize(
    "frames",
    [
        # The former driver after the frame with the new one.
        [*GOOD[:5], (110.3, located(1, 110.2))],
        # More than a second after the commit.
        [*GOOD[:3], (111.1, located(1, 110))],
        # Before the trip's first frame.
        [(101, located(1, 101))],
        # From before its time.
        [*GOOD[:5], (110.3, located(2, 107.9))],
        # Somebody else.
        [*GOOD[:2], (102, located(3, 102))],
        [(101, shown(3))],
        # Another trip.
        [(101, shown(1, trip_id=8))],
        # Back to what was.
        [*GOOD[:5], (110.5, shown(1, "enroute_to_pickup"))],
        # After the end.
        [*GOOD[:8], (120.3, located(2, 120.3))],
        [*GOOD[:8], (120.3, shown(2, "complete"))],
        # Another error.
        [*GOOD[:2], (103, error("forbidden"))],
    ],
)
def test_wrong_frame_is_a_leak(trip, frames):
    assert leaks(trip, *frames) == 1


def test_new_connection_begins_anew_and_never_goes_back(trip):
    stream = TripStream(trip)
    stream.visits += [
        visit(*GOOD[:5], ended=110.3, code=1006),
        visit((111, shown(2)), (111, located(2, 111))),
    ]
    assert not list(stream.leaks())
    stream.visits.append(visit((112, shown(1, "enroute_to_pickup"))))
    assert len(list(stream.leaks())) == 1


def test_watcher_of_a_driver_sees_it_during_its_time_alone(trip):
    stream = DriverStream(trip, 1)
    seen = [(101, located(1, 101)), (110.5, located(1, 110.5)), (110.6, error("forbidden"))]
    stream.visits = [visit(*seen, ended=110.6)]
    assert not list(stream.leaks())
    assert list(stream.delays()) == [("grant", pytest.approx(0.6))]
    for wrong in ((111.1, located(1, 111)), (102, located(2, 102)), (102, located(1, 97))):
        stream.visits = [visit(wrong)]
        assert len(list(stream.leaks())) == 1


def test_delays_are_those_of_open_streams(trip):
    stream = TripStream(trip)
    stream.visits = [visit(*GOOD)]
    assert list(stream.delays()) == [
        ("move", pytest.approx(0.2)),
        ("end", pytest.approx(0.3)),
    ]
    # Not of a broken one, and of one that was opened afterwards.
    stream.visits = [visit(*GOOD[:3], ended=110.1, code=1006), visit((115, shown(2)))]
    assert list(stream.delays()) == [("end", pytest.approx(0.3))]


def test_stream_that_shows_no_new_driver_is_late_for_ever(trip):
    stream = TripStream(trip)
    stream.visits = [visit(*GOOD[:3], ended=float("inf"), code=None)]
    assert measure([stream]).move == measure([stream]).end == float("inf")


def test_figures(trip):
    stream = TripStream(trip)
    stream.visits = [visit(*GOOD[:2], ended=103, code=1006), visit(*GOOD)]
    lives = measure([stream])
    assert (lives.trips, lives.reassignments, lives.streams, lives.frames) == (1, 1, 1, 11)
    assert (lives.leaks, lives.cut) == (0, 1)
    assert lives.cells() == ["1", "1", "1", "11", "0", "0.2 s", "0.3 s", "0.0 s", "1"]
