"""Everything that is kept about one person, as a zip."""

import csv
from codecs import BOM_UTF8
from datetime import timedelta
from io import BytesIO, StringIO
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone, translation

from tracking import states, trips
from tracking.access_log import Way
from tracking.history import archive as export_module
from tracking.history import pages
from tracking.history.archive import export, export_pieces
from tracking.models import (
    Device,
    DriverAlert,
    DriverLocation,
    HistoryErasure,
    HistoryHold,
    LocationAccess,
    Trip,
    WatchGrant,
    Zone,
    ZoneVisit,
)

from .tracks import NOON, drive, keep_hot, keep_packed, track_fix

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()

TABLES = {
    "last-known-location.csv",
    "phones.csv",
    "who-may-watch-you.csv",
    "whom-you-may-watch.csv",
    "who-looked-at-you.csv",
    "whom-you-looked-at.csv",
    "your-state.csv",
    "changes-of-your-state.csv",
    "trips-you-drove.csv",
    "changes-of-trips-you-drove.csv",
    "trips-you-took.csv",
    "changes-of-trips-you-took.csv",
    "ways-of-trips-you-drove.csv",
    "arrival-of-your-trip.csv",
    "status-told-about-you.csv",
    "events-about-you.csv",
    "zones-you-were-in.csv",
    "alerts-about-you.csv",
    "trips-you-shared.csv",
    "holds.csv",
    "erasures.csv",
}


@pytest.fixture(autouse=True)
def _a_day_later(monkeypatch, settings):
    """Set the clock to the day after the tracks of these tests."""
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(days=1))
    settings.TRACKING = settings.TRACKING | {"HISTORY": "all", "HISTORY_DAYS": 60}


def exported(driver_id):
    file = BytesIO()
    export(driver_id, file)
    archive = ZipFile(file)
    assert archive.testzip() is None
    return archive


def table(archive, name):
    text = archive.read(name).decode("utf-8-sig" if "/" not in name else "ascii")
    return list(csv.DictReader(StringIO(text, newline="")))


def test_person_of_whom_nothing_is_kept_gets_empty_tables(driver):
    archive = exported(driver)
    assert set(archive.namelist()) == {"README.txt", *TABLES}
    assert [table(archive, name) for name in TABLES] == [[]] * len(TABLES)
    assert "Where you were: no locations." in archive.read("README.txt").decode()


def test_tracks_have_a_table_and_a_map_for_each_day(driver, other_driver):
    keep_packed(driver, drive(10))
    keep_hot(driver, [track_fix(43_199.999), track_fix(43_200)])
    keep_hot(other_driver, drive(5, at=NOON - timedelta(days=3)))
    archive = exported(driver)
    tracks = {name for name in archive.namelist() if name.startswith("tracks/")}
    assert tracks == {
        f"tracks/2026-11-{day}.{ending}" for day in (26, 27) for ending in ("csv", "gpx")
    }
    for day, count in ((26, 11), (27, 1)):
        assert len(table(archive, f"tracks/2026-11-{day}.csv")) == count
        root = ElementTree.fromstring(archive.read(f"tracks/2026-11-{day}.gpx"))
        assert len(root.findall(".//{*}trkpt")) == count


def test_readme_says_in_words_what_is_there_and_for_how_long(driver, settings):
    keep_hot(driver, drive(1_234, seconds=1))
    content = exported(driver).read("README.txt").decode()
    assert max(map(len, content.splitlines())) <= 100
    text = " ".join(content.split())
    assert f"account has the number {driver}." in text
    assert "1,234 locations, from 2026-11-26 to 2026-11-26" in text
    assert "Kept for 60 days. Only what is listed in holds.csv is kept longer." in text
    assert "Kept for 90 days." in text
    for name in TABLES:
        assert name in text
    assert "%" not in text
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "ACCESS_LOG_DAYS": 0}
    text = " ".join(exported(driver).read("README.txt").decode().split())
    assert text.count("Nothing new is kept.") == 3


