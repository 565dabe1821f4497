import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracking.eta.line import Line
from tracking.geo import METRES_PER_DEGREE
from tracking.polyline import decode, encode

EAST = [(60.0, 24.0), (60.0, 24.1), (60.1, 24.1)]


def test_known_line():
    """The example of Google's description, with another digit."""
    assert decode(encode([(38.5, -120.2), (40.7, -120.95), (43.252, -126.453)])) == [
        (38.5, -120.2),
        (40.7, -120.95),
        (43.252, -126.453),
    ]


@given(
    st.lists(
        st.tuples(st.integers(-90 * 10**6, 90 * 10**6), st.integers(-180 * 10**6, 180 * 10**6)),
        min_size=1,
    )
)
def test_decoding_undoes_encoding(units):
    places = [(y / 1e6, x / 1e6) for y, x in units]
    for (y, x), (y_2, x_2) in zip(places, decode(encode(places)), strict=True):
        assert (y, x) == (pytest.approx(y_2, abs=1e-9), pytest.approx(x_2, abs=1e-9))


@pytest.mark.parametrize(
    "encoded", ["", "?", "_", "~~~~~~~~~~~~", " ?", "\x00", "é?", "_gsia_@_gsia_@_", "????_"]
)
def test_what_is_no_line_is_refused(encoded):
    with pytest.raises(ValueError, match="polyline"):
        Line(encoded)


@given(st.text())
def test_any_text_is_decoded_or_refused(encoded):
    with contextlib.suppress(ValueError):
        assert bool(decode(encoded)) == bool(encoded)


def test_car_is_near_any_piece_of_the_line():
    line = Line(encode(EAST))
    for place in [(60.0, 24.0), (60.0, 24.05), (60.05, 24.1), (60.1, 24.1), (60.0, 24.02)]:
        assert line.is_near(*place, 1)
    north = 100 / METRES_PER_DEGREE
    assert line.is_near(60 + north, 24.05, 101)
    assert not line.is_near(60 + north, 24.05, 99)
    assert not line.is_near(60, 24.2, 1000)


def test_line_of_one_place():
    line = Line(encode([(60.0, 24.0)]))
    assert line.is_near(60, 24, 1)
    assert not line.is_near(60.001, 24, 100)
