"""The driver's page where drivers have states, in a real browser."""

from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services

from .http import call
from .tokens import login_token
from .visits import PHONE, Visits, keep, person

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
            yield server


@pytest_asyncio.fixture(loop_scope="session")
async def visit(host, browser):
    visits = Visits(browser.browser, host.http_url)
    yield visits
    visits.check()


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
    await expect(page.locator("[data-part=status]")).to_have_text(
        "On duty", timeout=DEADLINE
    )


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
