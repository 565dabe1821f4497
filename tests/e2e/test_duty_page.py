"""The driver's page where drivers have states, in a real browser."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests import services

from .http import call
from .tokens import login_token
from .visits import PHONE, keep, person

DRIVER, DISPATCHER, RIDER = 975, 976, 977
DEADLINE = 15_000  # ms
PAGE = "/driver/share/"
OFF_DUTY = "Off duty"


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url, DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings"
        )
        services.migrate(environment)
        people = [person(DRIVER, "driver"), person(DISPATCHER, "dispatcher")]
        services.create_users(environment, [*people, person(RIDER, "rider")])
        with services.Runserver(environment, "host project") as server:
            server.sessions = {}
            yield server


@pytest.fixture
def dispatch(host):
    async def dispatch(method, path, **body):
        answer = await call(host.port, method, path, login_token(DISPATCHER), body)
        assert answer.status in (200, 201), answer.body
        return answer.json()

    return dispatch


# Measures a fix each second: the browser's own emulation repeats one fix.
GEOLOCATION = """
const position = () => ({
    coords: { latitude: 1, longitude: 2, accuracy: 5, heading: null, speed: null },
    timestamp: Date.now(),
});
Object.defineProperty(navigator, "geolocation", { value: {
    watchPosition: (take) => setInterval(() => take(position()), 1000),
    clearWatch: (watch) => clearInterval(watch),
    getCurrentPosition: (take) => take(position()),
} });
"""


@asynccontextmanager
async def opened(visit):
    async with visit(DRIVER, "/", **PHONE) as page:
        await page.add_init_script(GEOLOCATION)
        await page.goto(page.url.removesuffix("/") + PAGE)
        yield page


async def go_on_duty(page):
    await page.get_by_role("button", name="Go on duty").click()
    await expect(page.locator("[data-part=status]")).to_have_text("On duty", timeout=DEADLINE)


async def set_state(dispatch, state):
    return await dispatch("PUT", f"/driver/{DRIVER}/state/", state=state)


async def test_driver_goes_on_and_off_duty(host, visit, dispatch):
    await set_state(dispatch, "non_operational")
    async with opened(visit) as page:
        status = page.locator("[data-part=status]")
        await expect(status).to_have_text(OFF_DUTY)
        await keep(page, "share-off-duty")
        await go_on_duty(page)
        await keep(page, "share-on-duty")
        assert services.locations(host.environment)[DRIVER].latitude == 1
        await page.get_by_role("button", name="Go off duty").click()
        await expect(status).to_have_text(OFF_DUTY, timeout=DEADLINE)
        await expect(page.get_by_role("button", name="Go on duty")).to_be_visible()
        assert DRIVER not in services.locations(host.environment)


async def test_driver_with_a_trip_stays_on_duty_until_it_ends(visit, dispatch):
    await set_state(dispatch, "available")
    trip = await dispatch("POST", "/trips/", riders=[RIDER], driver=DRIVER)
    async with opened(visit) as page:
        status, problem = (page.locator(f"[data-part={name}]") for name in ("status", "problem"))
        await go_on_duty(page)
        await page.get_by_role("button", name="Go off duty").click()
        await expect(problem).to_have_text("Finish your trip first, then go off duty.")
        await dispatch("POST", f"/trips/{trip['id']}/complete/")
        await page.get_by_role("button", name="Go off duty").click()
        await expect(status).to_have_text(OFF_DUTY, timeout=DEADLINE)


async def test_driver_whom_dispatch_sets_off_duty_reads_so(visit, dispatch):
    await set_state(dispatch, "available")
    async with opened(visit) as page:
        status = page.locator("[data-part=status]")
        await go_on_duty(page)
        await set_state(dispatch, "non_operational")
        await expect(status).to_have_text(OFF_DUTY, timeout=30_000)
        await expect(page.get_by_role("button", name="Go on duty")).to_be_visible()


@pytest.mark.long
async def test_page_asks_a_busy_server_for_trips_when_that_permits(visit, dispatch):
    await set_state(dispatch, "non_operational")
    asked = asyncio.Queue()

    async def refuse(route):
        asked.put_nowait(time.monotonic())
        await route.fulfill(status=429, headers={"Retry-After": "9"})

    async with visit(DRIVER, "/", **PHONE) as page:
        await page.add_init_script(GEOLOCATION)
        await page.route("**/trips/?driver=*", refuse)
        await page.goto(page.url.removesuffix("/") + PAGE)
        await go_on_duty(page)
        # When the page was opened, and when the shift began.
        await asked.get()
        before = await asked.get()
        async with asyncio.timeout(15):
            assert await asked.get() - before >= 9
    visit.leave_out("status of 429")


SMALL = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
PLACES = [
    {"kind": "pickup", "lat": 1.01, "lon": 2, "name": "12 Market Street"},
    {"kind": "stop", "lat": 1.02, "lon": 2, "name": "Central Library"},
    {"kind": "dropoff", "lat": 1.03, "lon": 2, "name": "Airport, Departures"},
]
# What the card says, the button to tap, and the status that it leads to.
STEPS = [
    ("New trip. Pick up at", "Drive to the pickup", "enroute_to_pickup"),
    ("Pick up at", "I've arrived", "arrived_at_pickup"),
    ("Waiting at the pickup", "Start trip", "enroute_to_intermediate_destination"),
    ("Next stop", "Arrived at the stop", "arrived_at_intermediate_destination"),
    ("Waiting at the stop", "Continue", "enroute_to_dropoff"),
]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_driver_drives_a_whole_trip_by_tapping(visit, dispatch, scheme):
    await set_state(dispatch, "non_operational")
    async with visit(DRIVER, "/", color_scheme=scheme, **SMALL) as page:
        await page.add_init_script(GEOLOCATION)
        await page.goto(page.url.removesuffix("/") + PAGE)
        card, kind, step = (
            page.locator(f"[data-part={name}]") for name in ("trip", "trip-kind", "step")
        )
        await expect(card).to_be_hidden()
        await keep(page, f"shift-off-{scheme}")
        await page.get_by_role("button", name="Go on duty").tap()
        await expect(page.locator("[data-part=status]")).to_have_text("On duty", timeout=DEADLINE)
        await keep(page, f"shift-free-{scheme}")
        trip = await dispatch(
            "POST", "/trips/", riders=[RIDER], driver=DRIVER, waypoints=PLACES, reference="T-7"
        )
        path = f"/trips/{trip['id']}/"
        for text, button, status in STEPS:
            await expect(kind).to_have_text(text, timeout=DEADLINE)
            await expect(step).to_have_text(button)
            await keep(page, f"shift-{trip['status'].replace('intermediate_', '')}-{scheme}")
            # The pause after which a tap is no second one of a double tap.
            await page.wait_for_timeout(750)
            await step.tap()
            await step.tap()
            await expect(page.locator("[data-part=saving]")).to_be_hidden(timeout=DEADLINE)
            trip = await dispatch("GET", path)
            assert trip["status"] == status
        await expect(kind).to_have_text("Drop off at")
        await expect(page.locator("[data-part=trip-place]")).to_have_text("Airport, Departures")
        link = page.get_by_role("link", name="Navigate")
        assert await link.get_attribute("rel") == "noreferrer"
        assert "1.03%2C2" in await link.get_attribute("href")
        await page.wait_for_timeout(750)
        # Without a connection the step waits, and the page says so.
        await page.context.set_offline(True)
        await step.tap()
        await keep(page, f"shift-confirm-{scheme}")
        await page.wait_for_timeout(750)
        await page.get_by_role("button", name="Yes, complete").tap()
        await expect(page.get_by_text("Not saved yet")).to_be_visible(timeout=DEADLINE)
        await keep(page, f"shift-not-saved-{scheme}")
        assert (await dispatch("GET", path))["status"] == "enroute_to_dropoff"
        await page.context.set_offline(False)
        await expect(card).to_be_hidden(timeout=DEADLINE)
        await expect(page.locator("[data-part=trip-news]")).to_have_text("Trip complete")
        assert (await dispatch("GET", path))["status"] == "complete"
        await keep(page, f"shift-complete-{scheme}")
        await page.get_by_role("button", name="Go off duty").tap()
        await expect(page.locator("[data-part=status]")).to_have_text(OFF_DUTY, timeout=DEADLINE)


async def test_second_tab_does_not_share_too(visit, dispatch):
    await set_state(dispatch, "available")
    async with opened(visit) as page:
        await go_on_duty(page)
        second = await page.context.new_page()
        await second.add_init_script(GEOLOCATION)
        await second.goto(page.url)
        await second.get_by_role("button", name="Go on duty").click()
        problem = second.locator("[data-part=problem]")
        await expect(problem).to_contain_text("Another tab", timeout=DEADLINE)
        await second.get_by_role("button", name="Share in this tab").click()
        await expect(second.locator("[data-part=status]")).to_have_text("On duty", timeout=DEADLINE)
        await expect(page.locator("[data-part=problem]")).to_contain_text("in another tab")
        await second.get_by_role("button", name="Go off duty").click()
        await expect(second.locator("[data-part=status]")).to_have_text(OFF_DUTY, timeout=DEADLINE)
