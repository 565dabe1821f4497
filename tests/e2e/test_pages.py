"""The pages in a real browser, under the project's strict content security policy."""

import asyncio
import re
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import expect

from tests import services

from .client import Driver
from .tokens import login_token
from .visits import PHONE, Visits, keep, person

RIDER, DISPATCHER = 911, 912
ROLES = {
    901: "driver",
    902: "driver",
    903: "driver",
    904: "driver",
    905: "driver",
    906: "driver",
    907: "driver",
    RIDER: "rider",
    DISPATCHER: "dispatcher",
}
# Short enough to be renewed within a test: the client does so at three quarters of the lifetime,
# five seconds after it began at the earliest.
TOKEN_SECONDS = 8
STALE_AFTER, OFFLINE_AFTER = 2, 4
DEADLINE = 15_000  # ms
METRES_PER_PIXEL = 2.388  # at zoom 16, on the equator
LATITUDE, LONGITUDE = -1.4354, 0.9871


@pytest.fixture(scope="module")
def host():
    """Start a host project with our pages in it, and users who can log in."""
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            ACCESS_TOKEN_LIFETIME_SECONDS=str(TOKEN_SECONDS),
            TRACKING_STALE_AFTER=str(STALE_AFTER),
            TRACKING_OFFLINE_AFTER=str(OFFLINE_AFTER),
        )
        services.migrate(environment)
        services.create_users(environment, [person(pk, role) for pk, role in ROLES.items()])
        with services.Runserver(environment, "host project") as server:
            yield server


def drive(host, driver_id):
    return Driver(host.websocket_url, driver_id, login_token(driver_id))


def status(page):
    return page.locator("[data-part=status]")


def car_at(page, latitude, longitude):
    return page.locator(f".tracking-car[data-latitude='{latitude}'][data-longitude='{longitude}']")


async def left_edge(page):
    return (await page.locator(".tracking-car").bounding_box())["x"]


async def test_marker_follows_the_driver_and_ends_offline(host, visit):
    async with visit(RIDER, "/driver/901/map/") as page:
        await expect(status(page)).to_have_text("No location yet", timeout=DEADLINE)
        async with drive(host, 901) as driver:
            await driver.send(LATITUDE, LONGITUDE)
            await expect(car_at(page, LATITUDE, LONGITUDE)).to_be_visible(timeout=DEADLINE)
            await expect(status(page)).to_have_text("Live")
            before = await left_edge(page)
            await driver.send(LATITUDE, LONGITUDE + 0.001)  # 111 m east
            await expect(car_at(page, LATITUDE, LONGITUDE + 0.001)).to_be_visible()
            await keep(page, "rider-live")
        await expect(status(page)).to_have_text(
            re.compile("Last seen [23] sec ago"), timeout=DEADLINE
        )
        await expect(status(page)).to_have_text("Offline", timeout=DEADLINE)
        await expect(page.locator("[data-part=announcement]")).to_have_text(
            "Person 901: Offline", timeout=DEADLINE
        )
        await keep(page, "rider-offline")
        assert await left_edge(page) - before == pytest.approx(111 / METRES_PER_PIXEL, abs=2)


async def test_car_vanishes_when_the_driver_goes_off_duty_and_comes_back(host, visit):
    async with visit(RIDER, "/driver/907/map/") as page, drive(host, 907) as driver:
        await driver.send(LATITUDE, LONGITUDE)
        await expect(car_at(page, LATITUDE, LONGITUDE)).to_be_visible(timeout=DEADLINE)
        for number, state in enumerate(("non_operational", "available"), 1):
            await driver.send_message(token=driver.token, command="state", state=state)
            await driver.frame(number)
            await expect(page.locator(".tracking-car")).to_have_count(0, timeout=DEADLINE)
            await expect(status(page)).to_have_text("No location yet", timeout=DEADLINE)
        await keep(page, "rider-off-duty")
        await driver.send_message(
            token=driver.token, command="send", lat=LATITUDE, lon=LONGITUDE + 0.001
        )
        await expect(car_at(page, LATITUDE, LONGITUDE + 0.001)).to_be_visible(timeout=DEADLINE)
        await expect(status(page)).to_have_text("Live")


