"""Tracks as GeoJSON, GPX, CSV and NDJSON."""

import csv
import json
from datetime import datetime, timedelta
from io import StringIO
from itertools import pairwise
from math import sin
from uuid import UUID
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.history import formats
from tracking.history.fixes import Flags, TrackFix

from .tracks import NOON, drive, track_fix

GPX = "{http://www.topografix.com/GPX/1/1}"
GARMIN = "{http://www.garmin.com/xmlschemas/TrackPointExtension/v2}"

LISTS = ("datetimes", "speed", "heading", "accuracy", "flags")

FULL = TrackFix(
    NOON + timedelta(microseconds=123_456),
    NOON + timedelta(milliseconds=900),
    -1.4354,
    -0.0000001,
    accuracy=4.5,
    heading=90.0,
    speed=10.5,
    battery=80,
    charging=False,
    mock=True,
    flags=Flags.MOCK | Flags.JUMP,
)

moments = st.integers(0, 86_400_000).map(lambda ms: NOON + timedelta(milliseconds=ms))
fixes = st.builds(
    TrackFix,
    moments,
    moments,
    st.integers(-900_000_000, 900_000_000).map(lambda e7: e7 / 10_000_000),
    st.integers(-1_800_000_000, 1_800_000_000).map(lambda e7: e7 / 10_000_000),
    accuracy=st.none() | st.integers(1, 10_000_000).map(lambda tenths: tenths / 10),
    heading=st.none() | st.integers(0, 359).map(float),
    speed=st.none() | st.integers(0, 99_999).map(lambda tenths: tenths / 10),
    battery=st.none() | st.integers(0, 100),
    charging=st.none() | st.booleans(),
    mock=st.booleans(),
    flags=st.integers(0, 7).map(Flags),
)
tracks = st.lists(fixes, max_size=6, unique_by=lambda fix: fix.recorded_at).map(
    lambda found: sorted(found, key=lambda fix: fix.recorded_at)
)


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(formats, "PIECE", 2)


def feature(*parts, **rest):
    return json.loads(b"".join(formats.geojson({"userId": 19}, parts, **rest)))


# GeoJSON


def test_feature_is_that_of_the_contract():
    found = feature([track_fix(0, 60.1699, 24.9384), FULL])
    assert found == {
        "type": "Feature",
        "geometry": {
            "type": "LineString",
            "coordinates": [[24.9384, 60.1699], [-1e-07, -1.4354]],
        },
        "properties": {
            "userId": 19,
            "datetimes": ["2026-11-26T12:00:00Z", "2026-11-26T12:00:00.123456Z"],
            "speed": [None, 10.5],
            "heading": [None, 90.0],
            "accuracy": [None, 4.5],
            "flags": [[], ["jump", "mock"]],
            "distance": 0.0,
            "stops": [],
            "gaps": [],
            "next": None,
        },
    }
    assert list(found["properties"])[:6] == ["userId", *LISTS]


def test_battery_is_there_for_a_client_that_asks():
    properties = feature([track_fix(0, 60.1699, 24.9384), FULL], with_phone=True)["properties"]
    assert properties["battery"] == [None, FULL.battery]
    assert properties["charging"] == [None, FULL.charging]
    assert properties["flags"] == [[], ["jump", "mock"]]


@given(tracks)
def test_lists_are_in_step_with_the_coordinates(track):
    found = feature(track)
    geometry, properties = found["geometry"], found["properties"]
    coordinates = geometry["coordinates"] if geometry else []
    assert coordinates == [[fix.longitude, fix.latitude] for fix in track]
    assert {len(properties[name]) for name in LISTS} == {len(track)}
    for name in ("speed", "heading", "accuracy"):
        assert properties[name] == [getattr(fix, name) for fix in track]


def test_one_fix_is_a_multipoint_and_none_has_no_geometry():
    geometry = feature([track_fix(0, 1.0, 2.0)])["geometry"]
    assert geometry == {"type": "MultiPoint", "coordinates": [[2.0, 1.0]]}
    assert feature([])["geometry"] is None


