"""The page of a share link in a real browser: two workers as in production, and a slow phone."""

import asyncio
import time
from collections import Counter
from itertools import count

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services
from tests.programs import skip_without

from .client import Driver
from .event_stream import stream
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
# In ms since the navigation began: the first paint with text, the first time that the map has the
# trip, and the end of the last task that keeps the page from answering (50 ms and more).
TIMES = """
globalThis.times = { text: 0, map: 0, interactive: 0 };
const observe = (type, take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type });
observe("paint", ({ name, startTime }) => {
    if (name === "first-contentful-paint") times.text = Math.round(startTime);
});
observe("longtask", (task) => (times.interactive = Math.round(task.startTime + task.duration)));
new MutationObserver(() => {
    if (!times.map && document.querySelector("[data-located]")) {
        times.map = Math.round(performance.now());
    }
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
# A proxy that blocks WebSockets answers none, or closes them at once.
NO_WEBSOCKETS = """
globalThis.WebSocket = class extends EventTarget {
    constructor() {
        super();
        setTimeout(() => this.onclose?.(new CloseEvent("close", { code: 1006 })));
    }
    send() {}
    close() {}
};
"""


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
    people += [person(pk, "driver", name="Kofi Mensah") for pk in range(963, 975)]
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
    visits, contexts = [], []

    async def new_page(server=workers[-1], **options):
        contexts.append(await browser.browser.new_context(**options))
        page = await contexts[-1].new_page()
        visits.append(Visits(browser.browser, server.http_url))
        visits[-1].listen(page)
        await page.route("**/tiles/**", lambda route: route.fulfill(body=TILE, content_type=SVG))
        return page

    yield new_page
    for context in contexts:
        await context.close()
    for visit in visits:
        # A browser reports the status of each page that has ended.
        visit.leave_out("status of 410")
        visit.check()


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


async def test_stream_over_http_shows_the_trip_of_the_link_until_it_is_revoked(workers, shared):
    port = workers[-1].port
    token = (await call(port, "POST", f"{shared.path}/token/")).json()["access"]
    now = await call(port, "GET", f"{shared.trip}stream/", token, Accept="application/json")
    shown = now.json()[0]["trip"]
    assert (shown["driver"]["name"], shown["reference"]) == ("Kofi", "")
    async with stream(port, f"{shared.trip}stream/", token) as events:
        assert (await events.begin()).status == 200
        assert (await events.frame())["trip"] == shown
        assert await opened(shared) is not None
        await shared.revoke()
        while (event := await events.event())[0] != "close":
            pass
        assert event[1]["code"] == 4403
    answer = await call(port, "GET", f"{shared.trip}stream/", token)
    assert (answer.status, answer.json()["code"]) == (410, "trip_ended")


@pytest.mark.parametrize(("bad", "status"), [(False, 403), (True, 401)])
async def test_stream_over_http_refuses_other_trips_and_bad_tokens(workers, shared, bad, status):
    port = workers[-1].port
    token = (await call(port, "POST", f"{shared.path}/token/")).json()["access"]
    other = await Shared(workers).create()
    answer = await call(port, "GET", f"{other.trip}stream/", token[:-3] if bad else token)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_page_follows_the_trip_where_websockets_are_blocked(shared, new_page):
    page = await new_page(**PHONE)
    await page.add_init_script(NO_WEBSOCKETS)
    await page.goto(shared.url)
    async with shared.driver() as driver:
        await driver.send("0.512", "101.4478")
        await expect(page.locator(".tracking-car")).to_have_count(1, timeout=2 * DEADLINE)
        await expect(page.locator("[data-part=banner]")).to_be_hidden()
        await shared.post(f"{shared.trip}complete/")
        await expect(page.get_by_role("heading", name="This trip has ended")).to_be_visible()


async def test_banner_of_a_lost_connection_is_below_the_menu_of_languages(shared, new_page):
    page = await new_page(**PHONE)
    await page.goto(shared.url)
    await expect(page.locator("[data-located]")).to_be_attached(timeout=DEADLINE)
    await page.context.set_offline(True)
    banner, menu = page.locator("[data-part=banner]"), page.locator(".language-menu")
    await expect(banner).to_be_visible(timeout=DEADLINE)
    for width in (360, 1280):
        await page.set_viewport_size({"width": width, "height": 740})
        above, below = await menu.bounding_box(), await banner.bounding_box()
        assert above["y"] + above["height"] <= below["y"]


@pytest.fixture(scope="module")
def nginx(workers):
    """Start nginx with TLS and HTTP/2, as recommended."""
    skip_without(services.find_nginx)
    with services.Nginx([worker.port for worker in workers], tls=True) as nginx:
        yield nginx


async def test_page_is_light_and_quick_on_a_slow_phone(nginx, shared, new_page):
    """Assert the bytes, and print the times, which depend on the machine."""
    page = await new_page(nginx, **PHONE, ignore_https_errors=True)
    visited = f"{nginx.http_url}{shared.path}"
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", NETWORK)
    await session.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
    urls, sizes = {}, Counter()
    session.on(
        "Network.requestWillBeSent",
        lambda event: urls.update({event["requestId"]: event["request"]["url"]}),
    )
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    await page.add_init_script(TIMES)
    await page.goto(visited, wait_until="commit")
    await page.locator("[data-located]").wait_for(state="attached")
    await page.wait_for_load_state("networkidle")
    await asyncio.sleep(0.5)
    ours = [key for key, url in urls.items() if key in sizes and "/tiles/" not in url]
    for key in sorted(ours, key=lambda key: -sizes[key]):
        print(f"{sizes[key]:>7} {urls[key].replace(shared.path, '/t/…')[:100]}")
    total = sum(sizes[key] for key in ours)
    times = await page.evaluate("times")
    print(f"{total} bytes; ms since the navigation began: {times}")
    assert 0 < total <= MAX_BYTES
