"""A driver's track over HTTP."""

import csv
import json
from datetime import timedelta
from io import StringIO
from xml.etree import ElementTree

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.utils import timezone

from tracking.access_log import Way
from tracking.history import pages
from tracking.models import HistoryFix, LocationAccess

from ..history.tracks import NOON, drive, keep_hot, keep_packed, track_fix
from .problems import problem, problem_members
from .staff import permitted

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()

WINDOW = "from=2026-11-26T12:00:00Z&to=2026-11-26T13:00:00Z"


@pytest.fixture(autouse=True)
def _now(monkeypatch):
    """Set the clock to the day after the tracks of these tests."""
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(days=1))


@pytest.fixture
def staff(transactional_db):
    return permitted(User.objects.create_user(email="staff@example.com").pk, "view_historyfix")


@pytest.fixture
def track(rest, staff, driver):
    """Return a function that gets the driver's track as staff."""

    def track(query=WINDOW, user=staff, **headers):
        return rest("GET", f"/driver/{driver}/track/?{query}", user, **headers)

    return track


def feature(response):
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/geo+json"
    return json.loads(response.getvalue())


def points(response):
    return len(feature(response)["properties"]["datetimes"])


def looks():
    rows = LocationAccess.objects.order_by("pk")
    return list(rows.values_list("viewer", "driver", "way", "since", "until", "purpose"))


# Who may


def test_only_staff_with_the_permission_and_the_driver_see_a_track(
    rest, track, driver, other_driver, rider
):
    assert points(track()) == 0
    assert points(track(user=driver)) == 0
    for user in (other_driver, rider):
        problem(track(user=user), 403, "forbidden")
    permitted(rider)
    problem(track(user=rider), 403, "forbidden")
    permitted(rider, "view_driverlocation", "delete_historyfix")
    problem(track(user=rider), 403, "forbidden")
    permitted(rider, "view_historyfix")
    assert points(track(user=rider)) == 0
    User.objects.filter(pk=rider).update(is_staff=False)
    problem(track(user=rider), 403, "forbidden")
    problem(rest("GET", f"/driver/{driver}/track/"), 401, "not_authenticated")


@pytest.mark.parametrize("driver_id", [0, 4711, 2**63])
def test_ids_without_a_user_are_answered_like_a_refusal(rest, staff, driver_id):
    problem(rest("GET", f"/driver/{driver_id}/track/", staff), 403, "forbidden")


def test_a_page_with_a_web_session_sees_a_track(client, staff, driver):
    client.force_login(User.objects.get(pk=staff), "accounts.backends.PasswordBackend")
    response = client.get(f"/driver/{driver}/track?{WINDOW}")
    assert points(response) == 0


# Windows


@pytest.mark.parametrize("keep", [keep_hot, keep_packed])
def test_window_has_its_start_and_not_its_end(track, driver, keep):
    keep(driver, drive(721))
    assert points(track()) == 720
    assert points(track("from=2026-11-26T12:00:00.001Z&to=2026-11-26T13:00:00.001Z")) == 720
    assert points(track("from=2026-11-26T12:00:00Z&to=2026-11-26T12:00:05Z")) == 1


def test_midnight_belongs_to_one_day_of_the_time_zone(track, driver):
    midnight = NOON.replace(hour=22)  # in Helsinki
    keep_hot(driver, [track_fix(second, at=midnight) for second in (-0.001, 0, 86_399.999)])
    days = [points(track(f"day=2026-11-{day}&tz=Europe/Helsinki")) for day in (26, 27)]
    assert days == [1, 2]
    assert points(track("day=2026-11-26")) == 2


def test_default_is_the_last_24_hours(track, driver):
    keep_hot(driver, [track_fix(-1), track_fix(0), track_fix(86_400)])
    assert points(track("")) == 1


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("from=x", "from"),
        ("from=2026-11-26T12:00:00Z&to=9999-12-31T23:58:00Z", "to"),
        ("day=2026-11-26&tz=Mars/Phobos", "tz"),
        ("from=2026-11-26T12:00:00Z&from=2026-11-26T13:00:00Z", "from"),
        ("format=kml", "format"),
        ("max_points=1", "max_points"),
        ("max_points=50001", "max_points"),
        ("max_points=10.5", "max_points"),
        ("max_points=%2B10", "max_points"),
        ("max_points=٣٣", "max_points"),
        ("max_points=99999999999999999999999", "max_points"),
        ("max_points=", "max_points"),
        ("max_points=100&format=csv", "max_points"),
        ("with=everything", "with"),
        ("with=phone&format=csv", "with"),
        ("purpose=" + 201 * "x", "purpose"),
        ("purpose=a%00b", "purpose"),
    ],
)
def test_what_is_wrong_is_answered_400_and_named(track, query, name):
    body = problem_members(track(query), 400)
    assert body["code"] == "invalid"
    (error,) = body["errors"]
    assert error["parameter"] == name
    assert body["detail"].startswith(f"{name}: ")
    assert looks() == []


