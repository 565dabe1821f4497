"""The page of a share link in a real browser: two workers as in production, and a slow phone."""

import asyncio
import time
from collections import Counter
from itertools import count

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services

from .client import Driver
from .http import call
from .tokens import login_token
from .visits import Visits, keep, person

RIDER, DISPATCHER = 961, 962
DRIVERS = count(963)
DEADLINE = 15_000  # ms
PICKUP = {"kind": "pickup", "lat": 0.5071, "lon": 101.4478, "name": "12 Market Street"}
AIRPORT = {"kind": "dropoff", "lat": 0.4608, "lon": 101.4445, "name": "Airport, Departures"}
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True}
SVG, TILE = "image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg"/>'
# Bytes over the wire without tiles: HTML, styles, scripts and pictures.
MAX_BYTES = 100_000
# A slow phone on 3G.
NETWORK = {
    "offline": False,
    "latency": 300,
    "downloadThroughput": 1_600_000 / 8,
    "uploadThroughput": 750_000 / 8,
}
CPU_SLOWDOWN = 4


@pytest.fixture(scope="module")
def workers(postgres_service, redis_service, tmp_path_factory):
    """Start two workers with hashed, compressed static files."""
    environment = services.environment(
        postgres_service.url,
        redis_service.url,
        DJANGO_SETTINGS_MODULE="tests.e2e.host_project.production",
        STATIC_ROOT=str(tmp_path_factory.mktemp("static")),
        DEBUG="false",
        # Answered by the test: the bytes of tiles are not the page's.
        TRACKING_TILE_URL="/tiles/{z}/{x}/{y}.png",
    )
    services.migrate(environment)
    people = [person(RIDER, "rider", name="Ama Boateng"), person(DISPATCHER, "dispatcher")]
    people += [person(pk, "driver", name="Kofi Mensah") for pk in range(963, 968)]
    services.create_users(environment, people)
    services.manage(environment, "collectstatic", "--no-input", "--verbosity", "0")
    with services.cluster(environment) as workers:
        yield workers


class Shared:
    """A trip with a link to it. Calls go to the first worker, pages come from the last."""

    def __init__(self, workers):
        self._port, self._page_port = workers[0].port, workers[-1].port
        self.driver_id = next(DRIVERS)
        self._driver_url = workers[0].websocket_url

    async def post(self, path, user_id=DISPATCHER, **body):
        answer = await call(self._port, "POST", path, login_token(user_id), body)
        assert answer.status in (200, 201, 204), answer.body
        return answer.json()

    async def create(self):
        trip = await self.post(
            "/trips/",
            riders=[RIDER],
            driver=self.driver_id,
            waypoints=[PICKUP, AIRPORT],
            vehicle="white Prius, BM 1234",
        )
        self.trip = f"/trips/{trip['id']}/"
        await self.post(f"{self.trip}status/", status="enroute_to_pickup")
        link = await self.post(f"{self.trip}shares/", user_id=RIDER)
        self.link_id, self.path = link["id"], "/t/" + link["url"].rpartition("/t/")[2]
        return self

    async def revoke(self):
        path = f"{self.trip}shares/{self.link_id}/"
        await call(self._port, "DELETE", path, login_token(RIDER))

    def driver(self):
        return Driver(self._driver_url, self.driver_id, login_token(self.driver_id))

    @property
    def url(self):
        return f"http://127.0.0.1:{self._page_port}{self.path}"


@pytest_asyncio.fixture(loop_scope="session")
async def shared(workers):
    return await Shared(workers).create()


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(workers, browser):
    """Return a function that makes a page in a context without an account."""
    visits = Visits(browser.browser, workers[-1].http_url)
    contexts = []

    async def new_page(**options):
        contexts.append(await browser.browser.new_context(**options))
        page = await contexts[-1].new_page()
        visits.listen(page)
        await page.route("**/tiles/**", lambda route: route.fulfill(body=TILE, content_type=SVG))
        return page

    yield new_page
    for context in contexts:
        await context.close()
    # A browser reports the status of each page that has ended.
    visits.leave_out("status of 410")
    visits.check()


