"""Requests for a track, and the answers that are believed."""

import json
from datetime import timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.matching.requests import (
    MAX_COORDINATES,
    BadAnswer,
    chunks,
    joined,
    path,
    read_answer,
    thinned,
)
from tracking.plausibility import Flags
from tracking.polyline import decode, encode

from ..history.tracks import NOON, drive, track_fix

FIXES = drive(10)
LINE = [(60.0, 25.0), (60.004, 25.0)]


def answer(code="Ok", distance=450.0, line=LINE, geometry=None):
    matching = {"distance": distance, "geometry": geometry or encode(line)}
    return json.dumps({"code": code, "matchings": [matching]}).encode()


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180))))
def test_a_line_is_the_same_to_six_decimals_after_encoding(places):
    decoded = decode(encode(places))
    assert [pytest.approx(place, abs=1e-6) for place in places] == decoded


@given(st.text())
def test_text_that_is_no_line_is_refused(text):
    try:
        places = decode(text)
    except ValueError:
        return
    assert all(-90 <= y <= 90 and -180 <= x <= 180 for y, x in places)


def test_the_known_example_of_the_algorithm():
    assert encode([(3.85, -12.02), (4.07, -12.095)]) == "_p~iF~ps|U_ulLnnqC"


def test_fixes_of_a_standing_car_are_left_out():
    assert len(thinned([track_fix(n) for n in range(600)])) == 1


def test_fixes_are_thirty_metres_apart():
    kept = thinned(drive(100, seconds=1))
    assert [(fix.recorded_at - NOON) // timedelta(seconds=1) for fix in kept[:4]] == [0, 3, 6, 9]


@pytest.mark.parametrize("bad", [{"accuracy": 200.0}, {"flags": Flags(1)}])
def test_fixes_that_prove_little_are_left_out(bad):
    assert thinned([track_fix(0), track_fix(9, 60.01, **bad)]) == [track_fix(0)]


def test_no_two_fixes_have_the_same_second():
    assert len(thinned([track_fix(0.1), track_fix(0.9, 60.01)])) == 1


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, []), (1, []), (2, [2]), (100, [100]), (101, [100, 2]), (199, [100, 100])],
)
def test_a_track_is_cut_into_requests_that_share_a_fix(count, expected):
    parts = list(chunks(drive(count)))
    assert [len(part) for part in parts] == expected
    assert all(len(part) <= MAX_COORDINATES for part in parts)
    assert all(a[-1] == b[0] for a, b in pairwise(parts))


def test_a_request_has_places_times_and_radiuses():
    fixes = [track_fix(0, accuracy=2.0), track_fix(5, 60.1), track_fix(10, 60.2, accuracy=80.0)]
    url = urlsplit(path(fixes))
    assert url.path == (
        "/match/v1/driving/25.000000,60.000000;25.000000,60.100000;25.000000,60.200000"
    )
    noon = int(NOON.timestamp())
    assert parse_qs(url.query) == {
        "geometries": ["polyline6"],
        "overview": ["full"],
        "gaps": ["split"],
        "timestamps": [f"{noon};{noon + 5};{noon + 10}"],
        "radiuses": ["10;20;50"],
    }


def test_an_answer_is_a_distance_and_places():
    assert read_answer(answer(), FIXES) == [(450.0, LINE)]


@pytest.mark.parametrize("code", ["NoMatch", "NoSegment"])
def test_no_street_near_the_fixes_is_no_error(code):
    assert read_answer(json.dumps({"code": code}).encode(), FIXES) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"code": "Ok", "matchings": 5}',
        b"[" * 100_000,
        answer(code="TooBig"),
        answer(distance=-1),
        answer(distance=1e9),
        answer(distance=None),
        answer(line=[(0.0, 0.0), (0.1, 0.0)]),
        answer(line=LINE[:1]),
        answer(geometry="\x00"),
        answer(geometry="_"),
    ],
)
def test_nonsense_is_refused(body):
    with pytest.raises(BadAnswer):
        read_answer(body, FIXES)


def test_requests_that_meet_make_one_line_and_others_two():
    north, far = [(60.004, 25.0), (60.008, 25.0)], [(60.1, 25.0), (60.2, 25.0)]
    found = joined([[(450.0, LINE)], [(450.0, north)], [(9_000.0, far)]])
    assert found.distance == 9_900.0
    assert [len(decode(line)) for line in found.lines] == [4, 2]
