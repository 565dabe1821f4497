"""The pages as installed apps: without a connection, and on devices of several users."""

import json
import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services

from .http import call
from .tokens import login_token
from .visits import PASSWORD, keep, person

DRIVER, RIDER, DISPATCHER, OTHER = 961, 962, 963, 964
DEADLINE = 15_000  # ms
SMALL = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
PLACES = [
    {"kind": "pickup", "lat": 1.01, "lon": 2, "name": "12 Market Street"},
    {"kind": "dropoff", "lat": 1.03, "lon": 2, "name": "Airport, Departures"},
]
READY = "navigator.serviceWorker.ready.then(({ scope }) => scope)"
# The texts of all that the device stores.
STORED = """async () => {
    const found = {};
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
            found[request.url] = await (await cache.match(request)).text();
        }
    }
    return found;
}"""


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url, DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings"
        )
        services.migrate(environment)
        people = [person(DRIVER, "driver", name="Mia"), person(DISPATCHER, "dispatcher")]
        people += [person(pk, "rider", name="Zoltan") for pk in (RIDER, OTHER)]
        services.create_users(environment, people)
        with services.Runserver(environment, "host project") as server:
            yield server


async def post(host, path, **body):
    answer = await call(host.port, "POST", path, login_token(DISPATCHER), body)
    assert answer.status in (200, 201), answer.body
    return answer.json()


@pytest_asyncio.fixture(loop_scope="session")
async def trip(host):
    trip = await post(host, "/trips/", riders=[RIDER], driver=DRIVER, waypoints=PLACES)
    yield trip["id"]
    await post(host, f"/trips/{trip['id']}/cancel/")


async def installed(page):
    """Return the scope of the page's service worker once it can answer."""
    return await page.evaluate(READY)


async def remembered(page, text):
    """Wait until the device remembers the text."""
    for _ in range(100):
        if text in json.dumps(await page.evaluate(STORED)):
            return
        await page.wait_for_timeout(100)
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("user", "path", "name"),
    [(DRIVER, "/driver/share/", "Your shift"), (RIDER, "/trips/app/", "Your trip")],
)
async def test_page_can_be_installed(visit, host, user, path, name):
    async with visit(user, path, **SMALL) as page:
        assert (await installed(page)).endswith("/driver/share/" if user == DRIVER else "/trips/")
        session = await page.context.new_cdp_session(page)
        found = await session.send("Page.getAppManifest")
        assert found["errors"] == []
        manifest = json.loads(found["data"])
        assert manifest["name"] == name
        assert manifest["start_url"] == path
        errors = (await session.send("Page.getInstallabilityErrors"))["installabilityErrors"]
        # A context of Playwright is like an incognito window.
        assert {error["errorId"] for error in errors} <= {"in-incognito"}
        for icon in manifest["icons"]:
            assert (
                await page.evaluate(
                    "async (url) => (await fetch(url)).headers.get('Content-Type')", icon["src"]
                )
                == icon["type"]
            )


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_rider_sees_the_last_known_trip_offline_with_its_age(host, visit, trip, scheme):
    async with visit(RIDER, f"/trips/{trip}/map/", color_scheme=scheme, **SMALL) as page:
        await installed(page)
        await remembered(page, "Airport")
        await page.context.set_offline(True)
        await page.reload()
        await expect(page.get_by_role("heading", name="You're offline")).to_be_visible()
        await expect(page.get_by_text(re.compile("Last updated"))).to_be_visible()
        await expect(page.get_by_text("Mia is your driver")).to_be_visible()
        await expect(page.get_by_text("Airport, Departures")).to_be_visible()
        await keep(page, f"offline-trip-{scheme}")
        # Another trip than that which the device knows.
        await page.goto(f"{host.http_url}/trips/{trip + 1000}/map/")
        await expect(page.get_by_text("Your trip will be here")).to_be_visible()
        await page.goto(f"{host.http_url}/trips/{trip}/map/")
        await page.context.set_offline(False)
        # The page itself, from the network, as soon as there is one.
        await expect(page.locator("[data-tracking=trip-map]")).to_be_visible(timeout=DEADLINE)


async def test_driver_sees_the_trip_offline(visit, trip):
    async with visit(DRIVER, "/driver/share/", **SMALL) as page:
        await installed(page)
        await remembered(page, "Airport")
        await page.context.set_offline(True)
        await page.reload()
        await expect(page.get_by_text("Your location isn't being sent")).to_be_visible()
        await expect(page.get_by_text("You have a new trip")).to_be_visible()
        await keep(page, "offline-driver")
        await page.context.set_offline(False)
        await expect(page.locator("[data-tracking=share]")).to_be_visible(timeout=DEADLINE)


async def test_device_stores_no_page_of_a_user_and_no_token(host, visit, trip):
    async with visit(RIDER, f"/trips/{trip}/map/", **SMALL) as page:
        await installed(page)
        await remembered(page, "Airport")
        for path in ("/", "/trips/app/", f"/trips/{trip}/map/"):
            await page.goto(host.http_url + path)
        stored = await page.evaluate(STORED)
        pages = {url for url, text in stored.items() if "<html" in text}
        assert len(pages) == 1
        assert pages.pop().split("?")[0].endswith("/trips/app-offline/")
        everything = json.dumps(stored)
        for secret in ("eyJ", "csrfmiddlewaretoken", "data-csrf-token", f"{RIDER}@", "Zoltan"):
            assert secret not in everything, secret


async def test_log_out_deletes_the_trip_from_the_device(host, visit, trip):
    async with visit(RIDER, f"/trips/{trip}/map/", **SMALL) as page:
        await installed(page)
        await remembered(page, "Airport")
        await page.goto(f"{host.http_url}/")
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url("**/accounts/login/**")
        await expect(page.get_by_label("e-mail")).to_be_visible()
        for _ in range(50):
            if "Airport" not in json.dumps(await page.evaluate(STORED)):
                break
            await page.wait_for_timeout(100)
        assert "Airport" not in json.dumps(await page.evaluate(STORED))
        # Online, the pages are the server's alone: here, the page to log in.
        await page.goto(f"{host.http_url}/trips/{trip}/map/")
        await expect(page.get_by_label("e-mail")).to_be_visible()
        await page.context.set_offline(True)
        await page.goto(f"{host.http_url}/trips/{trip}/map/")
        await expect(page.get_by_text("Your trip will be here")).to_be_visible()


async def test_another_user_of_the_device_does_not_see_the_trip(host, visit, trip):
    async with visit(RIDER, f"/trips/{trip}/map/", **SMALL) as page:
        await installed(page)
        await remembered(page, "Airport")
        # Without logging out first: the session has ended by itself.
        await page.context.clear_cookies()
        await page.goto(f"{host.http_url}/accounts/login/?next=/trips/app/")
        await page.get_by_label("e-mail").fill(f"{OTHER}@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_text("No trip right now")).to_be_visible()
        await page.context.set_offline(True)
        await page.goto(f"{host.http_url}/trips/{trip}/map/")
        await expect(page.get_by_text("Your trip will be here")).to_be_visible()
        assert "Airport" not in json.dumps(await page.evaluate(STORED))
