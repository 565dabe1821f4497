"""The page of a trip as the car arrives, in a real browser, with scripted frames."""

import json
import re

import pytest
from playwright.async_api import expect

from tests import services

from .frames import ago
from .http import call
from .tokens import login_token
from .visits import keep, person

RIDER, DISPATCHER, MIA = 961, 962, 963
DEADLINE = 15_000  # ms
FRAME_EVERY = 5  # seconds; after 8 s without a frame the page asks whether there is still a server
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "reduced_motion": "reduce"}
PICKUP = {"kind": "pickup", "lat": 0.5071, "lon": 101.4478, "name": "12 Market Street"}
AIRPORT = {"kind": "dropoff", "lat": 0.4608, "lon": 101.4445, "name": "Airport, Departures"}
# Down a street, and along another one to the pickup.
WAY = [(0.5125, 101.443), (0.51, 101.4432), (0.5072, 101.4434), (0.5071, 101.4478)]


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            TRACKING_OFFLINE_AFTER="3600",
        )
        services.migrate(environment)
        people = [person(RIDER, "rider"), person(DISPATCHER, "dispatcher")]
        services.create_users(environment, people)
        with services.Runserver(environment, "host project") as server:
            yield server


def polyline(places):
    """Return places as a polyline of six decimals."""
    text, before = "", (0, 0)
    for place in places:
        now = tuple(round(degrees * 1e6) for degrees in place)
        for value, former in zip(now, before, strict=True):
            bits = (value - former) << 1
            bits = ~bits if value < former else bits
            while bits >= 32:
                text += chr((bits & 31 | 32) + 63)
                bits >>= 5
            text += chr(bits + 63)
        before = now
    return text


def eta(seconds, confidence="high"):
    # By a clock that differs from the page's, as phones' clocks do.
    at = "2001-02-03T04:05:06Z"
    known = {"arrives_at": at, "computed_at": at, "distance": 1600.0}
    return {"seconds": seconds, "confidence": confidence, **known}


class Script:
    """The server of a page's stream: it answers with the newest frames, and sends what is new."""

    def __init__(self, trip_id, **changes):
        self._socket = None
        self._trip = {
            "id": trip_id,
            "reference": "T-7",
            "status": "enroute_to_pickup",
            "driver": {"userId": MIA, "name": "Mia", "vehicle": "white Prius, BM 1234 AB"},
            "waypoints": [PICKUP, AIRPORT],
            "eta": None,
            "route": None,
        } | changes
        self._location = None

    def open(self, socket):
        self._socket = socket
        socket.on_message(lambda _message: self._answer())

    def _answer(self):
        self._send({"trip": self._trip})
        if self._location:
            self._send(self._location)

    def _send(self, frame):
        self._socket.send(json.dumps(frame))

    async def later(self, page, seconds):
        """Let the page's clock run ahead.

        The page hears the server all the while. Otherwise its connection seemed dead, which it is
        in none of these tests, and the page went on without WebSockets.
        """
        for passed in range(0, seconds, FRAME_EVERY):
            self._answer()
            await page.clock.run_for(min(FRAME_EVERY, seconds - passed) * 1000)

    def trip(self, **changes):
        self._trip |= changes
        self._send({"trip": self._trip})

    def driver(self, user_id, name):
        """Give the trip to another driver."""
        self._location = None
        self.trip(driver={"userId": user_id, "name": name, "vehicle": ""}, eta=None)

    def location(self, latitude, longitude):
        now = ago(0)
        self._location = {
            "location_lat": str(latitude),
            "location_lon": str(longitude),
            "userId": MIA,
            "recorded_at": now,
            "received_at": now,
            "heading": 170.0,
            "accuracy": 5.0,
            "status": "live",
        }
        self._send(self._location)


async def opened(host, page, **changes):
    """Open the page of a new trip with a scripted stream; return the script."""
    body = {"riders": [RIDER], "waypoints": [PICKUP, AIRPORT]}
    answer = await call(host.port, "POST", "/trips/", login_token(DISPATCHER), body)
    trip = answer.json()["id"]
    script = Script(trip, **changes)
    await page.route_web_socket(re.compile("trip/get-tracking"), script.open)
    # The server's own trip is another one, in which nothing happens.
    await page.route(re.compile("/stream/"), lambda route: route.abort())
    await page.goto(f"{host.http_url}/trips/{trip}/map/")
    headline = "Looking for a driver…" if changes else "Mia is on the way"
    await expect(page.locator("[data-part=status]")).to_have_text(headline, timeout=DEADLINE)
    return script


def part(page, name):
    return page.locator(f"[data-part={name}]")


def line(page):
    return page.locator(".tracking-route-line")


