import asyncio
import contextlib
import json
import math
import random
import re
import socket
import threading
import time
from io import StringIO
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import CommandError, call_command
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from accounts.models import User
from ridehail.demo.simulation.city import City
from ridehail.demo.simulation.phone import Phone, PhoneStopped
from ridehail.demo.simulation.tally import Tally
from ridehail.demo.simulation.vehicle import Vehicle

DEADLINE = 20


class FakeServer:
    """A server that acknowledges fixes, but ends each driver's first connections as configured."""

    def __init__(self, endings):
        self.endings = {driver: list(codes) for driver, codes in endings.items()}
        self.payloads = {}
        self.connections = {}
        self.acknowledged = {}
        self.states = {}
        self.changed = threading.Condition()
        self.url = ""

    def handle(self, websocket):
        query = parse_qs(urlsplit(websocket.request.path).query)
        driver = int(query["userId"][0]) if query else None
        with contextlib.suppress(ConnectionClosed):
            self.count(self.connections, driver)
            codes = self.endings.get(driver)
            ending = codes.pop(0) if codes else None
            for text in websocket:
                message = json.loads(text)
                assert message.keys() == {"type", "payload"}
                assert message["type"] == "authenticate"
                self.payloads.setdefault(driver, []).append(message["payload"])
                if message["payload"]["command"] == "state":
                    self.set_state(websocket, driver, message["payload"]["state"])
                    continue
                if ending in (4401, 4403):
                    websocket.send('{"error": {"code": "x", "message": "x"}}')
                    websocket.close(ending)
                    return
                self.acknowledge(websocket, message["payload"])
                self.count(self.acknowledged, driver)
                if ending is not None:
                    websocket.close(ending)
                    return

    def set_state(self, websocket, driver, state):
        websocket.send(json.dumps({"state": state}))
        self.count(self.states, (driver, state))

    def acknowledge(self, websocket, payload):
        lat, lon = (f"{float(payload[key]):.7f}".rstrip("0") for key in ("lat", "lon"))
        websocket.send(json.dumps({"location_lat": lat, "location_lon": lon}))

    def count(self, counts, driver):
        with self.changed:
            counts[driver] = counts.get(driver, 0) + 1
            self.changed.notify_all()

    async def until(self, condition):
        """Wait for a condition that handling a message makes true."""

        def wait():
            with self.changed:
                return self.changed.wait_for(condition, DEADLINE)

        assert await asyncio.to_thread(wait)


@contextlib.contextmanager
def running(fake):
    with serve(fake.handle, "127.0.0.1", 0, compression=None) as server:
        fake.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join(DEADLINE)


@pytest.fixture(scope="module")
def city():
    return City.load()


@contextlib.asynccontextmanager
async def driving(city, fake, driver_id=19, *, token_life=3600, **options):
    minted = []

    def mint():
        minted.append(f"token {len(minted)}")
        return minted[-1], time.time() + token_life

    rng = random.Random(driver_id)
    phone = Phone(
        driver_id,
        Vehicle(city, rng),
        mint,
        url=fake.url,
        interval=0.02,
        tally=Tally(),
        rng=rng,
        **options,
    )
    task = asyncio.create_task(phone.run())
    try:
        yield phone, phone._tally, task
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=DEADLINE)


async def test_a_phone_sends_the_contracts_frames_and_every_send_is_acknowledged(city):
    with running(FakeServer({})) as fake:
        async with driving(city, fake) as (_, tally, task):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 10)
            task.cancel()
            await asyncio.wait({task}, timeout=DEADLINE)
        assert tally.sent == tally.acknowledged == len(fake.payloads[19])
        assert not tally.errors
        assert tally.connected == 0
        for payload in fake.payloads[19]:
            times = {"recorded_at", "sent_at"}
            measured = {"lat", "lon", "heading", "speed", "accuracy"}
            assert payload.keys() == {"token", "command"} | measured | times
            assert payload["command"] == "send"
            assert isinstance(payload["lat"], str)
            assert -1.48 < float(payload["lat"]) < -1.39
            assert 0.93 < float(payload["lon"]) < 1.04
            assert 0 <= payload["heading"] < 360
            assert 0 <= payload["speed"] < 17
            assert 3 < payload["accuracy"] < 11


