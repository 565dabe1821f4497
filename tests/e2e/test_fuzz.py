"""Hostile bytes over real sockets, on every route and both workers: no traceback, nothing in the
log as an error, no 1011, and no effect on other clients.
"""

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services import create_users, manage
from tracking.routing import websocket_urlpatterns

from .hostile import FRAMES, HEADERS, MESSAGES, QUERIES
from .neighbours import GAP, Neighbours
from .raw import CLOSE, TEXT, Raw, frame
from .stack import person

pytestmark = pytest.mark.alone

ROUTES = [f"/{route.pattern}" for route in websocket_urlpatterns]
ATTACKER = 2990
QUERY = f"?userId={ATTACKER}&tripId=1"
ENDS = {1000, 1002, 1007, 1009, 1013, 4400, 4401, 4403, 4429}
# In either log format.
ERROR = re.compile(r"\b(ERROR|CRITICAL)\b|\"level\": *\"(error|critical)\"")
GOODBYE = frame(CLOSE, (1000).to_bytes(2, "big"))


@pytest.fixture(scope="module")
def neighbours(cluster_stack):
    with Neighbours(cluster_stack) as neighbours:
        yield neighbours


@pytest.fixture(scope="module")
def token(cluster_stack):
    """Return a token that is valid on every route, for a driver and a trip that exist."""
    attacker = person(ATTACKER, is_staff=True, is_superuser=True)
    token = create_users(cluster_stack.environment, [attacker])[ATTACKER].encode()
    create = "from tracking import trips; trips.create()"
    manage(cluster_stack.environment, "shell", "--no-imports", "-c", create)
    return token


@pytest.fixture(autouse=True)
def _neighbours_are_not_affected(cluster_stack, neighbours):
    began_at = time.time()
    logs = [len(server.log()) for server in cluster_stack.servers]
    yield
    for server, length in zip(cluster_stack.servers, logs, strict=True):
        log = server.log()[length:]
        assert "Traceback" not in log
        assert not ERROR.search(log)
        assert "eyJ" not in log
    assert neighbours.in_order
    assert neighbours.longest_gap(began_at) < GAP


@pytest.fixture(params=["driver_server", "watcher_server"])
def port(cluster_stack, request):
    return getattr(cluster_stack, request.param).port


@pytest.fixture(params=ROUTES)
def route(request):
    return request.param


def attack(port, route, data):
    """Send these bytes after a valid handshake; return the close code."""
    with Raw(port, (route + QUERY).encode()) as client:
        assert client.status == 101
        client.send(data)
        texts, code = client.end()
    assert all(map(json.loads, texts))
    return code


@pytest.mark.parametrize("text", MESSAGES.values(), ids=MESSAGES)
def test_hostile_message_is_answered(port, route, token, text):
    command = b"send" if "/set" in route else b"start"
    text = text.replace(b"TOKEN", token).replace(b"COMMAND", command)
    assert attack(port, route, frame(TEXT, text) + GOODBYE) in ENDS


@pytest.mark.parametrize(("data", "code"), FRAMES.values(), ids=FRAMES)
def test_hostile_frame_has_its_close_code(port, route, data, code):
    if code is None:
        data, code = data + GOODBYE, 1000
    assert attack(port, route, data) == code


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.startswith(("/driver", "/trip"))]
)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_hostile_query_ends_in_an_error(port, route, query):
    expected = "invalid_user_id"
    if "trip" in route:
        query = query.replace(b"userId", b"tripId").replace(b"user%49d", b"trip%49d")
        expected = "invalid_trip_id"
    with Raw(port, route.encode() + query) as client:
        if client.status == 101:
            [text], code = client.end()
            assert (json.loads(text)["error"]["code"], code) == (expected, 4400)
        else:
            assert client.status == 0 or 400 <= client.status < 500


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_hostile_header_is_refused_or_ignored(port, route, headers):
    with Raw(port, (route + QUERY).encode(), headers) as client:
        if client.status == 101:
            client.send(GOODBYE)
            assert client.end() == ([], 1000)
        else:
            assert client.status == 0 or 400 <= client.status < 500


anything = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=130) | st.text(max_size=40).map(lambda text: text.encode(errors="replace")),
    fin=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 4]),
    masked=st.sampled_from([True, True, True, False]),
    length=st.none() | st.integers(0, 2**64 - 1),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=20) | anything, max_size=8).map(b"".join))
def test_any_bytes_end_in_a_close_code_or_in_silence(cluster_stack, data):
    for route in ROUTES:
        with Raw(
            cluster_stack.driver_server.port, f"{route}?userId=19&tripId=7".encode()
        ) as client:
            client.send(data)
            client.finish()
            assert client.end()[1] in {*ENDS, 1005, 1006}