async def opened(shared):
    answer = await call(shared._port, "GET", f"{shared.trip}shares/", login_token(RIDER))
    (link,) = answer.json()["results"]
    return link["opened_at"]


async def test_friend_follows_the_trip_until_it_ends(workers, shared, new_page):
    page = await new_page(**PHONE)
    async with shared.driver() as driver:
        await driver.send("0.512", "101.4478")
        # As chat programs do for a preview.
        for _ in range(3):
            assert (await call(shared._page_port, "GET", shared.path)).status == 200
        assert await opened(shared) is None
        await page.goto(shared.url)
        await expect(page.locator("[data-part=status]")).to_have_text(
            "Kofi is on the way to the pickup"
        )
        await expect(page.locator("[data-part=car]").first).to_have_text("white Prius")
        await expect(page.locator("[data-part=plate]")).to_have_text("BM 1234")
        await expect(page.locator("[data-located]")).to_be_attached(timeout=DEADLINE)
        await driver.send("0.511", "101.4478")
        await expect(page.locator(".tracking-car")).to_have_count(1, timeout=DEADLINE)
        await keep(page, "shared-trip-phone")
        assert await opened(shared) is not None
        began = time.monotonic()
        await shared.post(f"{shared.trip}complete/")
        await expect(page.get_by_role("heading", name="This trip has ended")).to_be_visible()
        assert time.monotonic() - began < 2.0
        await keep(page, "shared-trip-ended-phone")
    secret = shared.path.removeprefix("/t/")
    assert "Gone: /t/[hidden]" in workers[-1].log()
    for worker in workers:
        assert secret not in worker.log()


async def test_revoked_link_ends_on_the_other_worker(shared, new_page):
    page = await new_page(**PHONE)
    await page.goto(shared.url)
    await expect(page.locator("[data-located]")).to_be_attached(timeout=DEADLINE)
    await shared.revoke()
    await expect(page.get_by_role("heading", name="This trip has ended")).to_be_visible(
        timeout=2_000
    )


async def test_page_is_light_and_quick_on_a_slow_phone(shared, new_page):
    """Assert the bytes, and print the times, which depend on the machine."""
    page = await new_page(**PHONE)
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", NETWORK)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
    urls, sizes, whole = {}, Counter(), Counter()
    session.on(
        "Network.requestWillBeSent",
        lambda event: urls.update({event["requestId"]: event["request"]["url"]}),
    )
    # Compressed bodies. The headers are a tenth more over HTTP/1, as here, and next to nothing over
    # HTTP/2, as behind nginx.
    session.on(
        "Network.dataReceived",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    session.on(
        "Network.loadingFinished",
        lambda event: whole.update({event["requestId"]: event["encodedDataLength"]}),
    )
    began = time.monotonic()
    await page.goto(shared.url, wait_until="commit")
    await page.locator("[data-part=status]", has_text="Kofi").wait_for()
    text = time.monotonic() - began
    await page.locator("[data-located]").wait_for(state="attached")
    interactive = time.monotonic() - began
    await page.wait_for_load_state("networkidle")
    await asyncio.sleep(0.5)
    # Of the page itself Chromium tells the end alone.
    sizes = {key: sizes[key] or size for key, size in whole.items()}
    ours = [key for key, url in urls.items() if key in sizes and "/tiles/" not in url]
    for key in sorted(ours, key=lambda key: -sizes[key]):
        print(f"{sizes[key]:>7} {urls[key].replace(shared.path, '/t/…')[:100]}")
    total = sum(sizes[key] for key in ours)
    with_headers = sum(whole[key] for key in ours)
    print(f"{total} bytes, {with_headers} with headers; {text:.1f} s to the text, ", end="")
    print(f"{interactive:.1f} s until interactive")
    assert 0 < total <= MAX_BYTES
