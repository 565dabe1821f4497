"""The page of a trip in a real browser, with real drivers on their sockets."""

import re

import pytest
from playwright.async_api import expect

from tests import services

from .client import Driver
from .http import call
from .test_pages import CLIPPED
from .tokens import login_token
from .visits import Visits, keep, person

RIDER, STRANGER, DISPATCHER = 981, 982, 983
MIA, JON = 984, 985
# The driver of one test, without a location before it.
QUIET = 990
# Drivers of the tests of the layout, which have a trip at the same time.
OTHERS = {("phone", "light"): 986, ("phone", "dark"): 987, ("desktop", "light"): 988}
OTHERS["desktop", "dark"] = 989
DEADLINE = 15_000  # ms
STALE_AFTER, OFFLINE_AFTER = 3, 60
PICKUP = {"kind": "pickup", "lat": 0.5071, "lon": 101.4478, "name": "12 Market Street"}
AIRPORT = {"kind": "dropoff", "lat": 0.4608, "lon": 101.4445, "name": "Airport, Departures"}
SIZES = {
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
}


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            TRACKING_STALE_AFTER=str(STALE_AFTER),
            TRACKING_OFFLINE_AFTER=str(OFFLINE_AFTER),
            TRACKING_HISTORY="trips",
            TRACKING_HISTORY_DAYS="30",
        )
        services.migrate(environment)
        people = [person(RIDER, "rider"), person(STRANGER, "rider")]
        people += [person(DISPATCHER, "dispatcher"), person(MIA, "driver", name="Mia")]
        people += [person(JON, "driver", name="Jon"), person(QUIET, "driver", name="Uma")]
        people += [person(pk, "driver", name="Mia", password=None) for pk in OTHERS.values()]
        services.create_users(environment, people)
        with services.Runserver(environment, "host project") as server:
            server.sessions = {}
            yield server


class Dispatch:
    """A dispatch system, which uses the REST API."""

    def __init__(self, host):
        self._port = host.port

    async def post(self, path, **body):
        answer = await call(self._port, "POST", path, login_token(DISPATCHER), body)
        assert answer.status in (200, 201), answer.body
        return answer.json()

    async def create(self, *waypoints, **fields):
        """Create a trip of the rider; return the path of its page."""
        trip = await self.post("/trips/", riders=[RIDER], waypoints=[*waypoints], **fields)
        self.trip = f"/trips/{trip['id']}/"
        return self.trip

    async def assign(self, driver_id, vehicle=""):
        await self.post(f"{self.trip}assign/", driver=driver_id, vehicle=vehicle)

    async def set_status(self, status):
        await self.post(f"{self.trip}status/", status=status)

    async def complete(self):
        await self.post(f"{self.trip}complete/")

    async def cancel(self):
        await self.post(f"{self.trip}cancel/")


@pytest.fixture
def dispatch(host):
    return Dispatch(host)


def drive(host, driver_id):
    return Driver(host.websocket_url, driver_id, login_token(driver_id))


def headline(page):
    return page.locator("[data-part=status]")


def car_line(page):
    return page.locator("[data-part=car]")


def hint(page):
    return page.locator("[data-part=detail]")


def part(page, name):
    return page.locator(f"[data-part={name}]")


def cars(page):
    return page.locator(".tracking-car")


def car_at(page, latitude, longitude):
    return page.locator(f".tracking-car[data-latitude='{latitude}'][data-longitude='{longitude}']")


# Notes, in order, what becomes of headlines and cars.
NOTE = """() => {
    const widget = document.querySelector("[data-tracking]");
    const status = widget.querySelector("[data-part=status]");
    window.noted = [];
    const look = () => {
        const cars = [...widget.querySelectorAll(".tracking-car")];
        const places = cars.map((car) => car.dataset.latitude);
        const seen = JSON.stringify([status.textContent, places]);
        if (seen !== noted[noted.length - 1]) noted.push(seen);
    };
    const options = { subtree: true, childList: true, attributeFilter: ["data-latitude"] };
    new MutationObserver(look).observe(widget, options);
}"""


