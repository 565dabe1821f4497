"""The pages on small screens, with large text, long names and a keyboard, in a real browser."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests import services

from .visits import keep, person

# The map of all drivers without the console.
WALL = "/wall/"
DISPATCHER, RIDER, SHARING = 931, 932, 933
FIRST, DRIVERS = 940, 12
LONG = "Wolfeschlegelsteinhausenbergerdorff-Maximiliane Konstantinopolitanska"
DEADLINE = 15_000  # ms
PORTRAIT = {"width": 360, "height": 640}
SMALL = {"width": 320, "height": 568}
LANDSCAPE = {"width": 667, "height": 375}
DESKTOP = {"width": 1280, "height": 800}
WIDE = pytest.mark.parametrize(
    "size", [PORTRAIT, LANDSCAPE, DESKTOP], ids=["portrait", "landscape", "desktop"]
)
NARROW = pytest.mark.parametrize(
    "size", [SMALL, PORTRAIT, LANDSCAPE], ids=["small", "portrait", "landscape"]
)
TEXT = pytest.mark.parametrize("large", [False, True], ids=["normal", "large text"])
LARGE_TEXT = "document.documentElement.style.fontSize = '200%'"


# In a row from west to east.
PLACE = f"""
from django.utils import timezone
from tracking.models import DriverLocation

now = timezone.now()
for number in range({DRIVERS}):
    DriverLocation.objects.create(
        driver_id={FIRST} + number, latitude=51.5, longitude=number / 100,
        recorded_at=now, received_at=now,
    )