async def places_on_the_way(page):
    """Return the car's position in each frame for 600 ms from the next fix on, as pairs of the
    milliseconds since then and the pixels from its former position.
    """
    return await page.evaluate(
        """() => new Promise((resolve) => {
            const car = document.querySelector(".tracking-car");
            const x = () => car.getBoundingClientRect().x;
            const start = x();
            const places = [];
            const look = (began) => {
                const elapsed = performance.now() - began;
                places.push([elapsed, x() - start]);
                if (elapsed < 600) requestAnimationFrame(() => look(began));
                else resolve(places);
            };
            new MutationObserver((_, observer) => {
                observer.disconnect();
                look(performance.now());
            }).observe(car, { attributeFilter: ["data-longitude"] });
            document.body.dataset.ready = "";
        })"""
    )


@pytest.mark.parametrize(
    ("driver_id", "preference"), [(902, "no-preference"), (903, "reduce")], ids=["glides", "jumps"]
)
async def test_car_glides_unless_reduced_motion_is_preferred(host, visit, driver_id, preference):
    async with (
        visit(RIDER, f"/driver/{driver_id}/map/", reduced_motion=preference) as page,
        drive(host, driver_id) as driver,
    ):
        await expect(status(page)).to_have_text("No location yet", timeout=DEADLINE)
        await driver.send(LATITUDE, LONGITUDE)
        await expect(car_at(page, LATITUDE, LONGITUDE)).to_be_visible(timeout=DEADLINE)
        # By now the server has sent the stale status, with the last location again.
        await expect(page.locator("[data-part=detail]")).to_have_text("Waiting for a signal")
        looking = asyncio.create_task(places_on_the_way(page))
        await expect(page.locator("body[data-ready]")).to_be_attached()
        await driver.send(LATITUDE, LONGITUDE + 0.002)  # 222 m east
        places = await looking
    way = 222 / METRES_PER_PIXEL
    if preference == "reduce":
        assert {round(x) for _, x in places} <= {0, round(way)}
    else:
        assert len({round(x) for _, x in places}) > 5
        # The glide takes as long as the interval between the fixes, at least this long.
        glide = 0.9 * STALE_AFTER * 1000
        assert all(x <= way * elapsed / glide + 2 for elapsed, x in places)


async def test_car_crosses_the_antimeridian_in_view(host, visit):
    async with visit(RIDER, "/driver/904/map/") as page, drive(host, 904) as driver:
        await expect(status(page)).to_have_text("No location yet", timeout=DEADLINE)
        await driver.send(LATITUDE, 179.9995)
        await expect(car_at(page, LATITUDE, 179.9995)).to_be_visible(timeout=DEADLINE)
        looking = asyncio.create_task(places_on_the_way(page))
        await expect(page.locator("body[data-ready]")).to_be_attached()
        await driver.send(LATITUDE, -179.9995)  # 111 m east
        places = await looking
        way = 111 / METRES_PER_PIXEL
        assert all(-1 <= x <= way + 2 for _, x in places)
        # Followed, it is near the middle; a map panned around the world shows it again.
        at_first = await left_edge(page)
        await page.locator("[data-part=map]").focus()
        await page.keyboard.press("ArrowRight")
        await expect(page.locator(".tracking-car")).to_be_in_viewport(ratio=1)
        assert await left_edge(page) < at_first + way


async def test_page_recovers_after_the_server_was_killed_and_started_again(host, visit):
    async with visit(RIDER, "/driver/901/map/") as page:
        async with drive(host, 901) as driver:
            await driver.send("-1.43", "0.98")
            await expect(car_at(page, -1.43, 0.98)).to_be_visible(timeout=DEADLINE)
        host.kill()
        banner = page.locator("[data-part=banner]")
        await expect(banner).to_have_text(re.compile("Connection lost"), timeout=DEADLINE)
        await keep(page, "rider-reconnecting")
        host.start()
        async with drive(host, 901) as driver:
            await driver.send("-1.431", "0.981")
            await expect(car_at(page, -1.431, 0.981)).to_be_visible(timeout=30_000)
        await expect(banner).to_be_hidden()


