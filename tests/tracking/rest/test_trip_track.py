"""The track of a trip over HTTP."""

import csv
import json
from datetime import timedelta
from io import StringIO
from xml.etree import ElementTree

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from tracking import trips
from tracking.access_log import Way
from tracking.grants import end_grant
from tracking.history import pages
from tracking.models import LocationAccess, Trip, TripAssignment, TripMatch, WatchGrant
from tracking.polyline import encode

from ..history.tracks import NOON, drive, keep_hot, keep_packed, track_fix
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


@pytest.fixture
def clock(monkeypatch):
    """Return the clock of the server, in seconds after noon of the day of the tracks."""

    class Clock:
        seconds = 0

    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(seconds=Clock.seconds))
    return Clock


@pytest.fixture
def staff(transactional_db):
    return permitted(User.objects.create_user(email="staff@example.com").pk, "view_historyfix")


@pytest.fixture
def trip(clock, driver, rider):
    """Return a trip of 10 minutes, whose driver reported before and after it as well."""
    keep_hot(driver, drive(361, at=NOON - timedelta(minutes=10)))
    found = trips.create(reference="T-7", riders=[rider], driver=driver)
    clock.seconds = 600
    found = trips.complete(found)
    clock.seconds = 86_400
    return found


@pytest.fixture
def track(rest, trip, rider):
    """Return a function that gets the track of the trip, as its rider."""

    def track(query="", user=rider, **headers):
        return rest("GET", f"/trips/{trip.pk}/track/?{query}", user, **headers)

    return track


def properties(response):
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/geo+json"
    return json.loads(response.getvalue())["properties"]


def seconds(response):
    """Return when the fixes of a track were recorded, in seconds after noon."""
    lines = [json.loads(line) for line in response.getvalue().splitlines()]
    times = [line["recorded_at"].removesuffix("Z") for line in lines]
    return [
        (timezone.datetime.fromisoformat(f"{time}+00:00") - NOON).total_seconds() for time in times
    ]


def looks():
    rows = LocationAccess.objects.order_by("pk")
    return list(rows.values_list("viewer", "driver", "way", "since", "until", "purpose"))


# Who may


def test_staff_the_rider_and_the_driver_see_the_trip_from_its_begin_until_before_its_end(
    track, staff, driver, rider
):
    for user in (staff, rider, driver):
        assert seconds(track("format=ndjson", user)) == [n * 5 for n in range(120)]


def test_anybody_else_gets_the_answer_of_a_trip_that_does_not_exist(
    rest, track, other_driver, clock
):
    permitted(other_driver, "view_driverlocation", "view_trip", "delete_historyfix")
    refused = problem(track(user=other_driver), 404, "not_found")
    for number in (0, 4711, 2**63, 2**70):
        response = rest("GET", f"/trips/{number}/track/", other_driver)
        assert problem(response, 404, "not_found") == refused
    another = trips.create(riders=[other_driver])
    assert rest("GET", f"/trips/{another.pk}/track/", other_driver).status_code == 200
    problem(track(user=None), 401, "not_authenticated")


def test_a_page_with_a_web_session_sees_a_track(client, trip, rider):
    client.force_login(User.objects.get(pk=rider), "accounts.backends.PasswordBackend")
    assert len(properties(client.get(f"/trips/{trip.pk}/track"))["datetimes"]) == 120


def test_after_a_reassignment_each_driver_sees_its_own_part_and_riders_all(
    rest, clock, staff, driver, other_driver, rider
):
    for each in (driver, other_driver):
        keep_hot(each, drive(10, seconds=60))
    trip = trips.create(riders=[rider], driver=driver)
    clock.seconds = 150
    trips.assign(trip, other_driver)
    clock.seconds = 400
    trips.assign(trip, driver)
    clock.seconds = 500
    trips.complete(trip)

    def seen(user):
        response = rest("GET", f"/trips/{trip.pk}/track/?format=ndjson", user)
        lines = [json.loads(line) for line in response.getvalue().splitlines()]
        response = rest("GET", f"/trips/{trip.pk}/track/?format=ndjson", user)
        return list(zip((line["userId"] for line in lines), seconds(response), strict=True))

    own = [(driver, 0), (driver, 60), (driver, 120)]
    others = [(other_driver, at) for at in (180, 240, 300, 360)]
    last = [(driver, 420), (driver, 480)]
    assert seen(rider) == seen(staff) == own + others + last
    assert seen(driver) == own + last
    assert seen(other_driver) == others


