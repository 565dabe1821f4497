"""The cost of a request before its sender is known is bounded, on real servers."""

import asyncio
import json
import re
import unicodedata
from contextlib import suppress

import pytest
from django.test import Client as Browser
from websockets.asyncio.client import connect

from accounts.models import MAX_EMAIL, User
from ridehail import logs
from ridehail.http import MAX_BODY_SIZE, MAX_PARSED
from tracking.phones.devices import Device

COMBINING = "\u0315\u0300"


async def exchange(port, *pieces, reads=1):
    """Send pieces on one connection, and return so many answers, or what came until its end."""
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


async def test_nested_json_is_the_senders_fault(port):
    for target in ("/accounts/token/", "/accounts/token/refresh/", "/driver/grants/"):
        body = b"[" * 100_000
        sent = head(
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            target=target,
            method="POST",
        )
        answer = await exchange(port, sent + body)
        assert answer.split(b" ")[1] in (b"400", b"401"), target


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("target", ["/accounts/token/", "/admin/login/", "/accounts/login/", "/"])
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
    """13,800 requests of one read were parsed at once, each with a task to come."""
    import uvicorn

    from ridehail.http import HttpProtocol

    held = asyncio.Event()
    started = 0

    async def application(scope, receive, send):
        nonlocal started
        started += 1
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
    await asyncio.sleep(0.2)
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


def log_in(text):
    Browser().post(
        "/accounts/token/",
        json.dumps({"email": text, "password": "x"}),
        content_type="application/json",
    )


def refresh(text):
    Browser().post(
        "/accounts/token/refresh/",
        json.dumps({"refresh": text}),
        content_type="application/json",
    )


def log_in_page(text):
    Browser().post("/accounts/login/", {"username": text, "password": "x"})


def admin_log_in(text):
    Browser().post("/admin/login/", {"username": text, "password": "x"})


def bearer(text):
    token = text.encode("ascii", "xmlcharrefreplace").decode()
    Browser().get("/driver/19/location/", headers={"Authorization": f"Bearer {token}"})


# By name, whatever takes text from strangers. A new entrance gets a line here.
ENTRANCES = {
    "log-in": log_in,
    "token refresh": refresh,
    "log-in page": log_in_page,
    "admin's log-in page": admin_log_in,
    "look-up of a user": User.normalize_username,
    "bearer token": bearer,
    "device token": Device.objects.authenticate,
    "log": logs.hide_secrets,
}
SIZES = (1_000, 10_000, 60_000)


class Spy:
    """Stands for a function whose work grows faster than its input, and counts what it gets."""

    def __init__(self, function):
        self.function = function
        self.most = 0

    def __call__(self, form, text):
        self.most = max(self.most, len(text))
        return self.function(form, text)


@pytest.mark.django_db
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_what_strangers_send_is_cut_before_it_is_normalised(entrance, monkeypatch, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"log-in": None, "token": None},
    }
    spy = Spy(unicodedata.normalize)
    monkeypatch.setattr(unicodedata, "normalize", spy)
    for size in SIZES:
        ENTRANCES[entrance]("a" + "\u0315" * (size // 2) + "\u0300" * (size // 2))
    assert spy.most <= MAX_EMAIL


@pytest.mark.parametrize(
    "text", ["-eyJ", "eyJ.", "trk_", "lat'", "lat ", "Basic ", "DETAIL:  ", "\\", "eyJ-", "."]
)
def test_what_is_logged_is_cut_and_each_character_looked_at_few_times(text):
    """Of twice as long a text no more is looked at: nothing grows beyond the cut."""
    shown = [re.sub(r"\d+ more", "", logs.hide_secrets(text * n)) for n in (60_000, 120_000)]
    assert shown[0] == shown[1]
    assert len(shown[0]) < 2 * logs.MAX_TEXT