"""


@pytest.fixture(scope="module")
def host():
    drivers = range(FIRST, FIRST + DRIVERS)
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            TRACKING_STALE_AFTER="3600",
            TRACKING_OFFLINE_AFTER="7200",
        )
        services.migrate(environment)
        people = [person(DISPATCHER, "dispatcher"), person(RIDER, "rider")]
        people.append(person(SHARING, "driver", name=LONG))
        people += [person(pk, "driver", name=f"{LONG} {pk}", password=None) for pk in drivers]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", PLACE)
        with services.Runserver(environment, "host project") as server:
            server.sessions = {}
            yield server


async def rectangle(locator):
    return await locator.bounding_box()


def apart(one, other):
    """Return whether two rectangles do not overlap, but for rounding."""
    return (
        one["x"] + one["width"] <= other["x"] + 1
        or other["x"] + other["width"] <= one["x"] + 1
        or one["y"] + one["height"] <= other["y"] + 1
        or other["y"] + other["height"] <= one["y"] + 1
    )


def within(inner, outer):
    return (
        inner["x"] >= outer["x"] - 1
        and inner["y"] >= outer["y"] - 1
        and inner["x"] + inner["width"] <= outer["x"] + outer["width"] + 1
        and inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    )


async def loaded(page):
    live = page.locator("[data-part=count-live]")
    await expect(live).to_have_text(str(DRIVERS), timeout=DEADLINE)
    await located(page)


async def located(page):
    await expect(page.locator("[data-located]")).to_be_attached(timeout=DEADLINE)


async def nothing_overflows(page):
    """Check that nothing is wider than the page, so that it does not scroll sideways."""
    return await page.evaluate(
        "document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"
    )


async def test_numbers_are_unknown_until_the_drivers_are_loaded(visit):
    async with visit(DISPATCHER, WALL) as page:
        # A network without any answers.
        await page.add_init_script("WebSocket.prototype.send = () => {}")
        await page.reload()
        await expect(page.get_by_text("Loading drivers…")).to_be_visible()
        for status in ("live", "stale", "offline"):
            await expect(page.locator(f"[data-part=count-{status}]")).to_have_text("–")
    async with visit(DISPATCHER, WALL) as page:
        await loaded(page)
        await expect(page.get_by_text("Loading drivers…")).to_be_hidden()


@pytest.mark.parametrize(
    "size", [PORTRAIT, LANDSCAPE, DESKTOP], ids=["portrait", "landscape", "desktop"]
)
async def test_drivers_are_reached_by_keyboard_and_their_popups_are_whole(visit, size):
    async with visit(DISPATCHER, WALL, viewport=size, reduced_motion="reduce") as page:
        await loaded(page)
        following = page.get_by_role("button", name="Next driver")
        await following.focus()
        whole = await rectangle(page.locator("[data-part=map]"))
        panel = await rectangle(page.locator(".tracking-panel"))
        popup = page.locator(".leaflet-popup")
        for number in range(DRIVERS):
            # The server soon sends the drivers that came into view with the last popup.
            async with asyncio.timeout(DEADLINE / 1000):
                while f"{LONG} {FIRST + number}" not in "".join(await popup.all_inner_texts()):
                    await page.keyboard.press("Enter")
                    await page.wait_for_timeout(100)
            box = await rectangle(popup)
            assert within(box, whole)
            assert apart(box, panel)
            await expect(following).to_be_focused()
        await keep(page, f"fleet-popup-{size['width']}")
        await page.get_by_role("button", name="Previous driver").press("Enter")
        await expect(popup).to_contain_text(f"{LONG} {FIRST + DRIVERS - 2}")
        assert await nothing_overflows(page)


@TEXT
@pytest.mark.parametrize(
    "size", [PORTRAIT, LANDSCAPE, DESKTOP], ids=["portrait", "landscape", "desktop"]
)
async def test_every_search_result_is_within_reach(visit, size, large):
    async with visit(DISPATCHER, WALL, viewport=size, reduced_motion="reduce") as page:
        await loaded(page)
        if large:
            await page.evaluate(LARGE_TEXT)
        await page.get_by_role("searchbox").fill("wolfe")
        results = page.locator(".tracking-result")
        await expect(results).to_have_count(8)
        await keep(page, f"fleet-search-{size['width']}{'-large' if large else ''}")
        for number in range(8):
            await results.nth(number).scroll_into_view_if_needed()
            middle = await results.nth(number).evaluate(
                """(element) => {
                    const { x, y, width, height } = element.getBoundingClientRect();
                    const there = document.elementFromPoint(x + width / 2, y + height / 2);
                    return element.contains(there);
                }"""
            )
            assert middle
        assert await nothing_overflows(page)
        await results.nth(7).click()
        await expect(page.locator(".leaflet-popup")).to_contain_text(LONG)


@TEXT
@pytest.mark.parametrize(
    "size", [SMALL, PORTRAIT, LANDSCAPE], ids=["small", "portrait", "landscape"]
)
async def test_nothing_lies_over_the_riders_status(visit, size, large):
    async with visit(RIDER, f"/driver/{FIRST}/map/", viewport=size) as page:
        await located(page)
        if large:
            await page.evaluate(LARGE_TEXT)
        # The longest texts.
        await page.evaluate(
            """() => {
                const part = (name) => document.querySelector(`[data-part="${name}"]`);
                for (const [name, words] of [["speed", "128 km/h"], ["accuracy", "± 1,250 m"]]) {
                    part(name).textContent = words;
                    part(name).closest("[data-fact]").hidden = false;
                }
                part("status").textContent = "Here 23 min ago, phone online";
            }"""
        )
        panel = page.locator(".tracking-panel")
        status = await rectangle(page.locator("[data-part=status]"))
        facts = await rectangle(page.locator(".tracking-facts"))
        assert apart(status, facts)
        # Nor does text overflow its box into another.
        assert await page.locator(".tracking-panel :is(p, dd)").evaluate_all(
            "(all) => all.every((one) => one.scrollWidth <= one.clientWidth + 1)"
        )
        for part in (status, facts):
            assert part["x"] >= 0
            assert part["x"] + part["width"] <= size["width"]
        assert await panel.evaluate("(panel) => panel.scrollWidth <= panel.clientWidth")
        # The controls stand above the sheet, however high it is, or beside the panel.
        for control in (".leaflet-control-zoom", ".tracking-follow"):
            if not (large and size != LANDSCAPE):
                assert apart(await rectangle(page.locator(control)), await rectangle(panel))
        await keep(page, f"rider-{size['width']}{'-large' if large else ''}")
        assert await nothing_overflows(page)


@pytest.mark.parametrize("size", [SMALL, LANDSCAPE], ids=["small", "landscape"])
async def test_large_text_is_whole_on_the_drivers_page(visit, size):
    where = {"latitude": -51.12345, "longitude": -170.12345}
    options = {"viewport": size, "permissions": ["geolocation"], "geolocation": where}
    async with visit(SHARING, "/driver/share/", **options) as page:
        await page.evaluate(LARGE_TEXT)
        start = page.get_by_role("button", name="Start sharing")
        assert within(await rectangle(start), await rectangle(page.locator(".tracking-share")))
        await start.click()
        await expect(page.locator("[data-part=status]")).to_have_text(
            "Sharing your location", timeout=DEADLINE
        )
        await keep(page, f"share-{size['width']}-large")
        assert await nothing_overflows(page)
        children = await page.evaluate(
            """() => [...document.querySelectorAll(
                ".tracking-share :is(section, details, p, button, summary):not(.tracking-unseen)")]
                .filter((child) => child.offsetHeight)
                .map((child) => [child.className, child.scrollWidth <= child.clientWidth + 1,
                    child.scrollHeight <= child.clientHeight + 1])"""
        )
        assert len(children) > 3
        assert all(wide and high for _, wide, high in children), children
        # A minus sign stands before its number in every language.
        await page.evaluate("document.documentElement.dir = 'rtl'")
        degrees = page.locator(".tracking-degrees").first
        await expect(degrees).to_have_text("-51.12345, -170.12345")
        assert await degrees.evaluate("(element) => getComputedStyle(element).direction") == "ltr"


@WIDE
async def test_controls_and_panel_change_sides_in_languages_from_right_to_left(visit, size):
    async with visit(RIDER, f"/driver/{FIRST}/map/", viewport=size) as page:
        await located(page)
        parts = [".leaflet-control-zoom", ".leaflet-control-scale", ".tracking-panel"]

        async def places():
            return [await rectangle(page.locator(part)) for part in parts]

        zoom, scale, _ = await places()
        assert scale["x"] < size["width"] / 2 < zoom["x"]
        await page.evaluate("document.documentElement.dir = 'rtl'")
        zoom, scale, panel = await places()
        assert zoom["x"] + zoom["width"] < size["width"] / 2 < scale["x"] + scale["width"]
        assert apart(zoom, panel)
        assert apart(scale, panel)
        assert apart(zoom, scale)
        assert await nothing_overflows(page)


async def test_a_name_keeps_its_own_direction(visit):
    async with visit(DISPATCHER, WALL) as page:
        await loaded(page)
        await page.evaluate("document.documentElement.dir = 'rtl'")
        await page.get_by_role("searchbox").fill(str(FIRST))
        name = page.locator(".tracking-result strong")
        await expect(name).to_have_text(f"{LONG} {FIRST}")
        assert await name.evaluate("(element) => getComputedStyle(element).direction") == "ltr"


# Whether the first letter of an element is left of its last one.
FROM_THE_LEFT = """(element) => {
    const text = document.createTreeWalker(element, NodeFilter.SHOW_TEXT).nextNode();
    const place = (index) => {
        const range = document.createRange();
        range.setStart(text, index);
        range.setEnd(text, index + 1);
        return range.getBoundingClientRect().x;
    };
    return place(0) < place(text.length - 1);
}"""


async def test_an_address_is_not_turned_round_in_arabic(visit):
    async with visit(RIDER, "/driver/share/", viewport=PORTRAIT) as page:
        address = page.locator(".notice strong")
        await expect(address).to_have_text(f"{RIDER}@example.org")
        await page.evaluate("document.documentElement.dir = 'rtl'")
        assert await address.evaluate(FROM_THE_LEFT)


async def test_name_in_the_bar_is_whole_or_not_there(visit):
    async with visit(RIDER, "/driver/share/", viewport=PORTRAIT) as page:
        heading, name = page.locator(".bar h1"), page.locator(".who bdi")
        await heading.evaluate("(heading) => { heading.textContent = 'Share your location'; }")
        for text in ("Person", "Person of a name", "Person of a longer name than that"):
            await name.evaluate("(name, text) => { name.textContent = text; }", text)
            assert await heading.evaluate("(it) => it.scrollWidth <= it.clientWidth")
            bar, box = await rectangle(page.locator(".who")), await rectangle(name)
            assert within(box, bar) or apart(box, bar), text
            assert apart(box, await rectangle(page.locator(".language-menu summary"))), text


async def test_controls_of_the_map_are_at_the_left_in_arabic(visit):
    """The panel is at the right then, and the buttons belong together."""
    for size in (PORTRAIT, DESKTOP):
        async with visit(RIDER, f"/driver/{FIRST}/map/", viewport=size) as page:
            await located(page)
            await page.evaluate("document.documentElement.dir = 'rtl'")
            zoom = await rectangle(page.locator(".leaflet-control-zoom"))
            follow = await rectangle(page.locator("[data-part=follow]"))
            scale = await rectangle(page.locator(".leaflet-control-scale"))
            assert zoom["x"] == follow["x"] == 14
            assert follow["y"] + follow["height"] <= zoom["y"]
            assert scale["x"] > size["width"] / 2
            assert apart(scale, await rectangle(page.locator(".tracking-panel")))


async def test_banner_with_two_buttons_fits_a_small_phone(visit):
    async with visit(RIDER, f"/driver/{FIRST}/map/", viewport=SMALL) as page:
        await located(page)
        text = "Your session has ended. Reload the page or log in again."
        await page.evaluate(
            """(text) => {
                const part = (name) => document.querySelector(`[data-part="${name}"]`);
                part("connection").textContent = text;
                for (const name of ["banner", "reload", "log-in"]) part(name).hidden = false;
            }""",
            text,
        )
        banner = await rectangle(page.locator("[data-part=banner]"))
        for name in ("connection", "reload", "log-in"):
            assert within(await rectangle(page.locator(f"[data-part={name}]")), banner), name
        assert (await rectangle(page.locator("[data-part=connection]")))["height"] < 80


async def test_problems_are_announced_at_once(visit):
    async with visit(RIDER, f"/driver/{FIRST}/map/") as page:
        await located(page)
        await page.context.set_offline(True)
        alert = page.get_by_role("alert")
        await expect(alert).to_have_text("You're offline", timeout=1_000)
        await page.context.set_offline(False)
        await expect(alert).to_have_text("", timeout=DEADLINE)


async def test_wheel_scrolls_the_page_over_a_map_until_the_map_is_used(visit):
    zoomed = ".leaflet-proxy"
    size = {"width": 600, "height": 500}
    async with visit(RIDER, "/foreign/", viewport=size) as page:
        surface = page.locator("[data-part=map]").first
        await expect(surface.locator(".leaflet-control-zoom")).to_be_visible(timeout=DEADLINE)
        zoom = surface.locator(zoomed)
        await surface.scroll_into_view_if_needed()
        await page.evaluate("scrollTo(0, 0)")
        before = await zoom.get_attribute("style")
        box = await rectangle(surface)
        await page.mouse.move(box["x"] + 20, box["y"] + 200)
        await page.mouse.wheel(0, 120)
        async with asyncio.timeout(DEADLINE / 1000):
            while not await page.evaluate("scrollY > 0"):
                await page.wait_for_timeout(50)
        assert await zoom.get_attribute("style") == before
        box = await rectangle(surface)
        await page.mouse.click(box["x"] + 20, box["y"] + 200)
        await page.mouse.wheel(0, -120)
        await expect(zoom).not_to_have_attribute("style", before, timeout=DEADLINE)


async def test_the_riders_car_is_reached_and_followed_by_keyboard(visit):
    async with visit(RIDER, f"/driver/{FIRST}/map/") as page:
        await located(page)
        car = page.get_by_role("button", name=f"{LONG} {FIRST}")
        await expect(car).to_have_accessible_description(re.compile("Live"))
        follow = page.get_by_role("button", name="Follow the driver")
        await follow.press("Enter")
        await expect(follow).to_have_attribute("aria-pressed", "false")
        await page.locator("[data-part=map]").focus()
        await page.keyboard.press("Tab")
        await expect(car).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(follow).to_have_attribute("aria-pressed", "true")