def test_ids_may_be_uuids():
    user_id = UUID("0c9f3a52-7d1e-4b86-9f0e-5a3c2d1b4e6f")
    found = json.loads(b"".join(formats.geojson({"userId": user_id}, [drive(2)])))
    assert found["properties"]["userId"] == str(user_id)
    (line,) = formats.ndjson(user_id, drive(1))
    assert json.loads(line)["userId"] == str(user_id)


def test_thinned_track_keeps_the_summary_of_the_whole():
    track = [*drive(100), *drive(1, at=NOON + timedelta(hours=1))]
    whole, thinned = feature(track), feature(track, max_points=10)
    assert len(thinned["geometry"]["coordinates"]) <= 10
    for name in LISTS:
        assert len(thinned["properties"][name]) == len(thinned["geometry"]["coordinates"])
    for name in ("distance", "stops", "gaps"):
        assert thinned["properties"][name] == whole["properties"][name]
    assert whole["properties"]["distance"] > 4_000
    assert [gap["from"] for gap in whole["properties"]["gaps"]] == ["2026-11-26T12:08:15Z"]


def test_thinned_track_with_many_stops_keeps_its_shape_and_the_longest_stops():
    """A day of deliveries: 40 times 5.5 minutes of driving in a curve, and a stop."""
    track, north = [], 0.0
    for leg in range(40):
        stop = 500 if leg == 33 else 150
        for second in range(0, 330 + stop, 5):
            north += 50 if second < 330 else 0
            at = track[-1].recorded_at + timedelta(seconds=5) if track else NOON
            east = 3_000 * sin(north / 9_000)
            track.append(track_fix(0, 60 + north / 111_195, 25 + east / 55_600, at=at))
    found = feature(track, max_points=20)["properties"]
    assert len(found["stops"]) == 40
    (longest,) = (stop for stop in found["stops"] if stop["seconds"] > 400)
    assert {longest["from"], longest["to"]} <= set(found["datetimes"])
    times = [datetime.fromisoformat(time) for time in found["datetimes"]]
    # In order of time, the stops took all points of the first hours.
    assert max(after - before for before, after in pairwise(times)) < timedelta(hours=1)


def test_next_page_is_a_property():
    assert feature(drive(2), following="/x?a=1&b=2")["properties"]["next"] == "/x?a=1&b=2"


def test_fixes_are_read_as_the_pieces_are_taken():
    read = []

    def reading():
        for fix in drive(10):
            read.append(fix)
            yield fix

    pieces = formats.geojson({"userId": 19}, [reading()])
    next(pieces)
    assert len(read) <= 4
    assert len(b"".join(pieces)) > 500


# GPX


def gpx(track):
    return ElementTree.fromstring(b"".join(formats.gpx("Driver 19", [track])))


@given(tracks)
def test_gpx_has_all_points_within_the_ranges_of_its_schema(track):
    found = gpx(track)
    assert (found.tag, found.get("version")) == (f"{GPX}gpx", "1.1")
    points = found.findall(f"{GPX}trk/{GPX}trkseg/{GPX}trkpt")
    assert len(points) == len(track)
    for fix, point in zip(track, points, strict=True):
        assert float(point.get("lat")) == fix.latitude
        assert float(point.get("lon")) == (-180 if fix.longitude == 180 else fix.longitude)
        assert "e" not in point.get("lat") + point.get("lon")


def test_gpx_point_has_time_flags_speed_and_course_in_the_order_of_its_schema():
    (point,) = gpx([FULL]).iter(f"{GPX}trkpt")
    assert [child.tag for child in point] == [f"{GPX}time", f"{GPX}cmt", f"{GPX}extensions"]
    assert point.findtext(f"{GPX}time") == "2026-11-26T12:00:00.123456Z"
    assert point.findtext(f"{GPX}cmt") == "jump mock"
    (motion,) = point.find(f"{GPX}extensions")
    assert [(child.tag, child.text) for child in motion] == [
        (f"{GARMIN}speed", "10.5"),
        (f"{GARMIN}course", "90"),
    ]
    (point,) = gpx([track_fix(0)]).iter(f"{GPX}trkpt")
    assert [child.tag for child in point] == [f"{GPX}time"]