def test_readme_is_in_the_active_language(driver):
    with translation.override("de"):
        content = exported(driver).read("README.txt")
    text = content.decode("utf-8-sig")
    assert text.startswith("Deine Standortdaten\r\n")
    # Editors that guess would take it for the code page of the system.
    assert content.startswith(BOM_UTF8)
    assert max(map(len, text.splitlines())) <= 100


def test_tables_have_everything_about_this_person_and_nothing_about_others(
    driver, other_driver, rider
):
    at, later = NOON - timedelta(days=1), NOON
    for pk in (driver, other_driver):
        DriverLocation.objects.create(
            driver_id=pk, latitude=1.5, longitude=2.5, recorded_at=at, received_at=later
        )
        device = Device.objects.issue(User.objects.get(pk=pk), f"phone of {pk}")
        WatchGrant.objects.create(driver_id=pk, watcher_id=rider, starts_at=at, ends_at=later)
        WatchGrant.objects.create(driver_id=rider, watcher_id=pk, starts_at=at, ends_at=later)
        for viewer, viewed in ((rider, pk), (pk, rider)):
            LocationAccess.objects.create(
                at=at,
                way=Way.TRACK,
                viewer_id=viewer,
                driver_id=viewed,
                since=at,
                until=later,
                purpose="lost, found",
            )
        HistoryHold.objects.create(
            reference=f"T-{pk}", driver_id=pk, since=at, until=later, held_at=later
        )
        HistoryErasure.objects.create(driver_id=pk, before=at, erased_at=later)
    LocationAccess.objects.create(at=later, way=Way.FLEET, viewer_id=driver)
    archive = exported(driver)
    yesterday, noon = "2026-11-25T12:00:00Z", "2026-11-26T12:00:00Z"
    (location,) = table(archive, "last-known-location.csv")
    assert location["latitude"] == "1.5"
    assert (location["recorded_at"], location["received_at"]) == (yesterday, noon)
    (phone,) = table(archive, "phones.csv")
    assert phone["label"] == f"phone of {driver}"
    for name in archive.namelist():
        assert device.token.encode() not in archive.read(name)
        assert device.token_hash.encode() not in archive.read(name)
    grant = {"starts_at": yesterday, "ends_at": noon, "ended_at": "", "reference": ""}
    assert table(archive, "who-may-watch-you.csv") == [{"watcher": str(rider)} | grant]
    assert table(archive, "whom-you-may-watch.csv") == [{"driver": str(rider)} | grant]
    look = {
        "at": yesterday,
        "way": "track of one driver",
        "track_from": yesterday,
        "track_until": noon,
        "purpose": "lost, found",
    }
    assert table(archive, "who-looked-at-you.csv") == [{"viewer": str(rider)} | look]
    own, fleet = table(archive, "whom-you-looked-at.csv")
    assert own == {"driver": str(rider)} | look
    assert (fleet["driver"], fleet["way"]) == ("all drivers", "live map of the fleet")
    (hold,) = table(archive, "holds.csv")
    assert hold == {
        "reference": f"T-{driver}",
        "since": yesterday,
        "until": noon,
        "held_at": noon,
        "released_at": "",
    }
    assert table(archive, "erasures.csv") == [{"before": yesterday, "erased_at": noon}]


def test_states_are_exported_with_their_places(driver, other_driver, monkeypatch):
    for pk in (driver, other_driver):
        states.set_state(pk, "available", place=(60.5, 24.9), vehicle_type="van", by=other_driver)
    later = NOON + timedelta(days=2)
    monkeypatch.setattr(timezone, "now", lambda: later)
    states.set_state(driver, "non_operational", place=(61.5, 24.9), reason="=lunch")
    archive = exported(driver)
    assert table(archive, "your-state.csv") == [
        {
            "state": "off duty",
            "since": "2026-11-28T12:00:00Z",
            "vehicle_type": "van",
            "off_duty_from": "2026-11-28T12:00:00Z",
            "off_duty_until": "",
            "shift_began_at": "60.5, 24.9",
            "shifts_ended_at": "61.5, 24.9",
        }
    ]
    begin = {
        "changed_at": "2026-11-27T12:00:00Z",
        "previous": "",
        "state": "available",
        "latitude": "60.5",
        "longitude": "24.9",
        "reason": "service_start",
        "trip": "",
    }
    assert table(archive, "changes-of-your-state.csv") == [
        begin,
        begin
        | {
            "changed_at": "2026-11-28T12:00:00Z",
            "previous": "available",
            "state": "off duty",
            "latitude": "61.5",
            "reason": "'=lunch",
        },
    ]