async def length(page):
    return await line(page).evaluate("path => path.getTotalLength()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_rider_sees_when_the_car_arrives_and_its_way(host, visit, scheme):
    async with visit(RIDER, "/driver/share/", **PHONE, color_scheme=scheme) as page:
        script = await opened(host, page)
        arrival = part(page, "eta")
        await expect(arrival).to_be_hidden()
        await expect(line(page)).to_have_count(0)

        script.location(0.5125, 101.443)
        script.trip(eta=eta(240), route=polyline(WAY))
        await expect(arrival).to_have_text("Arriving in 4 min")
        await expect(line(page)).to_be_visible()
        whole = await length(page)
        panel = await page.locator(".tracking-panel").bounding_box()
        for place in (".tracking-car", ".tracking-place-pickup"):
            box = await page.locator(place).bounding_box()
            assert box["y"] + box["height"] <= panel["y"]
        await keep(page, f"trip-eta-{scheme}")

        # The line is used up as the car drives.
        script.location(0.5085, 101.4433)
        await expect(page.locator(".tracking-car[data-latitude='0.5085']")).to_be_visible()
        await page.wait_for_function(
            "([selector, limit]) => document.querySelector(selector).getTotalLength() < limit",
            arg=[".tracking-route-line", whole * 0.8],
        )

        script.trip(eta=eta(100, "low"))
        await expect(arrival).to_have_text("Arriving in about 2 min")
        script.trip(eta=eta(40))
        await expect(arrival).to_have_text("Arriving now")
        script.trip(eta=None, route=None)
        await expect(arrival).to_be_hidden()
        await expect(line(page)).to_have_count(0)

        script.trip(status="arrived_at_pickup", eta=eta(0), route=polyline(WAY[-2:]))
        await expect(part(page, "status")).to_have_text("Mia is here")
        await expect(arrival).to_be_hidden()
        await expect(line(page)).to_have_count(0)
        await keep(page, f"trip-here-{scheme}")

        script.trip(status="enroute_to_dropoff", eta=eta(600))
        await expect(arrival).to_have_text(re.compile(r"Arriving at \d+:\d\d"))
        await expect(part(page, "status")).to_have_text("On the way to Airport, Departures")
        await keep(page, f"trip-eta-riding-{scheme}")

        script.trip(status="complete", driver=None, eta=None, route=None)
        await expect(arrival).to_be_hidden()
        await expect(line(page)).to_have_count(0)


async def test_minutes_count_down_without_new_frames(host, visit):
    async with visit(RIDER, "/driver/share/", reduced_motion="reduce") as page:
        await page.clock.install()
        script = await opened(host, page)
        script.location(0.5125, 101.443)
        script.trip(eta=eta(240), route=polyline(WAY))
        await expect(part(page, "eta")).to_have_text("Arriving in 4 min")
        await keep(page, "trip-eta-desktop")
        await script.later(page, 11)
        await expect(part(page, "announcement")).to_have_text(
            "Arriving in 4 min. Mia is on the way. white Prius, BM 1234 AB"
        )
        await script.later(page, 54)
        await expect(part(page, "eta")).to_have_text("Arriving in 3 min")


async def test_rider_is_told_once_that_the_driver_is_late_or_another_one(host, visit):
    async with visit(RIDER, "/driver/share/", reduced_motion="reduce") as page:
        await page.clock.install()
        script = await opened(host, page)
        script.location(0.5125, 101.443)
        notice, news = part(page, "notice"), part(page, "announcement")
        script.trip(eta=eta(240))
        await expect(part(page, "eta")).to_have_text("Arriving in 4 min")
        await expect(notice).to_be_hidden()
        await script.later(page, 11)

        script.trip(eta=eta(840))
        await expect(notice).to_have_text(re.compile(r"Running late. Now \d+:\d\d"))
        await script.later(page, 11)
        await expect(news).to_have_text(re.compile(r"Running late. Now .* Arriving in 14 min"))
        script.trip(eta=eta(902))
        await expect(part(page, "eta")).to_have_text("Arriving in 15 min")
        await script.later(page, 11)
        await expect(news).to_have_text(re.compile("^Arriving in 15 min"))

        script.driver(777, "Jon")
        await expect(notice).to_have_text("Your driver has changed")
        await expect(part(page, "status")).to_have_text("Jon is on the way")
        await script.later(page, 11)
        await expect(news).to_have_text(re.compile("^Your driver has changed. .*Jon is on the way"))
        await script.later(page, 10)
        await expect(notice).to_be_hidden()

        script.trip(status="arrived_at_pickup", eta=None)
        await script.later(page, 125)
        await expect(notice).to_have_text("Waiting for 2 min")


async def test_rider_sees_cars_nearby_until_there_is_a_driver(host, visit):
    frame = {"cars": [{"id": "a", "location_lat": "0.5101", "location_lon": "101.4478"}]}
    frame["cars"].append({"id": "b", "location_lat": "0.5041", "location_lon": "101.45"})
    sockets = []

    def answer(socket):
        sockets.append(socket)
        socket.on_message(lambda _message: socket.send(json.dumps(frame)))

    async with visit(RIDER, "/driver/share/", **PHONE) as page:
        await page.route_web_socket(re.compile("nearby/get-tracking"), answer)
        script = await opened(host, page, driver=None, status="new")
        cars = page.locator(".tracking-nearby")
        await expect(cars).to_have_count(2)
        panel = await page.locator(".tracking-panel").bounding_box()
        for car in await cars.all():
            box = await car.bounding_box()
            assert box["y"] + box["height"] <= panel["y"]
        # One has been taken.
        del frame["cars"][0]
        sockets[0].send(json.dumps(frame))
        await expect(cars).to_have_count(1)
        await keep(page, "trip-nearby")
        script.trip(driver={"userId": MIA, "name": "Mia", "vehicle": ""})
        await expect(part(page, "status")).to_have_text("Mia is your driver")
        await expect(cars).to_have_count(0)
        assert len(sockets) == 1