async def test_a_phone_without_a_signal_repeats_what_it_measured_last_and_stays_connected(city):
    with running(FakeServer({})) as fake:
        async with driving(city, fake, signal=0.1) as (_, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 20)
    payloads = fake.payloads[19]
    measured = [
        {name: value for name, value in payload.items() if name not in ("token", "sent_at")}
        for payload in payloads
    ]
    assert measured[0] != measured[1]
    assert measured[-1] == measured[-2] == measured[-3]
    assert payloads[-1]["sent_at"] > payloads[-2]["sent_at"]
    assert payloads[-1]["recorded_at"] < payloads[-1]["sent_at"]
    assert not tally.errors


def commands(fake):
    """Return what driver 19 sent, in short: f for a fix, or the state."""
    sent = [payload.get("state", "f") for payload in fake.payloads[19]]
    return re.sub("f+", "f", " ".join(sent).replace("f f", "ff").replace("f f", "ff"))


async def test_speed_makes_the_car_faster_and_the_reports_say_so(city):
    tracks = []
    for speed in (1, 60):
        with running(FakeServer({})) as fake:
            async with driving(city, fake, speed=speed):
                await fake.until(lambda fake=fake: fake.acknowledged.get(19, 0) >= 30)
        tracks.append(fake.payloads[19])
    ways = [
        sum(
            math.dist(*(city.metres(float(p["lat"]), float(p["lon"])) for p in pair))
            for pair in pairwise(track)
        )
        for track in tracks
    ]
    assert ways[1] > 10 * ways[0]
    assert 20 < max(payload["speed"] for payload in tracks[1]) <= 60 * 16.71


async def test_a_phone_with_shifts_is_available_before_its_first_fix(city):
    with running(FakeServer({})) as fake:
        async with driving(city, fake, has_shifts=True) as (_, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 5)
    assert commands(fake) == "available f"
    assert not tally.errors


async def test_a_shift_ends_without_later_fixes_and_begins_again_where_it_ended(city):
    with running(FakeServer({})) as fake:
        async with driving(city, fake, has_shifts=True) as (phone, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 5)
            assert await asyncio.wait_for(phone.end_shift(), DEADLINE)
            before = fake.acknowledged[19]
            stood_at = fake.payloads[19][-2]
            phone.begin_shift()
            await fake.until(lambda: fake.acknowledged[19] >= before + 5)
        assert commands(fake) == "available f non_operational available f"
        assert fake.connections[19] == 2
        assert not tally.errors
    (again,) = [
        b for a, b in pairwise(fake.payloads[19]) if a.get("state") == "available" and a is not b
    ][1:]
    places = [city.metres(float(p["lat"]), float(p["lon"])) for p in (stood_at, again)]
    assert math.dist(*places) < 10


async def test_a_driver_who_got_a_trip_meanwhile_stays_on_duty(city):
    class Dispatching(FakeServer):
        def set_state(self, websocket, driver, state):
            self.count(self.states, (driver, state))
            websocket.send('{"error": {"code": "state_conflict", "message": "x"}}')

    with running(Dispatching({})) as fake:
        async with driving(city, fake, has_shifts=True) as (phone, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 5)
            assert not await asyncio.wait_for(phone.end_shift(), DEADLINE)
            before = fake.acknowledged[19]
            await fake.until(lambda: fake.acknowledged[19] >= before + 5)
        assert fake.connections[19] == 1
        assert not tally.errors