async def test_token_that_expires_while_the_page_is_open_is_renewed(host, visit):
    async with visit(RIDER, "/driver/902/map/") as page, drive(host, 902) as driver:
        states = await page.evaluate_handle(
            """() => {
                const widget = document.querySelector("[data-tracking]");
                const states = [];
                const note = () => states.push(widget.dataset.connection);
                const filter = { attributeFilter: ["data-connection"] };
                new MutationObserver(note).observe(widget, filter);
                return states;
            }"""
        )
        await driver.send("-1.44", "0.98")
        await expect(car_at(page, -1.44, 0.98)).to_be_visible(timeout=DEADLINE)
        async with page.expect_response("**/token/session/", timeout=DEADLINE) as renewal:
            pass
        assert (await renewal.value).status == 200
        # Long enough for the first token to have run out.
        await expect(page.locator("[data-part=detail]")).to_have_text(
            re.compile(r"Last seen (9|\d\d) sec ago"), timeout=DEADLINE
        )
        await driver.send("-1.441", "0.981")
        await expect(car_at(page, -1.441, 0.981)).to_be_visible(timeout=DEADLINE)
        assert set(await states.json_value()) <= {"connecting", "open"}


async def test_driver_who_may_not_be_watched_is_refused_in_words(visit):
    async with visit(RIDER, "/driver/999999/map/") as page:
        await expect(page.locator("[data-part=connection]")).to_have_text(
            "You don't have access to this driver.", timeout=DEADLINE
        )
        await expect(page.get_by_role("button", name="Try again")).to_be_visible()
        await keep(page, "rider-refused")


async def test_map_is_moved_by_keyboard_and_follows_again_at_the_press_of_a_button(host, visit):
    async with visit(RIDER, "/driver/903/map/") as page, drive(host, 903) as driver:
        await driver.send(LATITUDE, LONGITUDE)
        await expect(car_at(page, LATITUDE, LONGITUDE)).to_be_visible(timeout=DEADLINE)
        follow = page.get_by_role("button", name="Follow the driver")
        await expect(follow).to_have_attribute("aria-pressed", "true")
        before = await left_edge(page)
        await page.locator("[data-part=map]").focus()
        for _ in range(2):
            await page.keyboard.press("ArrowRight")
            await page.wait_for_timeout(500)  # Leaflet drops a key while it pans
        await expect(follow).to_have_attribute("aria-pressed", "false")
        async with asyncio.timeout(DEADLINE / 1000):
            while await left_edge(page) > before - 100:
                await page.wait_for_timeout(50)
        # The driver moves, and the map stays.
        await driver.send(LATITUDE, LONGITUDE - 0.001)
        await expect(car_at(page, LATITUDE, LONGITUDE - 0.001)).to_be_visible()
        await follow.press("Enter")
        await expect(follow).to_have_attribute("aria-pressed", "true")
        middle = 'document.querySelector("[data-part=map]").clientWidth / 2 - 22'
        async with asyncio.timeout(DEADLINE / 1000):
            while abs(await left_edge(page) - await page.evaluate(middle)) > 3:
                await page.wait_for_timeout(50)


async def test_accuracy_trail_and_heading_are_drawn(host, visit):
    async with visit(RIDER, "/driver/904/map/") as page, drive(host, 904) as driver:
        await expect(status(page)).to_be_visible()
        await driver.send(LATITUDE, LONGITUDE, accuracy=100, heading=90)
        await expect(car_at(page, LATITUDE, LONGITUDE)).to_be_visible(timeout=DEADLINE)
        circle = await page.locator(".tracking-accuracy").bounding_box()
        assert circle["width"] == pytest.approx(200 / METRES_PER_PIXEL, abs=4)
        car = await page.locator(".tracking-car").bounding_box()
        for side, size in (("x", "width"), ("y", "height")):
            middle = car[side] + car[size] / 2
            assert circle[side] + circle[size] / 2 == pytest.approx(middle, abs=2)
        picture = page.locator(".tracking-car svg")
        assert await picture.evaluate("svg => svg.style.transform") == "rotate(90deg)"
        await expect(page.locator(".tracking-car-arrow")).to_be_visible()
        await driver.send(LATITUDE, LONGITUDE + 0.001, accuracy=50, heading=180)
        await expect(car_at(page, LATITUDE, LONGITUDE + 0.001)).to_be_visible()
        await expect(picture).to_have_css("transform", "matrix(-1, 0, 0, -1, 0, 0)")
        way = 111 / METRES_PER_PIXEL
        async with asyncio.timeout(DEADLINE / 1000):
            while (await page.locator(".tracking-trail-0").bounding_box())["width"] < way - 2:
                await page.wait_for_timeout(50)
        circle = await page.locator(".tracking-accuracy").bounding_box()
        assert circle["width"] == pytest.approx(100 / METRES_PER_PIXEL, abs=4)