def test_a_rider_sees_no_more_than_the_grants_permitted(rest, clock, staff, driver, rider):
    keep_hot(driver, drive(10, seconds=60))
    trip = trips.create(riders=[rider], driver=driver, ends_at=NOON + timedelta(seconds=400))
    url = f"/trips/{trip.pk}/track/?format=ndjson"
    clock.seconds = 500
    assert seconds(rest("GET", url, rider))[-1] == 360
    assert seconds(rest("GET", url, staff))[-1] == 480
    WatchGrant.objects.update(ended_at=NOON + timedelta(seconds=200))
    assert seconds(rest("GET", url, rider))[-1] == 180
    WatchGrant.objects.all().delete()
    assert seconds(rest("GET", url, rider)) == []


def test_an_ended_grant_ends_the_track_of_its_rider_alone(rest, clock, driver, rider, other_driver):
    keep_hot(driver, drive(10, seconds=60))
    trip = trips.create(riders=[rider, other_driver], driver=driver)
    clock.seconds = 100
    end_grant(WatchGrant.objects.get(watcher=rider))
    clock.seconds = 300
    url = f"/trips/{trip.pk}/track/?format=ndjson"
    assert seconds(rest("GET", url, rider)) == [0, 60]
    assert seconds(rest("GET", url, other_driver)) == [0, 60, 120, 180, 240]


# The track


def test_geojson_says_whose_track_it_is_and_how_long_and_far(track, trip, driver):
    found = properties(track())
    assert list(found)[:4] == ["tripId", "reference", "drivers", "duration"]
    assert (found["tripId"], found["reference"], found["duration"]) == (trip.pk, "T-7", 600.0)
    assert found["drivers"] == [
        {"userId": driver, "from": "2026-11-26T12:00:00Z", "to": "2026-11-26T12:10:00Z"}
    ]
    assert found["distance"] == pytest.approx(5_950, rel=0.02)
    assert (found["stops"], found["gaps"], found["next"]) == ([], [], None)


def test_an_open_trip_gives_the_track_up_to_now(rest, clock, driver, rider):
    keep_hot(driver, drive(361))
    trip = trips.create(riders=[rider], driver=driver)
    for now in (60, 90):
        clock.seconds = now
        response = rest("GET", f"/trips/{trip.pk}/track/", rider)
        found = properties(response)
        assert (found["duration"], len(found["datetimes"])) == (now, now / 5)
        assert "ETag" not in response


def test_a_trip_without_a_driver_has_an_empty_track(rest, clock, rider, staff):
    trip = trips.create(riders=[rider])
    for user in (rider, staff):
        response = rest("GET", f"/trips/{trip.pk}/track/", user)
        found = json.loads(response.getvalue())
        assert found["geometry"] is None
        assert (found["properties"]["drivers"], found["properties"]["duration"]) == ([], 0)
    for kind in ("csv", "gpx", "ndjson"):
        assert rest("GET", f"/trips/{trip.pk}/track/?format={kind}", rider).status_code == 200
    assert looks() == []


def test_the_way_between_two_drivers_counts_for_nothing(rest, clock, driver, other_driver, rider):
    # Two cars that stand 100 km apart.
    keep_hot(driver, [track_fix(5 * n) for n in range(60)])
    keep_packed(other_driver, [track_fix(300 + 5 * n, latitude=61) for n in range(60)])
    trip = trips.create(riders=[rider], driver=driver)
    clock.seconds = 300
    trips.assign(trip, other_driver)
    clock.seconds = 600
    trips.complete(trip)
    clock.seconds = 86_400
    found = properties(rest("GET", f"/trips/{trip.pk}/track/", rider))
    assert (found["distance"], found["gaps"], found["duration"]) == (0.0, [], 600.0)
    assert [stop["lat"] for stop in found["stops"]] == [60, 61]
    assert found["flags"] == [[]] * 120
    assert [each["userId"] for each in found["drivers"]] == [driver, other_driver]
    gpx = rest("GET", f"/trips/{trip.pk}/track/?format=gpx", rider).getvalue()
    segments = ElementTree.fromstring(gpx).findall(".//{*}trkseg")
    assert [len(segment) for segment in segments] == [60, 60]


