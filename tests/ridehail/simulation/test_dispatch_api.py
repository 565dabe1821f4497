import asyncio
import contextlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ridehail.demo.simulation import dispatch_api
from ridehail.demo.simulation.dispatch_api import DispatchApi, Refused
from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.token import Token


class FakeServer:
    """Answers each request with the next of `answers`, (status, body), and keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = self.headers["Authorization"].removeprefix("Bearer ")
                sent = json.loads(body) if body else None
                fake.requests.append((self.command, self.path, sent, token))
                status, found = fake.answers.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(found if isinstance(found, bytes) else json.dumps(found).encode())

            do_GET = do_POST = answer  # noqa: N815 - names of the base class

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"ws://127.0.0.1:{self.server.server_port}"


def minted(name):
    count = iter(range(1, 100))
    return Token(lambda: (f"{name} {next(count)}", time.time() + 3600))


@contextlib.asynccontextmanager
async def calling(monkeypatch, *answers, path=""):
    monkeypatch.setattr(dispatch_api, "WAITS", (0.0,))
    fake, tally = FakeServer(*answers), Tally()
    thread = threading.Thread(target=fake.server.serve_forever, args=(0.01,))
    thread.start()
    api = DispatchApi(fake.url + path, minted("dispatcher"), tally)
    try:
        yield api, fake, tally
    finally:
        api.close()
        fake.server.shutdown()
        thread.join()
        fake.server.server_close()


async def test_the_calls_are_those_of_the_contract(monkeypatch):
    waypoints = [
        {"kind": "pickup", "lat": -1.43, "lon": 0.98, "name": "Mill Road"},
        {"kind": "dropoff", "lat": -1.44, "lon": 0.99, "name": "Abbey Road"},
    ]
    nearby = {"results": [{"userId": 21, "distance": 3.0}, {"userId": 19, "distance": 4.0}]}
    answers = [(201, {"id": 7}), (200, nearby), (200, nearby), *[(200, {})] * 3]
    async with calling(monkeypatch, *answers) as (api, fake, tally):
        assert await api.create("RIDE-1", 22, waypoints) == 7
        assert await api.nearest(-1.43, 0.98, "") == [21, 19]
        assert await api.nearest(-1.43, 0.98, "van") == [21, 19]
        await api.assign(7, 21, "white Prius · AB 123")
        await api.set_status(7, "enroute_to_pickup", minted("driver"))
        await api.cancel(7, "customer_cancellation")
    body = {"reference": "RIDE-1", "riders": [22], "waypoints": waypoints}
    dispatcher = "dispatcher 1"
    car = {"driver": 21, "vehicle": "white Prius · AB 123"}
    assert fake.requests == [
        ("POST", "/trips/", body, dispatcher),
        ("GET", "/driver/nearby/?lat=-1.43&lon=0.98&count=20", None, dispatcher),
        ("GET", "/driver/nearby/?lat=-1.43&lon=0.98&count=20&vehicle_type=van", None, dispatcher),
        ("POST", "/trips/7/assign/", car, dispatcher),
        ("POST", "/trips/7/status/", {"status": "enroute_to_pickup"}, "driver 1"),
        ("POST", "/trips/7/cancel/", {"reason": "customer_cancellation"}, dispatcher),
    ]
    assert not tally.errors


@pytest.mark.parametrize("status", [400, 403, 404, 409])
async def test_a_refusal_is_raised_with_its_code_and_not_repeated(monkeypatch, status):
    async with calling(monkeypatch, (status, {"code": "driver_taken"})) as (api, fake, tally):
        with pytest.raises(Refused) as refused:
            await api.assign(7, 21, "")
    assert (refused.value.status, refused.value.code) == (status, "driver_taken")
    assert len(fake.requests) == 1
    assert not tally.errors


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        ((500, {}), "dispatch: 500"),
        ((503, {}), "dispatch: 503"),
        ((429, {}), "dispatch: 429"),
        ((200, b"<html>"), "dispatch: JSONDecodeError"),
    ],
)
async def test_a_call_that_fails_is_repeated_until_it_is_answered(monkeypatch, answer, counted):
    answers = [answer, answer, (200, {"id": 7})]
    async with calling(monkeypatch, *answers) as (api, fake, tally):
        assert await api.trip(7) == {"id": 7}
    assert len(fake.requests) == 3
    assert tally.errors == {counted: 2}


async def test_a_call_is_repeated_while_the_server_restarts(monkeypatch):
    async with calling(monkeypatch) as (api, fake, tally):
        fake.server.shutdown()
        fake.server.server_close()

        def serve_again(waited):
            monkeypatch.undo()
            fake.answers.append((200, {"id": 7}))
            again = ThreadingHTTPServer(fake.server.server_address, fake.server.RequestHandlerClass)
            threading.Thread(target=again.serve_forever, args=(0.01,)).start()
            servers.append(again)

        servers = []
        real = dispatch_api.asyncio.sleep

        async def sleep(seconds):
            if not servers:
                serve_again(seconds)
            await real(0)

        monkeypatch.setattr(dispatch_api.asyncio, "sleep", sleep)
        assert await api.trip(7) == {"id": 7}
        servers[0].shutdown()
        servers[0].server_close()
    assert tally.errors == {"dispatch: ConnectionRefusedError": 1}


async def test_a_refused_token_is_replaced(monkeypatch):
    answers = [(401, {"code": "token_expired"}), (200, {"id": 7})]
    async with calling(monkeypatch, *answers) as (api, fake, _):
        await api.trip(7)
    assert [token for *_, token in fake.requests] == ["dispatcher 1", "dispatcher 2"]


async def test_a_status_that_staff_have_passed_is_no_error(monkeypatch):
    async with calling(monkeypatch, (409, {"code": "status_conflict"})) as (api, _, _):
        await api.set_status(7, "arrived_at_pickup", minted("driver"))
    async with calling(monkeypatch, (409, {"code": "trip_over"})) as (api, _, _):
        with pytest.raises(Refused):
            await api.set_status(7, "arrived_at_pickup", minted("driver"))


@pytest.mark.parametrize("path", ["", "/live"])
async def test_all_pages_of_open_trips_are_read(monkeypatch, path):
    pages = [
        (
            200,
            {"results": [{"id": 9}], "next": f"http://a.example{path}/trips/?cursor=x&open=true"},
        ),
        (200, {"results": [{"id": 8}], "next": None}),
    ]
    async with calling(monkeypatch, *pages, path=path) as (api, fake, _):
        assert await api.open_trips(driver=19) == [{"id": 9}, {"id": 8}]
    assert [target for _, target, _, _ in fake.requests] == [
        f"{path}/trips/?open=true&driver=19",
        f"{path}/trips/?cursor=x&open=true",
    ]


async def test_request_whose_caller_was_cancelled_can_be_awaited(monkeypatch):
    began, go_on, ended = threading.Event(), threading.Event(), []

    def request(*_):
        began.set()
        go_on.wait(10)
        ended.append(True)
        return 201, {"id": 7}

    async with calling(monkeypatch) as (api, _fake, _tally):
        monkeypatch.setattr(api, "_request", request)
        asked = asyncio.create_task(api.create("RIDE-1", 22, []))
        await asyncio.to_thread(began.wait, 10)
        asked.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await asyncio.wait([asked])
        await api.settle()
        assert ended == [True]