# Return the map's position in each frame for 700 ms after a key or the end of a drag.
PLACES_OF_MAP = """(type) => new Promise((resolve) => {
    const pane = document.querySelector(".leaflet-map-pane");
    const places = [];
    const look = (began) => {
        places.push(Math.round(pane.getBoundingClientRect().x));
        if (performance.now() - began < 700) requestAnimationFrame(() => look(began));
        else resolve([...new Set(places)]);
    };
    addEventListener(type, () => requestAnimationFrame(() => look(performance.now())), {
        once: true, capture: true,
    });
    document.body.dataset.ready = type;
})"""


async def drag(page):
    await page.mouse.move(600, 350)
    await page.mouse.down()
    for x in range(600, 400, -25):
        await page.mouse.move(x, 350)
    await page.mouse.up()


async def press_arrow(page):
    await page.locator("[data-part=map]").focus()
    await page.keyboard.press("ArrowRight")


@pytest.mark.parametrize(("event", "act"), [("mouseup", drag), ("keydown", press_arrow)])
@pytest.mark.parametrize("preference", ["reduce", "no-preference"])
async def test_map_is_moved_at_once_when_reduced_motion_is_preferred(visit, event, act, preference):
    opposite = "no-preference" if preference == "reduce" else "reduce"
    async with visit(RIDER, "/driver/905/map/", reduced_motion=opposite) as page:
        await expect(status(page)).to_have_text("No location yet", timeout=DEADLINE)
        # Set only now: an open page changes its behaviour.
        await page.emulate_media(reduced_motion=preference)
        # On a busy machine a drag may be too slow to be thrown, and frames may be missing.
        for _ in range(3 if preference == "reduce" else 20):
            looking = asyncio.create_task(page.evaluate(PLACES_OF_MAP, event))
            await expect(page.locator(f"body[data-ready={event}]")).to_be_attached()
            await page.evaluate("() => new Promise(requestAnimationFrame)")
            await act(page)
            places = await looking
            if preference == "reduce":
                assert len(places) <= 2
            elif len(places) > 3:
                break
        else:
            assert preference == "reduce", "the map does not glide where it may"


CLIPPED = """() => {
    const inside = ".tracking-widget :is(.tracking-panel, .tracking-log, .leaflet-control)";
    const parts = `${inside}, ${inside} *, .tracking-widget > :is(button, p:not(.tracking-unseen))`;
    return [...document.querySelectorAll(parts)]
        .filter((part) => part.checkVisibility() && !part.closest("svg"))
        .filter((part) => {
            const { left, right } = part.getBoundingClientRect();
            const spills = part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0;
            const isInput = part.tagName === "INPUT";
            return left < 0 || right > innerWidth || (spills && !isInput);
        })
        .map((part) => part.outerHTML.slice(0, 100));
}"""


@pytest.mark.parametrize("path", ["/", "/driver/901/map/", "/driver/share/", "/driver/fleet/"])
async def test_page_is_no_wider_than_a_phone(visit, path):
    async with visit(DISPATCHER, path, color_scheme="dark", **PHONE) as page:
        await expect(page.get_by_role("heading").first).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        # A widget clips its content, so the page would not grow.
        assert await page.evaluate(CLIPPED) == []


async def test_driver_page_is_amber_once_its_confirmed_position_is_old(host, visit):
    options = {"geolocation": {"latitude": 1, "longitude": 2}, "permissions": ["geolocation"]}
    async with visit(904, "/driver/share/", **PHONE, **options) as page:
        await page.get_by_role("button", name="Start sharing").click()
        await expect(status(page)).to_have_text(
            re.compile(r"Last position \d+ sec ago"), timeout=DEADLINE
        )
        await expect(page.locator("[data-tracking]")).to_have_attribute("data-stale", "")
        await keep(page, "share-stale")


async def test_driver_page_over_http_asks_for_https(visit):
    async with visit(901, "/", **PHONE) as page:
        await page.add_init_script(
            "Object.defineProperty(window, 'isSecureContext', { value: false })"
        )
        await page.goto(page.url.removesuffix("/") + "/driver/share/")
        await page.get_by_role("button", name="Start sharing").click()
        await expect(page.locator("[data-part=problem]")).to_have_text(
            "Open this page over HTTPS to share your location."
        )


async def test_driver_page_explains_a_denied_permission(visit):
    async with visit(901, "/driver/share/", **PHONE) as page:
        await page.get_by_role("button", name="Start sharing").click()
        await expect(page.locator("[data-part=problem]")).to_contain_text(
            "Allow this page to use your location"
        )
        await expect(page.get_by_role("button", name="Start sharing")).to_be_visible()
        await keep(page, "share-denied")


