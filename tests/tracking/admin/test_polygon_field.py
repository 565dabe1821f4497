"""The text of a polygon's corners."""

import json
from contextlib import suppress

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from tracking.admin.polygon_field import PolygonField

FIELD = PolygonField(required=False)
SQUARE = [[60.0, 24.9], [60.0, 25.0], [60.1, 25.0], [60.1, 24.9]]
LINES = "60, 24.9\n60, 25\n60.1, 25\n60.1, 24.9"
RING = [[longitude, latitude] for latitude, longitude in [*SQUARE, SQUARE[0]]]
GEOMETRY = {"type": "Polygon", "coordinates": [RING]}
FEATURE = {"type": "Feature", "properties": {}, "geometry": GEOMETRY}


@pytest.mark.parametrize(
    "text",
    [
        LINES,
        f"\n{LINES}\n\n",
        LINES.replace("\n", "\r\n"),
        LINES.replace(", ", " "),
        LINES.replace(", ", ";"),
        LINES.replace("\n", ",\n"),
        f"{LINES}\n60.0, 24.90",  # closed
        json.dumps(SQUARE),
        json.dumps(GEOMETRY, indent=2),
        json.dumps(FEATURE),
        json.dumps({"type": "FeatureCollection", "features": [FEATURE]}),
        json.dumps({"type": "MultiPolygon", "coordinates": [[RING]]}),
        json.dumps(GEOMETRY | {"coordinates": [[[*place, 12.5] for place in RING]]}),
    ],
)
def test_corners_are_read(text):
    assert FIELD.clean(text) == SQUARE


def test_empty_text_is_no_polygon():
    assert FIELD.clean("") == []
    assert FIELD.clean("  \n ") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("60, 24.9\nhere", "Line 2: write a latitude and a longitude, such as 60.1699, 24.9384."),
        ("60,1 24,9", "Line 1: write a latitude and a longitude, such as 60.1699, 24.9384."),
        ("60, 24.9\n60, 25", "A polygon has at least 3 corners."),
        ("\n".join(["60, 24.9"] * 203), "A polygon has at most 200 corners. This one has 202."),
        ("95, 24.9\n60, 25\n60.1, 25", "Corner 1: a latitude is between -85 and 85."),
        ("60, 24.9\n60, 225\n60.1, 25", "Corner 2: a longitude is between -180 and 180."),
        ("0, 0\n1, 1\n0, 1\n1, 0", "The border crosses itself: after corner 1 and after corner 3."),
        ("0, 0\n0, 0\n1, 1", "The border crosses itself: after corner 1 and after corner 2."),
        ("0, 0\n0, 1\n0, 2", "The border crosses itself: after corner 1 and after corner 3."),
        ("0, 0\n0, 0.00001\n0.0000001, 0.000002", "The polygon has no area."),
        ("0, 0\n1, 100\n0, 179", "The polygon is too wide."),
        ("60, -180\n61, -60\n60, 60\n60, 179", "The polygon is too wide."),
        ("{", "This is not valid JSON."),
        ("[" * 30_000, "This is not valid JSON."),
        ("[1, 2]", "Write a list of [latitude, longitude], or GeoJSON."),
        ('[["a", "b"]]', "Write a list of [latitude, longitude], or GeoJSON."),
        ("[[NaN, 1], [1, 2], [2, 1]]", "Corner 1: a latitude is between -85 and 85."),
        ("[[1, Infinity], [1, 2], [2, 1]]", "Corner 1: a longitude is between -180 and 180."),
        ("{}", "This GeoJSON has no polygon."),
        ('{"type": "Point", "coordinates": [1, 2]}', "This GeoJSON has no polygon."),
        ('{"type": "Polygon", "coordinates": 7}', "This GeoJSON has no polygon."),
        ('{"type": "Polygon", "coordinates": [[1]]}', "This GeoJSON has no polygon."),
        ('{"type": "Polygon", "coordinates": []}', "This GeoJSON has no polygon."),
        ('{"type": "Feature", "geometry": null}', "This GeoJSON has no polygon."),
        (
            json.dumps({"type": "FeatureCollection", "features": [FEATURE, FEATURE]}),
            "This GeoJSON has 2 features. Paste a single one.",
        ),
        (
            json.dumps(GEOMETRY | {"coordinates": [RING, RING]}),
            "A zone has no holes. Paste the outer border alone.",
        ),
        (
            json.dumps({"type": "MultiPolygon", "coordinates": [[RING], [RING]]}),
            "A zone is one polygon. Make a zone for each part.",
        ),
    ],
)
def test_what_is_wrong_is_said(text, message):
    with pytest.raises(ValidationError) as caught:
        FIELD.clean(text)
    assert caught.value.messages == [message]


def test_polygon_across_the_antimeridian_is_read():
    text = "-16.8, 179.9\n-16.9, 179.9\n-16.9, -179.9\n-16.8, -179.9"
    assert FIELD.clean(text)[2] == [-16.9, -179.9]


@given(st.one_of(st.text(max_size=80), st.from_regex(r'\A[\[\]{}",:0-9a-z.-]{0,40}\Z')))
def test_no_text_breaks_the_field(text):
    with suppress(ValidationError):
        FIELD.clean(text)


def test_stored_corners_are_shown_as_lines_and_unchanged():
    text = FIELD.prepare_value(SQUARE)
    assert text == LINES
    assert FIELD.clean(text) == SQUARE
    assert not FIELD.has_changed(SQUARE, text)
    assert FIELD.has_changed(SQUARE, f"{text}\n60.05, 24.95")
    assert FIELD.prepare_value("as typed") == "as typed"