@pytest.mark.parametrize("kind", ["gpx", "csv", "ndjson"])
def test_files_have_a_name_and_all_fixes(track, trip, kind):
    response = track(f"format={kind}")
    assert response["Content-Disposition"] == f'attachment; filename="trip-{trip.pk}.{kind}"'
    content = response.getvalue()
    found = {
        "gpx": lambda: ElementTree.fromstring(content).findall(".//{*}trkpt"),
        "csv": lambda: list(csv.DictReader(StringIO(content.decode(), newline=""))),
        "ndjson": lambda: content.splitlines(),
    }[kind]()
    assert len(found) == 120


def test_from_and_to_give_a_part_of_the_trip_and_never_more(track):
    query = "from=2026-11-26T12:01:00Z&to=2026-11-26T14:02:00%2B02:00"
    found = properties(track(query))
    assert (found["duration"], len(found["datetimes"])) == (60.0, 12)
    found = properties(track("from=2026-11-26T11:50:00&to=2026-11-26T13:00:00&tz=UTC"))
    assert (found["duration"], len(found["datetimes"])) == (600.0, 120)
    assert properties(track("to=2026-11-26T11:00:00Z"))["drivers"] == []


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("from=2026-11-26T12:01:00Z&to=2026-11-26T12:01:00Z", "from"),
        ("from=x", "from"),
        ("max_points=100&format=csv", "max_points"),
        ("purpose=" + 201 * "x", "purpose"),
    ],
)
def test_what_is_wrong_is_answered_400_and_named(track, query, name):
    (error,) = problem_members(track(query), 400)["errors"]
    assert error["parameter"] == name
    assert looks() == []


def test_max_points_thins_the_line_and_keeps_the_summary(track):
    whole, thinned = properties(track()), properties(track("max_points=10"))
    assert 2 <= len(thinned["datetimes"]) <= 10
    assert thinned["distance"] == whole["distance"]
    assert thinned["duration"] == whole["duration"]


def test_pages_lead_through_a_trip_from_driver_to_driver(
    rest, clock, driver, other_driver, rider, monkeypatch
):
    monkeypatch.setattr(pages, "MAX_POINTS", 50)
    keep_packed(driver, drive(100, seconds=100))
    keep_hot(other_driver, drive(100, seconds=100))
    trip = trips.create(riders=[rider], driver=driver)
    clock.seconds = 5_000
    trips.assign(trip, other_driver)
    clock.seconds = 9_000
    trips.complete(trip)
    address, times, drivers, durations = f"/trips/{trip.pk}/track/", [], [], []
    while address:
        found = properties(rest("GET", address, rider))
        times.append(found["datetimes"])
        drivers.append([each["userId"] for each in found["drivers"]])
        durations.append(found["duration"])
        address = found["next"] and found["next"].removeprefix("http://testserver")
    # A packed hour counts whole, also where another driver took over in it.
    assert list(map(len, times)) == [36, 14, 40]
    assert drivers == [[driver], [driver], [other_driver]]
    assert durations == [3_600, 1_400, 4_000]
    assert len({time for page in times for time in page}) == 90


# ETag


def test_an_ended_trip_is_answered_304_until_its_track_changes(track, driver, staff):
    response = track()
    assert response["Cache-Control"] == "private, no-cache"
    etag = {"If-None-Match": response["ETag"]}
    again = track(**etag)
    assert (again.status_code, again.content) == (304, b"")
    assert track("format=csv", **etag).status_code == 200
    keep_hot(driver, [track_fix(3)])
    assert len(properties(track(**etag))["datetimes"]) == 121