async def sockets(page, route):
    """Return the page's WebSockets to a route, for the test to send on and to close."""
    opened = []

    def connect(socket):
        socket.connect_to_server()
        opened.append(socket)

    await page.route_web_socket(re.compile(route), connect)
    return opened


@pytest.mark.long
async def test_loss_and_recovery_of_the_connection_are_announced_each_time(visit):
    async with visit(RIDER, "/") as page:
        opened = await sockets(page, "get-tracking")
        await page.goto(page.url.removesuffix("/") + "/driver/905/map/")
        announcement = page.locator("[data-part=announcement]")
        await expect(announcement).to_have_text(re.compile("No location yet"), timeout=DEADLINE)
        for _ in range(2):
            await page.context.set_offline(True)
            await opened[-1].close(code=1012)
            await expect(page.get_by_role("alert")).to_have_text("You're offline", timeout=1000)
            await page.context.set_offline(False)
            await expect(announcement).to_have_text("Back online", timeout=30_000)


class Network:
    """The network of a page, sockets included, which the browser leaves open when it is offline."""

    def __init__(self, page):
        self._page = page
        self._is_cut = False

    async def prepare(self):
        await self._page.route_web_socket(re.compile("get-tracking"), self._connect)

    async def _connect(self, socket):
        if self._is_cut:
            await socket.close(code=1012)
        else:
            socket.connect_to_server()

    async def cut(self):
        self._is_cut = True
        await self._page.context.set_offline(True)

    async def mend(self):
        self._is_cut = False
        await self._page.context.set_offline(False)


@asynccontextmanager
async def visit_over_network(visit, user_id, path, **options):
    async with visit(user_id, "/", **options) as page:
        network = Network(page)
        await network.prepare()
        await page.goto(page.url.removesuffix("/") + path)
        yield page, network


async def test_rider_without_a_network_reads_so_at_once_and_sees_no_live_car(host, visit):
    visiting = visit_over_network(visit, RIDER, "/driver/906/map/", **PHONE)
    async with visiting as (page, network), drive(host, 906) as driver:
        await driver.send(LATITUDE, LONGITUDE)
        await expect(status(page)).to_have_text("Live", timeout=DEADLINE)
        await network.cut()
        banner = page.locator("[data-part=connection]")
        await expect(banner).to_have_text("You're offline", timeout=1000)
        await expect(status(page)).to_have_text(re.compile("Last seen"))
        await expect(page.locator(".tracking-car")).to_have_attribute("data-status", "unconnected")
        await keep(page, "rider-you-are-offline")
        # Nor is the driver shown as offline later.
        await expect(status(page)).to_have_text(
            re.compile(r"Last seen ([5-9]|\d\d) sec ago"), timeout=DEADLINE
        )
        await network.mend()
        await expect(banner).to_be_hidden(timeout=5000)


async def test_fleet_without_a_network_is_shown_as_not_connected(host, visit):
    visiting = visit_over_network(visit, DISPATCHER, "/driver/fleet/")
    async with visiting as (page, network), drive(host, 906) as driver:
        await driver.send(LATITUDE, LONGITUDE)
        await expect(page.locator("[data-part=count-live]")).to_have_text("1", timeout=DEADLINE)
        fleet = page.locator("[data-tracking]")
        await expect(fleet).not_to_have_attribute("data-frozen", "")
        await network.cut()
        await expect(page.locator("[data-part=connection]")).to_have_text(
            "You're offline", timeout=1000
        )
        await expect(fleet).to_have_attribute("data-frozen", "")
        await keep(page, "fleet-you-are-offline")
        await network.mend()
        await expect(fleet).not_to_have_attribute("data-frozen", "", timeout=5000)


async def test_stream_that_falls_silent_is_noticed_within_seconds(visit):
    async with asyncio.TaskGroup() as both:
        both.create_task(fall_silent(visit, RIDER, "/driver/905/map/"))
        both.create_task(fall_silent(visit, DISPATCHER, "/driver/fleet/"))