async def test_rider_sees_a_whole_trip(host, visit, dispatch):
    path = await dispatch.create(PICKUP, AIRPORT, reference="T-7")
    async with (
        visit(RIDER, path, **SIZES["phone"]) as page,
        drive(host, MIA) as mia,
        drive(host, JON) as jon,
    ):
        await expect(page.get_by_role("heading")).to_have_text("Your trip")
        await expect(headline(page)).to_have_text("Looking for a driver…", timeout=DEADLINE)
        await expect(page.get_by_role("list", name="Places")).to_contain_text("12 Market Street")
        await expect(cars(page)).to_have_count(0)

        await mia.send(0.511, 101.446)
        await dispatch.assign(MIA, "white Prius")
        await expect(headline(page)).to_have_text("Mia is your driver", timeout=DEADLINE)
        await expect(car_line(page)).to_have_text("white Prius")
        await expect(part(page, "plate")).to_be_hidden()
        await expect(part(page, "todo")).to_have_text("Meet at 12 Market Street")
        await expect(part(page, "notice")).to_be_hidden()
        await expect(car_at(page, 0.511, 101.446)).to_be_visible()
        await expect(page.get_by_label("Mia's car")).to_be_visible()

        await jon.send(0.503, 101.45)
        await page.evaluate(NOTE)
        await dispatch.assign(JON, "black Corolla, BM 12 AB")
        await expect(headline(page)).to_have_text("Jon is your driver", timeout=DEADLINE)
        await expect(part(page, "notice")).to_have_text("Your driver has changed")
        await expect(car_line(page)).to_have_text("black Corolla")
        await expect(page.get_by_role("img", name="Number plate BM 12 AB")).to_be_visible()
        # In view too, though the map moved for the former car's end just before.
        await expect(car_at(page, 0.503, 101.45)).to_be_in_viewport(ratio=1)
        await mia.send(0.512, 101.446)
        await jon.send(0.504, 101.45)
        await expect(car_at(page, 0.504, 101.45)).to_be_visible()
        await expect(cars(page)).to_have_count(1)
        noted = await page.evaluate("noted.map(JSON.parse)")
        assert not [seen for seen in noted if seen[1] == ["0.512"] or len(seen[1]) > 1]
        # The former car was gone before the next one came.
        assert noted.index(["Jon is your driver", []]) < noted.index(
            ["Jon is your driver", ["0.503"]]
        )

        await dispatch.set_status("enroute_to_pickup")
        await expect(headline(page)).to_have_text("Jon is on the way", timeout=DEADLINE)
        await jon.send(PICKUP["lat"], PICKUP["lon"])
        await dispatch.set_status("arrived_at_pickup")
        await expect(headline(page)).to_have_text("Jon is here", timeout=DEADLINE)
        await expect(page.locator("[aria-current=step]")).to_have_text("12 Market Street")
        await expect(page.get_by_role("img", name="Pickup")).to_be_visible()
        await expect(page.get_by_role("img", name="Reached")).to_have_count(0)

        await dispatch.set_status("enroute_to_dropoff")
        await expect(headline(page)).to_have_text(
            "On the way to Airport, Departures", timeout=DEADLINE
        )
        await expect(page.locator("[data-part=name]")).to_have_text("Jon")
        await expect(car_line(page)).to_have_text("black Corolla")
        await expect(page.locator("[aria-current=step]")).to_have_text("Airport, Departures")
        await expect(page.get_by_role("img", name="Reached")).to_be_visible()
        await jon.send(0.49, 101.447)
        await expect(car_at(page, 0.49, 101.447)).to_be_visible()
        # The announcements are some seconds apart.
        await expect(page.locator("[data-part=announcement]")).to_contain_text(
            "On the way to Airport", timeout=DEADLINE
        )

        await dispatch.complete()
        await expect(headline(page)).to_have_text(
            "You've arrived. Thanks for riding!", timeout=DEADLINE
        )
        await expect(cars(page)).to_have_count(0)
        await expect(page.locator("[data-part=banner]")).to_be_hidden()
        await expect(page.get_by_role("alert")).to_have_text("")
        # And later, without a connection.
        await page.reload()
        await expect(headline(page)).to_have_text("You've arrived. Thanks for riding!")
        await expect(page.locator("[data-part=banner]")).to_be_hidden()
        # What was driven, from the pickup on.
        await expect(part(page, "distance")).to_have_text("1.9 km", timeout=DEADLINE)
        await expect(part(page, "ended")).to_have_text(re.compile(r"\d+:\d\d"))
        await expect(page.locator(".tracking-way-line")).to_be_visible()
        for kind in ("pickup", "dropoff"):
            place = page.locator(f".tracking-place-{kind}")
            await expect(place).to_be_in_viewport(ratio=1)
        await expect(page.get_by_role("button", name="Share trip")).to_be_hidden()
        # In a page that knows the id alone.
        ride = dispatch.trip.replace("/trips/", "/ride/")
        await page.goto(page.url.replace(dispatch.trip, ride))
        await expect(headline(page)).to_have_text(
            "You've arrived. Thanks for riding!", timeout=DEADLINE
        )
        await expect(part(page, "distance")).to_have_text("1.9 km", timeout=DEADLINE)
        await expect(page.get_by_role("list", name="Places")).to_contain_text("12 Market Street")


