"""No input makes a decoder raise anything but the project's own error."""

import contextlib
import json
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from tracking.protocol import TrackingError, encode_error

from ..messages import batch, decode_send, decode_start, send, send_text, start

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
degrees_like = st.one_of(
    json_values,
    st.from_regex(r"\A[+-]?[0-9]{0,30}\.?[0-9]{0,30}([eE][+-]?[0-9]{0,4})?\Z"),
    st.integers().map(str),
    st.floats().map(str),
)
times_like = (
    st.datetimes(timezones=st.timezones() | st.none()).map(datetime.isoformat)
    | st.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9:]{5})\Z")
    | json_values
)
mutated_messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("authenticate") | json_values,
        "payload": json_values
        | st.fixed_dictionaries(
            {},
            optional={
                "token": st.text() | json_values,
                "command": st.sampled_from(["send", "start", "stop", "send_batch"]) | json_values,
                "lat": degrees_like,
                "lon": degrees_like,
                "recorded_at": times_like,
                "heading": degrees_like,
                "speed": degrees_like,
                "accuracy": degrees_like,
                "details": json_values,
                "fixes": json_values
                | st.lists(
                    st.fixed_dictionaries(
                        {"lat": degrees_like, "lon": degrees_like},
                        optional={"recorded_at": times_like},
                    ),
                    max_size=101,
                ),
            },
        ),
        "extra": json_values,
    },
).map(json.dumps)
any_text = st.text(st.characters(exclude_categories=()))


@st.composite
def damaged_messages(draw):
    """Draw a valid message with one part of its text replaced."""
    text = json.dumps(draw(st.sampled_from([send(), start(), batch()])))
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return text[:first] + draw(any_text) + text[last:]


@given(any_text | json_values.map(json.dumps) | mutated_messages | damaged_messages())
def test_no_text_makes_a_decoder_raise_anything_but_the_projects_error(text):
    for decode in (decode_start, decode_send):
        with contextlib.suppress(TrackingError):
            decode(text)


@given(any_text | mutated_messages | damaged_messages())
def test_an_accepted_send_always_gives_finite_degrees_in_range(text):
    try:
        token, latitude, longitude = decode_send(text)
    except TrackingError:
        return
    assert token is None or isinstance(token, str)
    assert -90 <= latitude <= 90
    assert -180 <= longitude <= 180


def answer(decode, text):
    """Return the error frame that answers `text`, or None."""
    try:
        decode(text)
    except TrackingError as error:
        return encode_error(error)
    return ""


@given(st.text(st.characters(categories=("L", "N")), min_size=12).map("needle{}".format))
def test_an_error_never_quotes_the_input_or_the_token(needle):
    secret = json.dumps(needle)
    for text in (
        send_text(secret),
        json.dumps(send(payload={"token": needle, "lat": "91"})),
        json.dumps(send(payload={"token": needle, "lat": needle})),
        json.dumps(send(payload={"token": needle, "command": needle})),
        json.dumps(send(payload={"token": needle, "recorded_at": needle})),
        json.dumps(send(payload={"token": needle, "heading": needle})),
        json.dumps(batch(payload={"token": needle, "fixes": [{"lat": needle, "lon": 1}]})),
        json.dumps(start(payload={"token": needle, "details": needle})),
        json.dumps(start(type=needle, payload={"token": needle})),
        json.dumps({needle: needle}),
        secret,
        needle,
    ):
        for decode in (decode_start, decode_send):
            assert "needle" not in answer(decode, text)