def test_trips_are_exported_for_the_driver_and_the_rider_with_own_waypoints(
    driver, other_driver, rider
):
    home = {"kind": "pickup", "lat": 60.1, "lon": 24.9, "name": "Home, sweet home"}
    trip = trips.create(
        riders=[rider],
        reference="T-7",
        driver=driver,
        vehicle="white van",
        waypoints=[home, {"kind": "dropoff", "lat": 61, "lon": 25}],
    )
    trips.assign(trip, other_driver, reason="flat tyre", vehicle="bus")
    trips.create(reference="T-8", driver=driver, waypoints=[home])
    trips.complete(trip)
    at = "2026-11-27T12:00:00Z"
    archive = exported(driver)
    drove = table(archive, "trips-you-drove.csv")
    assert [row["reference"] for row in drove] == ["T-7", "T-8"]
    assert drove[0] == {
        "trip": str(trip.pk),
        "reference": "T-7",
        "from": at,
        "until": at,
        "status": "complete",
    }
    changes = table(archive, "changes-of-trips-you-drove.csv")
    assert {(row["trip"], row["status"]) for row in changes} >= {(str(trip.pk), "new")}
    assert table(archive, "trips-you-took.csv") == []
    assert all(b"Home" not in archive.read(name) for name in TABLES)
    archive = exported(rider)
    (took,) = table(archive, "trips-you-took.csv")
    assert took == {
        "trip": str(trip.pk),
        "reference": "T-7",
        "status": "complete",
        "created_at": at,
        "ended_at": at,
        "driver": str(other_driver),
        "vehicle": "bus",
        "waypoints": "pickup 60.1, 24.9 (Home, sweet home); dropoff 61.0, 25.0",
    }
    assert [
        (row["status"], row["driver"], row["reason"])
        for row in table(archive, "changes-of-trips-you-took.csv")
    ] == [
        ("new", str(driver), ""),
        ("new", str(other_driver), "flat tyre"),
        ("complete", str(other_driver), ""),
    ]
    assert table(archive, "trips-you-drove.csv") == []


def test_events_about_the_driver_are_exported_with_their_facts(driver, other_driver):
    trip = trips.create(reference="=T-7", driver=driver)
    trips.assign(trip, other_driver)
    trips.complete(trip)
    archive = exported(driver)
    found = table(archive, "events-about-you.csv")
    at = "2026-11-27T12:00:00Z"
    state = {
        "occurred_at": at,
        "event": "A driver's state has changed",
        "trip": "",
        "reference": "",
        "number": "",
    }
    changed = {
        "occurred_at": at,
        "event": "A trip's status or driver has changed",
        "trip": str(trip.pk),
        "reference": "'=T-7",
        "number": "1",
        "facts": "status: new",
    }
    # All at one time, so in any order.
    assert sorted(found, key=str) == sorted(
        [
            state | {"facts": "state: reserved"},
            changed,
            state | {"facts": "state: available; previous_state: reserved"},
        ],
        key=str,
    )
    # What happened with the next driver is about that one.
    others = table(exported(other_driver), "events-about-you.csv")
    assert {row["number"] for row in others if row["trip"]} == {"2", "3"}
    assert f"status: new; previous_status: new; previous_driver: {driver}" in {
        row["facts"] for row in others
    }