def test_gpx_segments_end_at_gaps():
    track = [*drive(3), *drive(4, at=NOON + timedelta(minutes=10))]
    segments = gpx(track).findall(f"{GPX}trk/{GPX}trkseg")
    assert [len(segment) for segment in segments] == [3, 4]
    assert gpx([]).findall(f"{GPX}trk/{GPX}trkseg") == []


def test_gpx_segments_end_where_gaps_are_in_geojson():
    bad = {"mock": True, "flags": Flags.MOCK}
    track = [
        track_fix(0, **bad),
        track_fix(61),
        track_fix(101, **bad),
        track_fix(141),
        track_fix(221, **bad),
    ]
    (gap,) = feature(track)["properties"]["gaps"]
    assert gap["seconds"] == 80
    segments = gpx(track).findall(f"{GPX}trk/{GPX}trkseg")
    assert [len(segment) for segment in segments] == [3, 2]


# CSV and NDJSON


@pytest.mark.parametrize("kind", ["csv", "gpx"])
def test_first_piece_comes_after_the_first_fix_is_read(kind):
    def reading():
        raise OSError
        yield

    pieces = formats.csv(reading()) if kind == "csv" else formats.gpx("Driver 19", [reading()])
    with pytest.raises(OSError):  # noqa: PT011 - it is ours
        next(pieces)


def rows(track):
    text = b"".join(formats.csv(track)).decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(StringIO(text, newline="")))


@given(tracks)
def test_csv_has_all_fixes(track):
    found = rows(track)
    assert [(float(row["latitude"]), float(row["longitude"])) for row in found] == [
        (fix.latitude, fix.longitude) for fix in track
    ]
    for name in ("accuracy", "heading", "speed"):
        assert [float(row[name]) if row[name] else None for row in found] == [
            getattr(fix, name) for fix in track
        ]


def test_csv_row_has_plain_values():
    assert rows([FULL, track_fix(0)]) == [
        {
            "recorded_at": "2026-11-26T12:00:00.123456Z",
            "received_at": "2026-11-26T12:00:00.900Z",
            "latitude": "-1.4354000",
            "longitude": "-0.0000001",
            "accuracy": "4.5",
            "heading": "90",
            "speed": "10.5",
            "battery": "80",
            "charging": "false",
            "mock": "true",
            "flags": "jump mock",
        },
        {
            "recorded_at": "2026-11-26T12:00:00Z",
            "received_at": "2026-11-26T12:00:00Z",
            "latitude": "60.0000000",
            "longitude": "25.0000000",
            "mock": "false",
            **dict.fromkeys(("accuracy", "heading", "speed", "battery", "charging", "flags"), ""),
        },
    ]
    assert b"".join(formats.csv([])).decode() == f"{formats.CSV_HEADER}\r\n"


@given(tracks)
def test_ndjson_has_a_fix_in_each_line(track):
    lines = b"".join(formats.ndjson(19, track)).splitlines()
    assert [
        (found["userId"], found["latitude"], found["longitude"], found["battery"])
        for found in map(json.loads, lines)
    ] == [(19, fix.latitude, fix.longitude, fix.battery) for fix in track]


def test_ndjson_line_has_all_that_was_kept():
    (line,) = formats.ndjson(19, [FULL])
    assert json.loads(line) == {
        "userId": 19,
        "recorded_at": "2026-11-26T12:00:00.123456Z",
        "received_at": "2026-11-26T12:00:00.900Z",
        "latitude": -1.4354,
        "longitude": -1e-07,
        "accuracy": 4.5,
        "heading": 90.0,
        "speed": 10.5,
        "battery": 80,
        "charging": False,
        "mock": True,
        "flags": ["jump", "mock"],
    }