def test_unknown_parameter_is_answered_400_with_the_known_ones(track):
    body = problem_members(track("form=2026-11-26T12:00:00Z"), 400)
    assert "from, to, day, tz, max_points, format, with, purpose" in body["detail"]
    assert "form=" not in body["detail"]
    (error,) = body["errors"]
    assert list(error) == ["detail"]


# Formats


def test_flagged_fixes_are_there_and_count_for_no_distance(track, driver):
    fixes = drive(20)
    fixes[10] = track_fix(50, 62.0)
    keep_packed(driver, fixes)
    properties = feature(track())["properties"]
    assert properties["flags"] == [[]] * 10 + [["jump"]] + [[]] * 9
    assert 800 < properties["distance"] < 1_100


def test_fixes_beside_the_window_judge_those_at_its_edge(track, driver):
    fixes = drive(20)
    fixes[10] = track_fix(50, 62.0)
    keep_hot(driver, fixes)
    for window in (
        "from=2026-11-26T12:00:50Z&to=2026-11-26T12:01:00Z",
        "from=2026-11-26T12:00:40Z&to=2026-11-26T12:00:51Z",
    ):
        assert ["jump"] in feature(track(window))["properties"]["flags"]


@pytest.mark.parametrize("keep", [keep_hot, keep_packed])
@pytest.mark.parametrize(
    "window",
    [
        "from=2026-11-26T12:00:00Z&to=2026-11-26T13:00:00Z",
        "from=2026-11-26T12:30:00Z&to=2026-11-26T13:00:00Z",
        "from=2026-11-26T12:00:00Z&to=2026-11-26T12:31:00Z",
        # The hour of the fix begins after the window does.
        "from=2026-11-26T11:58:00Z&to=2026-11-26T12:31:00Z",
    ],
)
def test_a_phone_that_reports_rarely_has_the_same_flags_in_every_window(
    track, driver, keep, window
):
    fixes = [track_fix(minute * 60, 60 + minute / 1e4) for minute in range(-40, 100, 10)]
    fixes[7] = track_fix(30 * 60, 70.0)
    keep(driver, fixes)
    properties = feature(track(window))["properties"]
    flags = dict(zip(properties["datetimes"], properties["flags"], strict=True))
    assert {time for time, found in flags.items() if found} == {"2026-11-26T12:30:00Z"}
    assert properties["distance"] < 1_000


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("gpx", "application/gpx+xml"),
        ("csv", "text/csv; charset=utf-8"),
        ("ndjson", "application/x-ndjson"),
    ],
)
def test_files_have_a_name_and_all_fixes(track, driver, kind, content_type):
    keep_hot(driver, drive(5))
    response = track(f"{WINDOW}&format={kind}")
    assert response["Content-Type"] == content_type
    assert response["Content-Disposition"] == (
        f'attachment; filename="driver-{driver}-20261126T120000Z.{kind}"'
    )
    content = response.getvalue()
    found = {
        "gpx": lambda: ElementTree.fromstring(content).findall(".//{*}trkpt"),
        "csv": lambda: list(csv.DictReader(StringIO(content.decode(), newline=""))),
        "ndjson": lambda: [json.loads(line) for line in content.splitlines()],
    }[kind]()
    assert len(found) == 5


def test_max_points_thins_the_line_and_keeps_the_summary(track, driver):
    keep_hot(driver, drive(300))
    whole = feature(track())["properties"]
    thinned = feature(track(f"{WINDOW}&max_points=10"))["properties"]
    assert 2 <= len(thinned["datetimes"]) <= 10
    assert thinned["distance"] == whole["distance"] > 14_000
    assert thinned["datetimes"][0] == whole["datetimes"][0]
    assert thinned["datetimes"][-1] == whole["datetimes"][-1]


# Pages


def test_pages_end_at_whole_hours_and_lead_through_the_track(
    rest, track, staff, driver, monkeypatch
):
    monkeypatch.setattr(pages, "MAX_POINTS", 50)
    monkeypatch.setattr(pages, "READ_AT_ONCE", 30)
    at = [0, 1, 2, 3, 9]
    for hour, count in zip(at, (20, 30, 60, 10, 5), strict=True):
        keep = keep_hot if hour % 2 else keep_packed
        keep(driver, drive(count, seconds=7, at=NOON + timedelta(hours=hour)))
    for kind in ("geojson", "ndjson"):
        query = "from=2026-11-26T12:00:01&to=2026-11-26T22:00:00&tz=UTC&purpose=a%26b"
        response = track(f"{query}&format={kind}")
        seen, counts = [], []
        while True:
            if kind == "geojson":
                properties = feature(response)["properties"]
                found = properties["datetimes"]
            else:
                found = [
                    json.loads(line)["recorded_at"] for line in response.getvalue().splitlines()
                ]
            seen += found
            counts.append(len(found))
            if "Link" not in response:
                break
            address, relation = response["Link"].split("; ")
            assert relation == 'rel="next"'
            address = address.strip("<>")
            if kind == "geojson":
                assert properties["next"] == address
            response = rest("GET", address.removeprefix("http://testserver"), staff)
        assert counts == [49, 60, 15]
        assert seen == sorted(set(seen))
        assert properties["next"] is None
        assert {purpose for *_, purpose in looks()} == {"a&b"}