async def test_canceled_trip_says_so(visit, dispatch):
    path = await dispatch.create(PICKUP)
    async with visit(RIDER, path) as page:
        await expect(headline(page)).to_have_text("Looking for a driver…", timeout=DEADLINE)
        await dispatch.cancel()
        await expect(headline(page)).to_have_text("This trip was canceled.", timeout=DEADLINE)
        await expect(page.locator("[data-part=banner]")).to_be_hidden()


async def test_driver_who_is_lost_leaves_the_trip_without_a_car(host, visit, dispatch):
    path = await dispatch.create(PICKUP, AIRPORT)
    async with visit(RIDER, path) as page, drive(host, MIA) as mia:
        await mia.send(0.511, 101.446)
        await dispatch.assign(MIA)
        await expect(cars(page)).to_have_count(1, timeout=DEADLINE)
        await dispatch.assign(None)
        await expect(headline(page)).to_have_text("Looking for a driver…", timeout=DEADLINE)
        await expect(cars(page)).to_have_count(0)
        await dispatch.cancel()


async def test_car_whose_phone_falls_silent_is_shown_as_old(host, visit, dispatch):
    path = await dispatch.create(PICKUP)
    async with visit(RIDER, path) as page:
        await dispatch.assign(QUIET)
        await expect(hint(page)).to_have_text(
            "You'll see the car here once it's on the road", timeout=DEADLINE
        )
        async with drive(host, QUIET) as driver:
            await driver.send(0.503, 101.45)
            await expect(hint(page)).to_be_hidden(timeout=DEADLINE)
        await expect(hint(page)).to_have_text(
            re.compile(r"Last seen \d+ sec ago"), timeout=DEADLINE
        )
        await expect(cars(page)).to_have_attribute("data-status", "stale")
        await page.context.set_offline(True)
        await expect(page.locator("[data-part=connection]")).to_have_text("You're offline")
        await expect(cars(page)).to_have_attribute("data-status", "unconnected")
        await page.context.set_offline(False)
        await expect(page.locator("[data-part=banner]")).to_be_hidden(timeout=DEADLINE)
        await dispatch.cancel()


async def test_stops_are_named_if_it_is_clear_which_is_meant(visit, dispatch):
    stop = {"kind": "stop", "lat": 0.49, "lon": 101.45, "name": "Ana's"}
    for stops, going, there in (
        ([stop], "On the way to Ana's", "At Ana's"),
        ([stop, stop, stop], "On the way to your next stop", "At your stop"),
    ):
        path = await dispatch.create(PICKUP, *stops, AIRPORT)
        await dispatch.assign(JON)
        async with visit(RIDER, path) as page:
            listed = page.get_by_role("list", name="Places")
            await expect(listed.get_by_role("listitem")).to_have_count(3)
            await dispatch.set_status("enroute_to_intermediate_destination")
            await expect(headline(page)).to_have_text(going, timeout=DEADLINE)
            await dispatch.set_status("arrived_at_intermediate_destination")
            await expect(headline(page)).to_have_text(there, timeout=DEADLINE)
            await dispatch.cancel()


async def test_driver_whose_trip_was_given_away_is_told(visit, dispatch):
    path = await dispatch.create(PICKUP)
    await dispatch.assign(MIA)
    async with visit(MIA, path) as page:
        await expect(headline(page)).to_have_text("Mia is your driver", timeout=DEADLINE)
        await dispatch.assign(JON)
        await expect(page.locator("[data-part=connection]")).to_have_text(
            "You don't have access to this trip.", timeout=DEADLINE
        )
        await dispatch.cancel()


