"""The cost of a request before its sender is known is bounded, on real servers."""

import asyncio
import gc
import json
import math
import re
import sys
import time
import unicodedata
from contextlib import suppress
from functools import partial
from itertools import product

import pytest
from websockets.asyncio.client import connect

from accounts.models import MAX_EMAIL_LENGTH
from ridehail.censor import MAX_TEXT_LENGTH, hide_secrets
from tests.services import create_users
from tracking.contrib.uvicorn.http import MAX_BODY_SIZE, MAX_PARSED

from .entrances import ENTRANCES
from .stack import person


async def exchange(port, *pieces, reads=1):
    """Send pieces on one connection; return so many answers, or all bytes until it ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            while answer.count(b"HTTP/1.1 ") < reads:
                data = await reader.read(65536)
                if not data:
                    break
                answer += data
    except ConnectionError:
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return answer


def head(*headers, target="/health/live/", method="GET"):
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


@pytest.fixture(scope="module")
def port(cluster):
    return cluster[0].port


async def test_cookies_of_eight_kibibytes_are_no_obstacle_for_page_or_socket(
    cluster_stack, port, driver_id
):
    cookie = f"Cookie: session={'x' * 9000}"
    answer = await exchange(port, head(cookie, target="/driver/19/location/"))
    assert answer.startswith(b"HTTP/1.1 401 ")
    url = f"ws://127.0.0.1:{port}/driver/set-tracking?userId={driver_id}"
    headers = {"Cookie": f"session={'x' * 9000}"}
    async with connect(url, additional_headers=headers, proxy=None) as socket:
        await socket.send("{}")
        assert "invalid_message" in await socket.recv()


async def test_head_above_sixteen_kibibytes_is_cut_off(port):
    assert await exchange(port, head(f"Cookie: a={'x' * 20_000}", target="/")) == b""


STAFF = 812


@pytest.fixture(scope="module")
def staff_token(cluster):
    staff = person(STAFF, "driver", is_staff=True, is_superuser=True)
    return create_users(cluster[0].environment, [staff])[STAFF]


@pytest.mark.parametrize(
    ("method", "target", "size", "unit"),
    [
        ("POST", "/accounts/token/", 100_000, b"["),
        ("POST", "/accounts/token/", 100_000, b'{"a":'),
        ("POST", "/accounts/token/refresh/", 100_000, b"["),
        ("POST", "/accounts/token/logout/", 100_000, b"["),
        ("POST", "/driver/grants/", 100_000, b"["),
        ("POST", "/trips/", 100_000, b"["),
        # A list would be refused for its type, before its content is read.
        ("PUT", "/driver/812/location/", 30_000, b'{"a":'),
        ("POST", "/driver/812/locations/", 30_000, b'{"a":'),
    ],
)
async def test_nested_json_is_a_client_error(port, staff_token, method, target, size, unit):
    body = unit * (size // len(unit))
    sent = head(
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        # The log-in takes no token.
        *(
            [f"Authorization: Bearer {staff_token}"]
            if target.startswith(("/driver/", "/trips/"))
            else []
        ),
        target=target,
        method=method,
    )
    answer = await exchange(port, sent + body, reads=2)  # Until its end.
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"JSON" in answer.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "target", ["/accounts/token/", "/admin/login/", "/accounts/login/", "/trips/", "/"]
)
async def test_body_without_end_is_refused_before_it_is_kept(port, target, chunked):
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 999999999"
    begin = head("Content-Type: application/json", length, target=target, method="POST")
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n" if chunked else b"x" * 0x8000
    pieces = [piece] * (MAX_BODY_SIZE // 0x8000 + 2)
    answer = await exchange(port, begin, *(pieces if chunked else []))
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_pipelined_requests_are_answered_in_order_one_after_the_other(port):
    requests = b"".join(head(target=f"/missing/{number}/") for number in range(300))
    answer = await exchange(port, requests, reads=300)
    assert answer.count(b"HTTP/1.1 404 ") == 300


async def test_requests_that_wait_for_a_response_are_not_parsed(monkeypatch):
    """Before, 13,800 requests of one read were parsed at once, each with a task waiting."""
    import uvicorn

    from tracking.contrib.uvicorn.http import HttpProtocol

    held, arrived = asyncio.Event(), asyncio.Event()
    started = 0

    async def application(scope, receive, send):
        nonlocal started
        started += 1
        arrived.set()
        await held.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(application, port=0, http=HttpProtocol, lifespan="off", log_level=50)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    loop = asyncio.get_running_loop()
    protocols = []

    def protocol():
        made = HttpProtocol(config=config, server_state=server.server_state, app_state={})
        protocols.append(made)
        return made

    listener = await loop.create_server(protocol, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(request * 13_800)
    async with asyncio.timeout(20):
        await arrived.wait()
    # By now all that was read is parsed or waits, and reading is paused.
    assert protocols[0].flow.read_paused
    assert started == 1
    assert len(protocols[0].pipeline) <= MAX_PARSED // len(request) + 1
    held.set()
    answers = b""
    async with asyncio.timeout(20):
        while answers.count(b"HTTP/1.1 200") < 13_800:
            answers += await reader.read(1 << 20)
    assert started == 13_800
    writer.close()
    listener.close()


# Work that grows faster than the input


# Texts that are repeated, and beginnings before them: a quote, which is closed at the end.
UNITS = [
    *(
        "a",
        "1",
        "0",
        ".",
        ",",
        ";",
        ":",
        "/",
        "%",
        "%41",
        "\\",
        "[",
        "{",
        "(",
        "@",
        "=",
        "&",
        "-",
        " ",
    ),
    *("eyJ-", "a=1;", '";', "&a=", "a,", "1.", "lat=1&", "trk_", "\r\n", "a: b\r\n", "--a\r\n"),
    "\u0315\u0300",
]
BEGINNINGS = ["", 'a="']


def text_of(beginning, unit, size):
    text = (beginning + unit * (size // len(unit) + 1))[:size]
    return f'{text[:-1]}"' if beginning else text


class CPUTime:
    """Measures the processor time of a call, to compare it with that of another size."""

    # Less than half a millisecond is noise: other processes use the machine, too.
    margin = 0.0005

    def of(self, function, text):
        before = time.process_time()
        function(text)
        return time.process_time() - before


class Lines:
    """Counts the lines of Python that a call runs: exact, but without the work of C code."""

    margin = 2_000.0

    def of(self, function, text):
        counted = 0

        def count(frame, event, argument):
            nonlocal counted
            counted += 1
            return count

        before = sys.gettrace()
        sys.settrace(count)
        try:
            function(text)
        finally:
            sys.settrace(before)
        return counted


def grows_faster(measure, function, text, limit):
    """Tell whether four times as long a text costs more than eight times as much.

    Costs of no more than three times those of a text of one character are not compared.
    """
    idle = min(measure.of(function, text(1)) for _ in range(2))
    if measure.of(function, text(limit)) <= 3 * idle + measure.margin:
        return False
    # The minimum of several, as other processes use the machine too, some of them for a second.
    short = long = math.inf
    attempts, deadline = 0, time.monotonic() + 3
    while attempts < 4 or time.monotonic() < deadline:
        attempts += 1
        short = min(short, measure.of(function, text(limit // 4)))
        long = min(long, measure.of(function, text(limit)))
        if long - idle <= 8 * max(short - idle, idle / 2) + measure.margin:
            return False
    return True


def restarts(text):
    re.search(r"-eyJ[\w-]*\.", text)


def appends(text):
    seen = []
    for character in text:
        for other in seen[: len(text)]:
            if other == "x":
                break
        seen.append(character)


@pytest.mark.parametrize(
    ("measure", "function", "unit", "limit"),
    [
        (CPUTime(), restarts, "-eyJ", 16_384),
        (CPUTime(), lambda text: unicodedata.normalize("NFKC", text), "\u0315\u0300", 16_384),
        (CPUTime(), appends, "a", 2_048),
        (Lines(), appends, "a", 2_048),
    ],
)
def test_work_that_grows_with_the_square_is_noticed(measure, function, unit, limit):
    assert grows_faster(measure, function, partial(text_of, "", unit), limit)


@pytest.mark.parametrize("measure", [CPUTime(), Lines()])
def test_work_that_grows_with_the_text_is_not_reported(measure):
    def reads(text):
        for _ in text:
            pass

    for function in (reads, str.split, json.dumps):
        assert not grows_faster(measure, function, partial(text_of, "", "a,"), 65_536)


@pytest.fixture
def any_host(settings):
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ["*"]


@pytest.mark.django_db
@pytest.mark.usefixtures("any_host")
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_work_for_strangers_grows_no_faster_than_their_input(entrance):
    function, limit = ENTRANCES[entrance]
    function("a")  # Load what is cached once.
    gc.collect()
    gc.disable()
    try:
        faster = [
            text_of(beginning, unit, 12)
            for beginning, unit in product(BEGINNINGS, UNITS)
            if grows_faster(CPUTime(), function, partial(text_of, beginning, unit), limit)
        ]
    finally:
        gc.enable()
    assert faster == []


@pytest.mark.django_db
@pytest.mark.usefixtures("any_host")
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_no_more_lines_run_for_strangers_than_their_input_has_characters(entrance):
    function, limit = ENTRANCES[entrance]
    function("a")
    faster = [
        unit
        for unit in (",", ";", "a=1;", "&a=", "%41", "a: b\r\n", "[")
        if grows_faster(Lines(), function, partial(text_of, "", unit), limit)
    ]
    assert faster == []


class Spy:
    """Replaces a function whose work grows faster than its input, and records its arguments."""

    def __init__(self, function):
        self.function = function
        self.most = 0

    def __call__(self, form, text):
        self.most = max(self.most, len(text))
        return self.function(form, text)


@pytest.mark.django_db
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_input_of_strangers_is_cut_before_it_is_normalised(entrance, monkeypatch):
    function, limit = ENTRANCES[entrance]
    spy = Spy(unicodedata.normalize)
    monkeypatch.setattr(unicodedata, "normalize", spy)
    for size in (1_000, limit):
        function("a" + "\u0315" * (size // 2) + "\u0300" * (size // 2))
    assert spy.most <= MAX_EMAIL_LENGTH


@pytest.mark.parametrize("text", ["-eyJ", "eyJ.", "trk_", "lat'", "Basic ", "DETAIL:  ", "\\", "%"])
def test_logged_text_is_cut(text):
    """Read no more of a text twice as long: no work grows beyond the cut."""
    shown = [re.sub(r"\d+ more", "", hide_secrets(text * n)) for n in (60_000, 120_000)]
    assert shown[0] == shown[1]
    assert len(shown[0]) < 2 * MAX_TEXT_LENGTH