def test_visits_to_zones_are_exported(driver, other_driver):
    zone = Zone.objects.create(name="Airport", latitude=60.3, longitude=24.9, radius=500)
    at = NOON - timedelta(hours=2)
    for pk in (driver, other_driver):
        ZoneVisit.objects.create(zone=zone, driver_id=pk, entered_at=at, dwelled_at=NOON)
    assert table(exported(driver), "zones-you-were-in.csv") == [
        {
            "zone": "Airport",
            "entered_at": "2026-11-26T10:00:00Z",
            "dwelled_at": "2026-11-26T12:00:00Z",
            "exited_at": "",
        }
    ]


def test_alerts_are_exported(driver, other_driver):
    for pk in (driver, other_driver):
        trip = Trip.objects.create(driver_id=pk, created_at=NOON)
        DriverAlert.objects.create(
            kind="long_stop", driver_id=pk, trip=trip, since=NOON, latitude=60.1, longitude=24.9
        )
    trip = Trip.objects.get(driver=driver)
    assert table(exported(driver), "alerts-about-you.csv") == [
        {
            "alert": "long stop on the way",
            "trip": str(trip.pk),
            "since": "2026-11-26T12:00:00Z",
            "ended_at": "",
            "latitude": "60.1",
            "longitude": "24.9",
            "route": "",
            "acknowledged_at": "",
            "note": "",
        }
    ]


def test_readme_says_how_long_events_are_kept(driver, settings):
    settings.TRACKING = settings.TRACKING | {"EVENT_DAYS": 12}
    text = " ".join(exported(driver).read("README.txt").decode().split())
    assert "before and after it. Kept for 12 days." in text
    assert "for a while. Kept for 12 days, or until your track is erased." in text


def test_readme_says_how_long_places_are_kept(driver, settings):
    text = " ".join(exported(driver).read("README.txt").decode().split())
    assert text.count("Places are kept for 60 days") == 2
    settings.TRACKING = settings.TRACKING | {"HISTORY": "off", "HISTORY_DAYS": 0}
    text = " ".join(exported(driver).read("README.txt").decode().split())
    assert text.count("Places are kept until your account is deleted") == 2


@pytest.mark.parametrize("text", ["=1+1", "+358", "-1", "@x", "\t=1", "\r=1"])
def test_spreadsheets_take_no_text_for_a_formula(driver, text):
    user = User.objects.get(pk=driver)
    Device.objects.issue(user, text)
    (phone,) = table(exported(driver), "phones.csv")
    assert phone["label"] == f"'{text}"


def test_texts_of_any_language_are_kept(driver):
    label = 'Äiti, "puhelin" 电话'
    Device.objects.issue(User.objects.get(pk=driver), label)
    (phone,) = table(exported(driver), "phones.csv")
    assert phone["label"] == label


def test_tables_are_read_in_batches_without_losing_a_row(driver, rider, monkeypatch):
    monkeypatch.setattr(export_module, "BATCH_SIZE", 3)
    # Several at one time, as the looks of a search are.
    times = [NOON + timedelta(seconds=second // 4) for second in range(15)]
    LocationAccess.objects.bulk_create(
        LocationAccess(at=at, way=Way.SEARCH, viewer_id=rider, driver_id=driver, purpose=str(n))
        for n, at in enumerate(times)
    )
    found = table(exported(driver), "who-looked-at-you.csv")
    assert [row["purpose"] for row in found] == [str(number) for number in range(15)]


def test_pieces_are_made_as_they_are_taken(driver, monkeypatch):
    reads = []

    def read(*args):
        reads.append(args)
        return pages_read(*args)

    pages_read = pages.read
    monkeypatch.setattr(pages, "read", read)
    monkeypatch.setattr(export_module, "PIECE", 1_000)
    for days in range(5):
        keep_packed(driver, drive(500, at=NOON - timedelta(days=days)))
    pieces = export_pieces(driver)
    first = next(pieces)
    assert 1_000 <= len(first) < 20_000
    assert len(reads) <= 1
    rest = list(pieces)
    assert len(reads) == 10
    assert len(rest) > 5
    assert ZipFile(BytesIO(first + b"".join(rest))).testzip() is None