async def test_a_shift_whose_end_was_not_answered_ends_on_the_next_connection(city):
    class Restarting(FakeServer):
        def set_state(self, websocket, driver, state):
            if state == "non_operational" and (driver, state) not in self.states:
                self.count(self.states, (driver, state))
                websocket.close(1012)
            else:
                super().set_state(websocket, driver, state)

    with running(Restarting({})) as fake:
        async with driving(city, fake, has_shifts=True) as (phone, _, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 2)
            assert await asyncio.wait_for(phone.end_shift(), DEADLINE)
    assert fake.states[19, "non_operational"] == 2
    assert fake.connections[19] == 2


async def test_a_phone_drives_to_a_place_and_reports_from_there_first(city):
    with running(FakeServer({})) as fake:
        async with driving(city, fake, speed=2000) as (phone, _, _):
            place = city.destinations[7]
            await asyncio.wait_for(phone.drive_to(place), DEADLINE)

            def is_there(report):
                reported = city.metres(float(report["lat"]), float(report["lon"]))
                return math.dist(reported, city.points[place]) < 10

            # It was sent, and is received a moment later.
            async with asyncio.timeout(DEADLINE):
                while not any(map(is_there, fake.payloads[19])):  # noqa: ASYNC110 - no event for it
                    await asyncio.sleep(0.01)


async def test_a_phone_that_has_stopped_does_not_let_its_rider_wait(city):
    with running(FakeServer({19: [4403]})) as fake:
        async with driving(city, fake) as (phone, _, _):
            for _ in range(2):
                with pytest.raises(PhoneStopped, match="may not publish"):
                    await asyncio.wait_for(phone.drive_to(city.destinations[7]), DEADLINE)


async def test_a_refused_token_is_replaced_at_once(city):
    with running(FakeServer({19: [4401]})) as fake:
        async with driving(city, fake) as (phone, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 3)
        tokens = [payload["token"] for payload in fake.payloads[19]]
        assert tokens[0] == "token 0"
        assert set(tokens[1:]) == {"token 1"}
        assert tally.errors["closed 4401"] == 1
        assert phone.stopped is None


async def test_a_token_is_renewed_before_it_expires(city):
    with running(FakeServer({})) as fake:
        async with driving(city, fake, token_life=0.05):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 10)
        assert fake.connections[19] == 1
        assert len({payload["token"] for payload in fake.payloads[19]}) > 1


async def test_a_phone_comes_back_after_the_server_restarted(city):
    with running(FakeServer({19: [1012]})) as fake:
        async with driving(city, fake) as (phone, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 4)
        assert fake.connections[19] == 2
        assert {payload["token"] for payload in fake.payloads[19]} == {"token 0"}
        assert tally.errors["closed 1012"] == 1
        assert phone.stopped is None


@pytest.mark.parametrize("code", [4400, 4403, 4408])
async def test_a_phone_with_a_final_close_code_stops_and_says_why(city, code):
    with running(FakeServer({19: [code]})) as fake:
        async with driving(city, fake) as (phone, _, task):
            await asyncio.wait_for(task, DEADLINE)
        assert phone.stopped.startswith("driver 19 stops: ")
        assert phone.stopped.endswith(f"(close code {code})")
        assert fake.connections[19] == 1


async def test_an_acknowledgement_of_something_else_is_an_error(city):
    class Liar(FakeServer):
        def acknowledge(self, websocket, payload):
            websocket.send('{"location_lat": "1", "location_lon": "2"}')

    with running(Liar({})) as fake:
        async with driving(city, fake) as (_, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 3)
        assert tally.acknowledged == 0
        assert tally.errors["acknowledgement of something not sent"] >= 2
        assert tally.errors["not acknowledged"] == tally.sent


async def test_a_skipped_send_does_not_shift_the_later_acknowledgements(city):
    class Forgetful(FakeServer):
        def acknowledge(self, websocket, payload):
            if len(self.payloads[19]) % 3:
                super().acknowledge(websocket, payload)

    with running(Forgetful({})) as fake:
        async with driving(city, fake) as (_, tally, _):
            await fake.until(lambda: fake.acknowledged.get(19, 0) >= 10)
        assert tally.errors.keys() == {"not acknowledged"}
        assert tally.acknowledged + tally.errors["not acknowledged"] == tally.sent