async def fall_silent(visit, user_id, path):
    """Open a page whose stream sends nothing more after a while, and wait until it says so."""
    async with visit(user_id, "/") as page:
        silent, answered = False, asyncio.Event()

        def connect(socket):
            def pass_on(message):
                if not silent:
                    socket.send(message)
                    answered.set()

            socket.connect_to_server().on_message(pass_on)

        await page.route_web_socket(re.compile("get-tracking"), connect)
        await page.goto(page.url.removesuffix("/") + path)
        widget = page.locator("[data-tracking]")
        await expect(widget).to_have_attribute("data-connection", "open", timeout=DEADLINE)
        # A server that never answered may be an older one without answers.
        async with asyncio.timeout(DEADLINE / 1000):
            await answered.wait()
        silent = True
        async with asyncio.timeout(20):
            await page.evaluate(
                """() => new Promise((resolve) => {
                    const widget = document.querySelector("[data-tracking]");
                    const look = () => widget.dataset.connection === "reconnecting" && resolve();
                    const filter = { attributeFilter: ["data-connection"] };
                    new MutationObserver(look).observe(widget, filter);
                })"""
            )


async def test_page_whose_log_in_has_ended_leads_to_a_new_one(host, browser):
    # The browser logs an error for the refused token request.
    visits = Visits(browser.browser, host.http_url)
    async with visits(RIDER, "/") as page:
        opened = await sockets(page, "get-tracking")
        await page.goto(f"{host.http_url}/driver/905/map/")
        await expect(status(page)).to_have_text("No location yet", timeout=DEADLINE)
        await page.context.clear_cookies()
        await opened[-1].close(code=4401)
        await expect(page.locator("[data-part=connection]")).to_have_text(
            re.compile("Reload the page or log in again"), timeout=DEADLINE
        )
        await expect(page.get_by_role("button", name="Reload the page")).to_be_visible()
        await expect(page.get_by_role("button", name="Try again")).to_be_hidden()
        await keep(page, "rider-logged-out")
        await page.get_by_role("link", name="Log in again").click()
        await page.wait_for_url(f"{host.http_url}/accounts/login/?next=%2Fdriver%2F905%2Fmap%2F")


async def test_device_clock_that_is_fast_does_not_make_a_stale_driver_offline(host, visit):
    async with visit(RIDER, "/") as page, drive(host, 903) as driver:
        await page.add_init_script("const now = Date.now; Date.now = () => now() + 600_000")
        await page.goto(page.url.removesuffix("/") + "/driver/903/map/")
        await driver.send(LATITUDE, LONGITUDE)
        await expect(status(page)).to_have_text("Live", timeout=DEADLINE)
        await expect(status(page)).to_have_text(re.compile("Last seen"), timeout=DEADLINE)


async def test_driver_page_without_a_token_says_that_it_sends_later(host, browser):
    # The browser logs errors for the token requests.
    visits = Visits(browser.browser, host.http_url)
    options = {"geolocation": {"latitude": 1, "longitude": 2}, "permissions": ["geolocation"]}
    async with visits(901, "/", **options) as page:
        # Before the page asks for one.
        await page.route("**/token/session/", lambda route: route.abort())
        await page.goto(f"{host.http_url}/driver/share/")
        await page.get_by_role("button", name="Start sharing").click()
        await expect(status(page)).to_have_text("No connection. Sending later", timeout=DEADLINE)
        await expect(page.locator("[data-part=problem]")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_host_page_restyles_a_widget_by_the_documented_properties(visit, scheme):
    async with visit(RIDER, "/foreign/", color_scheme=scheme) as page:
        widget = page.locator("[data-tracking]").first
        await expect(widget).to_have_css("height", "480px")
        await expect(widget).to_have_css("border-radius", "0px")
        await expect(widget.locator(".tracking-follow")).to_have_css(
            "background-color", "rgb(179, 0, 94)"
        )
        # Other colours follow the scheme.
        card = {"light": "rgb(255, 255, 255)", "dark": "rgb(24, 29, 39)"}[scheme]
        await expect(widget.locator(".tracking-panel")).to_have_css("background-color", card)


async def test_template_tag_shows_two_drivers_in_a_foreign_page(host, visit):
    async with (
        visit(RIDER, "/foreign/") as page,
        drive(host, 901) as first,
        drive(host, 902) as second,
    ):
        await first.send("-1.5", "0.5")
        await second.send("-1.6", "0.6")
        widgets = page.locator("[data-tracking]")
        for widget, latitude in ((widgets.nth(0), "-1.5"), (widgets.nth(1), "-1.6")):
            await expect(
                widget.locator(f".tracking-car[data-latitude='{latitude}']")
            ).to_be_visible(timeout=DEADLINE)
        await keep(page, "foreign")