def test_riders_with_different_parts_have_different_etags(track, rider, staff):
    etag = track()["ETag"]
    assert track(user=staff)["ETag"] == etag
    WatchGrant.objects.update(ended_at=NOON + timedelta(seconds=1))
    assert track()["ETag"] != etag


# The audit trail


def test_each_look_is_recorded_with_driver_window_and_purpose(
    rest, clock, staff, rider, driver, other_driver
):
    trip = trips.create(riders=[rider], driver=driver)
    clock.seconds = 100
    trips.assign(trip, other_driver)
    clock.seconds = 200
    start, middle, now = (NOON + timedelta(seconds=each) for each in (0, 100, 200))
    for user in (staff, rider, driver, other_driver):
        rest("GET", f"/trips/{trip.pk}/track/?purpose=lost%20bag", user)
    assert looks() == [
        (user, *part, "lost bag")
        for user in (staff, rider)
        for part in ((driver, Way.TRACK, start, middle), (other_driver, Way.TRACK, middle, now))
    ]


# Accounts that are deleted


def test_trip_of_a_deleted_driver_and_rider_stays(rest, trip, staff, driver, rider):
    assert len(properties(rest("GET", f"/trips/{trip.pk}/track/", staff))["datetimes"]) == 120
    User.objects.get(pk=driver).delete()
    found = Trip.objects.get(pk=trip.pk)
    assert (found.driver, str(found)) == (None, "T-7")
    assert [change.driver for change in found.changes.all()] == [None, None]
    assert properties(rest("GET", f"/trips/{trip.pk}/track/", rider))["drivers"] == []
    User.objects.get(pk=rider).delete()
    assert list(found.riders.all()) == []
    shown = rest("GET", f"/trips/{trip.pk}/", permitted(staff, "view_trip", "view_historyfix"))
    assert (shown.json()["driver"], shown.json()["riders"]) == (None, [])
    assert properties(rest("GET", f"/trips/{trip.pk}/track/", staff))["drivers"] == []


# The request


def test_head_has_no_body(rest, trip, rider):
    response = rest("HEAD", f"/trips/{trip.pk}/track/?format=csv", rider)
    assert response.status_code == 200
    assert response.getvalue() == b""


def test_looks_at_tracks_are_throttled(track, rates):
    rates(track_read="2/min")
    assert [track().status_code for _ in range(3)] == [200, 200, 429]


# The way on the streets


@pytest.fixture
def matched(trip):
    now = timezone.now()
    line = encode([(60.0, 25.0), (60.01, 25.0)])
    return TripMatch.objects.create(
        trip=trip, claimed_at=now, matched_at=now, distance=1112.0, line=f"{line}\n{line}"
    )


def test_whoever_sees_the_whole_trip_gets_its_way_on_the_streets(track, matched, staff, driver):
    line = [[25.0, 60.0], [25.0, 60.01]]
    for user in (staff, driver):
        assert properties(track(user=user))["matched"] == {
            "distance": 1112.0,
            "geometry": {"type": "MultiLineString", "coordinates": [line, line]},
        }


def test_a_rider_whose_grant_ended_before_the_trip_gets_no_way(track, matched, trip, rider):
    WatchGrant.objects.filter(trip=trip, watcher=rider).update(
        ended_at=NOON + timedelta(seconds=300)
    )
    assert properties(track())["matched"] is None


def test_a_driver_of_a_part_of_the_trip_gets_no_way(track, matched, trip, driver, staff):
    other = User.objects.create_user(email="other@example.com", role="driver")
    TripAssignment.objects.create(
        trip=trip, driver=other, since=NOON - timedelta(seconds=60), until=NOON
    )
    assert properties(track(user=driver))["matched"] is None
    assert properties(track(user=other.pk))["matched"] is None
    assert properties(track(user=staff))["matched"] is not None


def test_a_trip_that_could_not_be_matched_has_no_way(track, matched, staff):
    TripMatch.objects.update(distance=None, line="")
    assert properties(track(user=staff))["matched"] is None