async def test_map_frames_the_car_again_when_the_rider_asks_for_it(host, visit, dispatch):
    path = await dispatch.create(PICKUP)
    async with visit(RIDER, path) as page, drive(host, MIA) as mia:
        await mia.send(0.511, 101.446)
        await dispatch.assign(MIA)
        await expect(cars(page)).to_be_in_viewport(ratio=1, timeout=DEADLINE)
        follow = page.get_by_role("button", name="Follow the car")
        await expect(follow).to_have_attribute("aria-pressed", "true")
        await page.locator("[data-part=map]").focus()
        await page.keyboard.press("ArrowRight")
        await expect(follow).to_have_attribute("aria-pressed", "false")
        # 11 km away, the map stays where it is.
        await mia.send(0.611, 101.446)
        await expect(car_at(page, 0.611, 101.446)).not_to_be_in_viewport()
        await follow.press("Enter")
        await expect(cars(page)).to_be_in_viewport(ratio=1)
        await expect(page.locator(".tracking-place")).to_be_in_viewport(ratio=1)
        await dispatch.cancel()


def covers(one, other):
    return (
        one["x"] < other["x"] + other["width"]
        and other["x"] < one["x"] + one["width"]
        and one["y"] < other["y"] + other["height"]
        and other["y"] < one["y"] + one["height"]
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_nothing_covers_the_car_and_where_it_goes(host, visit, dispatch, size, scheme):
    name, driver_id = f"trip-{size}-{scheme}", OTHERS[size, scheme]
    path = await dispatch.create(PICKUP, AIRPORT)
    options = {**SIZES[size], "color_scheme": scheme, "reduced_motion": "reduce"}

    async def check(*selectors):
        panel = await page.locator(".tracking-panel").bounding_box()
        for selector in selectors:
            box = await page.locator(selector).bounding_box()
            assert not covers(panel, box), selector
            await expect(page.locator(selector)).to_be_in_viewport(ratio=1)
        assert await page.evaluate(CLIPPED) == []

    async with visit(RIDER, path, **options) as page, drive(host, driver_id) as driver:
        await expect(headline(page)).to_have_text("Looking for a driver…", timeout=DEADLINE)
        await check(".tracking-place-pickup", ".tracking-place-dropoff")
        await keep(page, f"{name}-looking")
        await driver.send(0.5125, 101.443, heading=150)
        await dispatch.assign(driver_id, "white Prius, BM 1234 AB")
        await dispatch.set_status("enroute_to_pickup")
        await expect(headline(page)).to_have_text("Mia is on the way", timeout=DEADLINE)
        await expect(cars(page)).to_be_visible()
        await driver.send(0.5121, 101.4435, heading=130)
        await expect(car_at(page, 0.5121, 101.4435)).to_be_visible()
        await check(".tracking-car", ".tracking-place-pickup")
        await keep(page, f"{name}-coming")
        await dispatch.set_status("enroute_to_dropoff")
        await driver.send(0.495, 101.447, heading=190)
        await expect(car_at(page, 0.495, 101.447)).to_be_visible()
        await check(".tracking-car", ".tracking-place-dropoff")
        await keep(page, f"{name}-riding")
        await dispatch.complete()
        await expect(cars(page)).to_have_count(0, timeout=DEADLINE)
        await keep(page, f"{name}-complete")


def height(page):
    return page.evaluate("document.querySelector('[data-part=more]').offsetHeight")


async def test_sheet_of_a_phone_goes_up_and_down(visit, dispatch):
    path = await dispatch.create(PICKUP, AIRPORT)
    await dispatch.assign(JON, "white Prius, BM 1234 AB")
    async with visit(RIDER, path, **SIZES["phone"], reduced_motion="reduce") as page:
        handle = page.get_by_role("button", name="Trip details")
        places = page.get_by_role("list", name="Places")
        sign = page.locator(".tracking-place-pickup")
        await expect(headline(page)).to_have_text("Jon is your driver", timeout=DEADLINE)
        await expect(handle).to_have_attribute("aria-expanded", "true")
        await expect(places).to_be_visible()
        opened = await height(page)

        async def drag(pixels):
            box = await handle.bounding_box()
            x, y = box["x"] + 20, box["y"] + 10
            await page.mouse.move(x, y)
            await page.mouse.down()
            await page.mouse.move(x, y + pixels / 2)
            await page.mouse.move(x, y + pixels)
            await page.mouse.up()

        for down, up in (
            (lambda: handle.press("Enter"), lambda: handle.press("Enter")),
            (lambda: handle.press("ArrowDown"), lambda: handle.press("ArrowUp")),
            (handle.tap, handle.tap),
            (lambda: drag(120), lambda: drag(-120)),
        ):
            await down()
            await expect(handle).to_have_attribute("aria-expanded", "false")
            await expect(places).to_be_hidden()
            await expect(part(page, "plate")).to_be_visible()
            assert await height(page) == 0
            # What is hidden has no focus.
            await handle.press("Tab")
            assert not await page.evaluate("document.activeElement.matches('[data-part=share]')")
            await up()
            await expect(handle).to_have_attribute("aria-expanded", "true")
            await expect(places).to_be_visible()
            assert await height(page) == opened
            panel = await page.locator(".tracking-panel").bounding_box()
            assert not covers(panel, await sign.bounding_box())
        await dispatch.cancel()


async def test_rider_shares_the_trip_and_stops(host, visit, dispatch):
    path = await dispatch.create(PICKUP, AIRPORT)
    await dispatch.assign(JON, "white Prius")
    async with visit(RIDER, path, **SIZES["phone"], reduced_motion="reduce") as page:
        # As in a page that is not served over HTTPS.
        await page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        await page.get_by_role("button", name="Share trip").click()
        dialog = page.get_by_role("dialog", name="Share trip")
        start = dialog.get_by_role("button", name="Share a new link")
        await expect(start).to_be_focused()
        await expect(dialog.get_by_role("listitem")).to_have_count(0)
        await start.click()
        link = dialog.get_by_role("textbox", name="Link to the trip")
        await expect(link).to_be_focused()
        await expect(link).to_have_value(re.compile(f"^{host.http_url}/t/.+"))
        await expect(dialog.get_by_role("status")).to_have_text(
            "Copy the link and send it in a message."
        )
        assert await page.evaluate("getSelection().toString()") == await link.input_value()
        await expect(dialog.get_by_role("listitem")).to_contain_text("Not opened yet")
        assert await page.evaluate(CLIPPED) == []

        # Phones have a sheet of their own for it.
        await page.evaluate(
            "navigator.share = async (shared) => (window.shared = shared), undefined"
        )
        for number in range(2, 6):
            await start.click()
            await expect(dialog.get_by_role("listitem")).to_have_count(number)
        await expect(dialog.get_by_role("status")).to_have_text("Your link is ready.")
        assert await page.evaluate("window.shared.url") == await link.input_value()
        await keep(page, "trip-share")

        await dialog.get_by_role("button", name="Stop sharing").first.click()
        await expect(dialog.get_by_role("listitem")).to_have_count(4)
        await expect(dialog.get_by_role("status")).to_contain_text("Sharing stopped.")
        await expect(start).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="Share trip")).to_be_focused()
        await dispatch.cancel()
        await expect(page.get_by_role("button", name="Share trip")).to_be_hidden(timeout=DEADLINE)