# ETag


def test_closed_window_is_answered_304_until_its_track_changes(track, driver):
    keep_hot(driver, drive(10))
    response = track()
    assert response["Cache-Control"] == "private, no-cache"
    assert {name.strip() for name in response["Vary"].split(",")} >= {"Authorization", "Cookie"}
    etag = {"If-None-Match": response["ETag"]}
    again = track(**etag)
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == response["ETag"]
    assert again["Cache-Control"] == "private, no-cache"
    for other in ("max_points=9", "format=csv"):
        assert track(f"{WINDOW}&{other}", **etag).status_code == 200
    assert track("from=2026-11-26T12:00:00Z&to=2026-11-26T13:00:01Z", **etag).status_code == 200
    keep_hot(driver, [track_fix(3)])
    assert points(track(**etag)) == 11


@pytest.mark.parametrize(("last", "late"), [(3595, 3600), (3595, 7200), (0, -5), (0, -3600)])
def test_etag_changes_with_the_fixes_around_that_decide_about_flags(track, driver, last, late):
    step = 5 if late > last else -5
    keep_hot(driver, [track_fix(last - n * step) for n in range(1, 4)])
    keep_hot(driver, [track_fix(last, 65.0)])
    response = track()
    assert feature(response)["properties"]["distance"] > 100_000
    keep_hot(driver, [track_fix(late), track_fix(late + step)])
    again = track(**{"If-None-Match": response["ETag"]})
    assert feature(again)["properties"]["distance"] < 1
    assert again["ETag"] != response["ETag"]


def test_unchanged_track_is_not_read(track, driver, monkeypatch):
    keep_packed(driver, drive(10))
    etag = track()["ETag"]
    monkeypatch.setattr(pages, "read", None)
    assert track(**{"If-None-Match": etag}).status_code == 304


def test_same_etag_hot_and_packed(track, driver):
    keep_hot(driver, drive(10))
    etag = track()["ETag"]
    HistoryFix.objects.all().delete()
    keep_packed(driver, drive(10))
    assert track()["ETag"] == etag


def test_open_window_and_hours_being_packed_have_no_etag(track, driver):
    for query in ("", "from=2026-11-27T11:00:00Z&to=2026-11-27T11:55:01Z", "day=2026-11-27"):
        response = track(query)
        assert "ETag" not in response
        assert response["Cache-Control"] == "no-store"
    keep_hot(driver, drive(10))
    keep_packed(driver, drive(10))
    response = track()
    assert "ETag" not in response
    assert points(response) == 10


# The audit trail


def test_each_look_is_recorded_with_its_window_and_purpose(track, staff, driver):
    for _ in range(2):
        response = track(f"{WINDOW}&purpose=complaint%207")
    track(**{"If-None-Match": response["ETag"]})
    window = (NOON, NOON + timedelta(hours=1))
    assert looks() == [
        (staff, driver, Way.TRACK, *window, "complaint 7"),
        (staff, driver, Way.TRACK, *window, "complaint 7"),
        (staff, driver, Way.TRACK, *window, ""),
    ]


def test_look_is_recorded_before_the_first_byte(track, driver, monkeypatch):
    def read(*args):
        assert len(looks()) == 1
        return iter([])

    keep_hot(driver, drive(1))
    monkeypatch.setattr(pages, "read", read)
    assert points(track()) == 0


def test_refusals_and_own_looks_leave_no_row(track, driver, rider, staff):
    track(user=rider)
    track(user=driver)
    track("format=kml")
    assert looks() == []


# The request


def test_head_has_no_body(rest, staff, driver):
    keep_hot(driver, drive(3))
    response = rest("HEAD", f"/driver/{driver}/track/?{WINDOW}&format=csv", staff)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response.getvalue() == b""


def test_looks_at_tracks_are_throttled(track, rates):
    rates(track_read="2/min")
    assert [track().status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize("kind", ["geojson", "gpx", "csv", "ndjson"])
def test_unavailable_database_is_answered_503(track, driver, monkeypatch, kind):
    def unavailable(*args):
        raise OperationalError("unavailable")

    keep_hot(driver, drive(3))
    monkeypatch.setattr(pages, "read", unavailable)
    problem(track(f"{WINDOW}&format={kind}"), 503, "unavailable")