@pytest.fixture
def drivers(db):
    for number in range(3):
        User.objects.create_user(email=f"d{number}@example.com", name="D", role="driver")
    User.objects.create_user(email="off@example.com", name="Off", role="driver", is_active=False)
    User.objects.create_user(email="r@example.com", name="R", role="rider")
    return list(User.objects.filter(role="driver", is_active=True).values_list("pk", flat=True))


def simulate(**options):
    out, err = StringIO(), StringIO()
    call_command("tracking_simulate", stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_the_command_drives_through_refusals_and_restarts_to_the_end(drivers):
    refused, restarted, renewed = drivers
    fake = FakeServer({refused: [4403], restarted: [1012], renewed: [4401]})
    with running(fake):
        url = fake.url.replace("ws://", "http://")
        out, err = simulate(drivers=3, interval=0.05, url=url, duration=2.5, seed=1)
    assert f"driver {refused} stops: may not publish for this driver" in err
    assert fake.connections[refused] == 1
    assert fake.connections[restarted] == 2
    assert fake.connections[renewed] == 2
    assert fake.acknowledged[renewed] > 5
    assert "3 drivers" in out
    assert "1 x closed 1012" in out
    assert "1 x closed 4401" in out


def test_the_command_fails_if_nothing_was_acknowledged(drivers):
    fake = FakeServer({driver: [4403] for driver in drivers})
    with running(fake), pytest.raises(CommandError, match="acknowledged nothing"):
        simulate(drivers=3, interval=0.05, url=fake.url)


def test_the_command_lets_the_last_drivers_end_their_shift_and_lose_the_signal(
    drivers, monkeypatch
):
    monkeypatch.setattr("ridehail.demo.simulation.fleet.SIGNAL", 0.1)
    monkeypatch.setattr("ridehail.demo.simulation.fleet.SHIFT", 0.5)
    live, stale, offline = drivers
    fake = FakeServer({})
    with running(fake):
        out, err = simulate(drivers=3, interval=0.05, url=fake.url, duration=2, stale=1, offline=1)
    assert fake.acknowledged[offline] < fake.acknowledged[live] / 2
    assert fake.connections[offline] == 1
    places = {
        driver: [payload["recorded_at"] for payload in fake.payloads[driver]] for driver in drivers
    }
    assert len(set(places[live])) == len(places[live])
    assert len(set(places[offline])) == len(places[offline])
    assert places[stale].count(places[stale][-1]) > len(places[stale]) / 2
    assert not err
    assert " x " not in out


def test_the_command_refuses_more_stale_and_offline_drivers_than_there_are():
    with pytest.raises(CommandError, match="more than there are"):
        simulate(drivers=3, stale=2, offline=2)


def test_the_command_leaves_excluded_drivers_alone(drivers):
    fake = FakeServer({})
    with running(fake):
        simulate(drivers=2, interval=0.05, url=fake.url, duration=0.5, exclude=[drivers[0]])
    assert set(fake.acknowledged) == set(drivers[1:])


def test_the_command_says_how_many_drivers_there_are_when_they_are_too_few(drivers):
    with pytest.raises(CommandError, match="4 drivers wanted, but only 3"):
        simulate(drivers=4)


def test_the_command_names_what_rides_need(drivers):
    with pytest.raises(CommandError, match=r"staff user with these permissions: .*add_trip"):
        simulate(drivers=3, rides=True)
    User.objects.create_superuser(email="admin@example.com")
    User.objects.filter(role="rider").delete()
    with pytest.raises(CommandError, match="active users with the role of a rider"):
        simulate(drivers=3, rides=True)


def test_the_command_says_that_there_is_no_server(drivers):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(CommandError, match="no server at"):
            simulate(drivers=1, url=url)


@pytest.mark.parametrize("url", ["localhost:3002", "ftp://localhost", "ws://"])
def test_the_command_explains_a_url_that_is_none(url):
    with pytest.raises(CommandError, match="--url must start with"):
        simulate(url=url)