async def test_trip_is_shared_in_a_browser_without_dialogs(host, browser, dispatch):
    # The browser logs an error for the link that is refused.
    visits = Visits(browser.browser, host.http_url)
    path = await dispatch.create(PICKUP)
    async with visits(RIDER, path, **SIZES["phone"]) as page:
        await page.add_init_script("delete HTMLDialogElement.prototype.showModal")
        await page.reload()
        await page.get_by_role("button", name="Share trip").click()
        dialog = page.get_by_role("dialog", name="Share trip")
        start = dialog.get_by_role("button", name="Share a new link")
        await expect(start).to_be_focused()
        await expect(dialog).to_have_attribute("aria-modal", "true")
        for key in ("Tab", "Tab", "Shift+Tab", "Shift+Tab", "Tab"):
            await page.keyboard.press(key)
            assert await page.evaluate("document.activeElement.closest('dialog') !== null")
        for number in range(1, 6):
            await start.click()
            await expect(dialog.get_by_role("listitem")).to_have_count(number)
            await expect(start).to_be_enabled()
        await start.click()
        await expect(dialog.get_by_role("status")).to_have_text(
            "That's the most links for one trip. Stop one to share another."
        )
        await keep(page, "trip-share-plain")
        await start.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="Share trip")).to_be_focused()
        await dispatch.cancel()


async def test_driver_cannot_share_the_trip(visit, dispatch):
    path = await dispatch.create(PICKUP)
    await dispatch.assign(MIA)
    async with visit(MIA, path) as page:
        await expect(headline(page)).to_have_text("Mia is your driver", timeout=DEADLINE)
        await expect(part(page, "share")).to_have_count(0)
        await dispatch.cancel()


async def test_page_of_a_trip_of_others_does_not_exist(host, browser):
    # The browser logs an error for the page that is not found.
    dispatch = Dispatch(host)
    path = await dispatch.create(PICKUP)
    visits = Visits(browser.browser, host.http_url)
    async with visits(STRANGER, path) as page:
        await expect(page.locator("[data-tracking]")).to_have_count(0)
    await dispatch.cancel()
