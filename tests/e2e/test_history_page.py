"""The admin's page of a driver's day in a real browser."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests import services

from .visits import PHONE, keep, person

DISPATCHER, DRIVER, RIDER = 961, 962, 963
DEADLINE = 15_000  # ms
DAY = f"/admin/tracking/driverlocation/{DRIVER}/day/?date=2026-03-30&tz=UTC"
# In Helsinki the clocks are set forward at 03:00 on this day, and back at 04:00 on that one.
SPRING = f"/admin/tracking/driverlocation/{DRIVER}/day/?date=2026-03-29&tz=Europe/Helsinki"
AUTUMN = f"/admin/tracking/driverlocation/{DRIVER}/day/?date=2025-10-26&tz=Europe/Helsinki"
LATITUDE, LONGITUDE = -1.4354, 0.9871
METRE = 1 / 111_195  # degrees

# A drive to the north at 10 m/s from 06:00 to 06:10, a stop until 06:20, no fixes until 06:40 and
# 6 km further, and a drive back until 06:50, with a fix far away. Also a fix each half hour on the
# days when the clocks change.
STORE = f"""
from datetime import UTC, datetime, timedelta
from tracking.models import DriverLocation, HistoryFix, Trip, TripAssignment, WatchGrant

fixes = []

def add(at, metres, **more):
    values = dict(speed=10.0, heading=0.0, accuracy=5.0, battery=80, charging=False, mock=False)
    fixes.append(HistoryFix(
        driver_id={DRIVER}, recorded_at=at, received_at=at,
        latitude_e7=round(({LATITUDE} + metres * {METRE}) * 1e7),
        longitude_e7=round({LONGITUDE} * 1e7), **values | more,
    ))

# Real fixes are not at whole seconds.
start = datetime(2026, 3, 30, 6, 0, 0, 250_000, tzinfo=UTC)
for s in range(0, 600, 5):
    add(start + timedelta(seconds=s), 10 * s)
for s in range(600, 1200, 10):
    add(start + timedelta(seconds=s), 6000, speed=0.0, heading=None)
for s in range(0, 600, 5):
    add(start + timedelta(minutes=40, seconds=s), 12000 - 10 * s, heading=180.0, charging=True)
add(start + timedelta(minutes=45, seconds=2), 90000)
for first in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2025, 10, 25, 21, tzinfo=UTC)):
    for half in range(46):
        add(first + timedelta(minutes=30 * half), 100 * half)
HistoryFix.objects.bulk_create(fixes)
trip = Trip.objects.create(
    reference="T-7", status="complete", created_at=start, ends_at=start + timedelta(hours=2),
    ended_at=start + timedelta(minutes=5),
)
trip.riders.add({RIDER})
part = dict(driver_id={DRIVER}, trip=trip)
TripAssignment.objects.create(
    **part, since=start + timedelta(minutes=1), until=start + timedelta(minutes=5)
)
# The rider's permission began later, and ended earlier.
WatchGrant.objects.create(
    **part, watcher_id={RIDER}, starts_at=start + timedelta(minutes=2),
    ends_at=start + timedelta(minutes=4),
)
last = start + timedelta(minutes=50)
DriverLocation.objects.create(
    driver_id={DRIVER}, latitude={LATITUDE}, longitude={LONGITUDE}, recorded_at=last,
    received_at=last,
)
"""


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url, DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings"
        )
        services.migrate(environment)
        people = [
            person(DISPATCHER, "dispatcher"),
            person(DRIVER, "driver", name="Jonh"),
            person(RIDER, "rider"),
        ]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", STORE)
        with services.Runserver(environment, "host project") as server:
            server.sessions = {}
            yield server


def part(page, name):
    return page.locator(f"[data-part={name}]")


async def opened(page):
    await expect(page.locator(".tracking-driver-day[data-located]")).to_be_attached(
        timeout=DEADLINE
    )


async def expect_metres(page, metres):
    """Check that the car is shown so many metres north of the start."""
    text = f"{LATITUDE + metres * METRE:.6f}, {LONGITUDE:.6f}"
    await expect(part(page, "place")).to_have_text(text)


async def test_where_the_car_was_is_two_clicks_from_the_list(visit):
    async with visit(DISPATCHER, "/admin/tracking/driverlocation/") as page:
        await page.get_by_role("link", name="Show the day of Jonh").click()
        await opened(page)
        time = part(page, "time")
        await time.click()
        await page.keyboard.type("06:01")
        await expect_metres(page, 600)
        await expect(part(page, "state")).to_have_text("Moving")
        await expect(part(page, "detail")).to_have_text("Measured at 06:01:00")
        await expect(part(page, "speed")).to_have_text("36 km/h")
        await expect(part(page, "heading")).to_have_text("N, 0°")
        await expect(part(page, "accuracy")).to_have_text("± 5 m")
        await expect(part(page, "battery")).to_have_text("80 %")
        await expect(page).to_have_url(re.compile(r"date=2026-03-30&tz=UTC#06:01:00$"))
        # What is being typed stays, until it is complete.
        await expect(time).to_have_value("06:01")
        await page.keyboard.press("Enter")
        await expect(time).to_have_value("06:01:00")
        # Typed without the colon, over the selected text.
        await page.keyboard.type("0645")
        await expect_metres(page, 9000)
        await expect(part(page, "battery")).to_have_text("80 %, charging")
        await keep(page, "history-day")


async def test_shared_link_leads_to_the_moment(visit):
    async with visit(DISPATCHER, DAY) as page:
        await page.goto(f"{page.url}#06:01:02")
        await page.reload()
        await opened(page)
        await expect(part(page, "time")).to_have_value("06:01:02")
        await expect_metres(page, 600)
        await part(page, "next").click()
        await expect(part(page, "time")).to_have_value("06:01:05")
        await part(page, "previous").click()
        await part(page, "previous").click()
        await expect(part(page, "time")).to_have_value("06:00:55")


async def test_stops_and_gaps_lead_to_their_moments(visit):
    async with visit(DISPATCHER, DAY) as page:
        await opened(page)
        [stop] = await page.locator(".history-stops a[href^='#']").all()
        await stop.click()
        await expect(part(page, "time")).to_have_value("06:10:00")
        await expect(part(page, "state")).to_have_text(re.compile(r"^Stop 1, 06:(09|10)–06:19$"))
        [gap] = await page.locator(".history-list:not(.history-stops) a").all()
        await gap.click()
        await expect(part(page, "time")).to_have_value("06:19:50")
        await part(page, "time").fill("06:30")
        await expect(part(page, "state")).to_have_text("No fixes, 06:19–06:40")
        await expect(part(page, "detail")).to_have_text("Last fix at 06:19:50")
        await expect_metres(page, 6000)
        await expect(part(page, "speed")).to_be_hidden()
        await expect(page.locator(".tracking-car")).to_have_attribute("data-status", "offline")
        # The fix after the gap.
        await page.goto(f"{page.url.partition('#')[0]}#06:40:00")
        await expect(part(page, "detail")).not_to_have_text("Last fix at 06:19:50")
        await expect(page.locator(".tracking-car")).not_to_have_attribute("data-status", "offline")
        # The signs on the map, by keyboard.
        await page.get_by_label("End, 06:49").press("Enter")
        await expect(part(page, "time")).to_have_value("06:49:55")


async def test_before_and_after_the_fixes_is_said_so(visit):
    async with visit(DISPATCHER, DAY) as page:
        await opened(page)
        for typed, state, detail in (
            ("05:00", "Nothing yet", "First fix at 06:00:00"),
            ("23:59", "Nothing later", "Last fix at 06:49:55"),
        ):
            await part(page, "time").fill(typed)
            await expect(part(page, "state")).to_have_text(state)
            await expect(part(page, "detail")).to_have_text(detail)
        await expect(part(page, "next")).to_be_disabled()


async def test_track_ends_at_the_gap_and_implausible_fixes_are_shown_on_demand(visit):
    async with visit(DISPATCHER, DAY) as page:
        await opened(page)
        line = page.locator(".tracking-day-canvas")
        await expect(line).to_have_attribute("data-parts", "2")
        await expect(line).to_have_attribute("data-gaps", "1")
        flagged = page.locator(".tracking-day-flagged")
        await expect(flagged).to_have_count(0)
        await page.get_by_label("Show 1 implausible fix").check()
        await expect(flagged).to_have_count(1)
        await page.get_by_label("Show 1 implausible fix").uncheck()
        await expect(flagged).to_have_count(0)


async def test_slider_is_moved_by_keyboard_and_says_the_time(visit):
    async with visit(DISPATCHER, DAY) as page:
        await opened(page)
        slider = page.get_by_role("slider", name="Time of day")
        await slider.press("ArrowRight")
        await expect(part(page, "time")).to_have_value("06:01:00")
        spoken = "06:01:00: Moving. Measured at 06:01:00"
        await expect(slider).to_have_attribute("aria-valuetext", spoken)
        await slider.press("Home")
        await expect(part(page, "time")).to_have_value("00:00:00")
        await slider.press("End")
        await expect(part(page, "time")).to_have_value("23:59:59")


async def test_click_on_the_track_shows_when_the_car_was_there(visit):
    async with visit(DISPATCHER, DAY, reduced_motion="reduce") as page:
        await opened(page)
        await part(page, "time").fill("06:04")
        box = await page.locator(".tracking-car").bounding_box()
        await part(page, "time").fill("06:48")
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await page.mouse.click(*middle)
        await expect(part(page, "time")).to_have_value(re.compile("^06:0[345]:"))
        # And nothing where the car never was.
        shown = await part(page, "time").input_value()
        await page.mouse.click(middle[0] + 100, middle[1])
        await expect(part(page, "time")).to_have_value(shown)


async def test_link_to_the_moment_is_copied(visit):
    permissions = ["clipboard-read", "clipboard-write"]
    async with visit(DISPATCHER, DAY, permissions=permissions) as page:
        await opened(page)
        await part(page, "time").fill("06:01")
        await page.get_by_role("button", name="Copy link").click()
        await expect(page.get_by_role("button", name="Link copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied.endswith(f"{DAY}#06:01:00")


async def test_day_of_23_hours_has_no_skipped_hour(visit):
    async with visit(DISPATCHER, SPRING) as page:
        await opened(page)
        for typed, half in (("02:30", 5), ("03:15", 6), ("04:00", 6), ("23:30", 45)):
            await part(page, "time").fill(typed)
            await expect_metres(page, 100 * half)
        await expect(part(page, "hours")).not_to_contain_text("03:00")


async def test_day_of_25_hours_has_an_hour_twice(visit):
    async with visit(DISPATCHER, AUTUMN) as page:
        await opened(page)
        await part(page, "time").fill("03:30")
        await expect_metres(page, 700)
        await expect(part(page, "offset")).to_have_text("UTC+03:00")
        await part(page, "next").click()
        await part(page, "next").click()
        await expect_metres(page, 900)
        await expect(part(page, "offset")).to_have_text("UTC+02:00")
        await expect(page).to_have_url(re.compile(r"#03:30:00\+02:00$"))
        await page.reload()
        await opened(page)
        await expect_metres(page, 900)
        await part(page, "time").fill("20:30")
        await expect(part(page, "offset")).to_be_hidden()


# Where the canvas has a line, in pixels of the page.
LINE_BOX = """() => {
    const canvas = document.querySelector(".tracking-day-canvas");
    const { left, top, width } = canvas.getBoundingClientRect();
    const scale = width / canvas.width;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const drawn = [];
    for (let i = 3; i < data.length; i += 4) if (data[i]) drawn.push((i - 3) / 4);
    const xs = drawn.map((pixel) => pixel % canvas.width);
    const ys = drawn.map((pixel) => Math.floor(pixel / canvas.width));
    const least = (values) => values.reduce((a, b) => Math.min(a, b));
    const most = (values) => values.reduce((a, b) => Math.max(a, b));
    return {
        left: left + least(xs) * scale, right: left + most(xs) * scale,
        top: top + least(ys) * scale, bottom: top + most(ys) * scale,
    };
}"""

SIZES = {"phone": PHONE, "small": {"viewport": {"width": 320, "height": 568}}, "desktop": {}}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_page_fits_the_screen(visit, size, scheme):
    async with visit(DISPATCHER, DAY, color_scheme=scheme, **SIZES[size]) as page:
        await opened(page)
        assert await page.evaluate(
            "document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"
        )
        panel = await part(page, "panel").bounding_box()
        surface = await part(page, "map").bounding_box()
        if size == "desktop":
            assert panel["y"] + panel["height"] <= surface["y"] + surface["height"]
        else:
            assert panel["y"] >= surface["y"] + surface["height"]
        # The whole track is in view, beside the panel.
        box = await page.evaluate(LINE_BOX)
        assert box["right"] > box["left"]
        assert box["left"] >= (panel["x"] + panel["width"] if size == "desktop" else surface["x"])
        assert box["top"] >= surface["y"]
        assert box["bottom"] <= surface["y"] + surface["height"]
        await keep(page, f"history-{size}-{scheme}")


async def brightness(page):
    """Return the mean of the red of the map's tiles, from 0 to 255."""
    return await page.evaluate(
        """() => {
            const tiles = [...document.querySelectorAll("canvas.leaflet-tile")];
            const reds = tiles.flatMap((tile) => {
                const { data } = tile.getContext("2d").getImageData(0, 0, tile.width, tile.height);
                return data.filter((_, i) => i % 4 === 0).reduce((sum, red) => sum + red, 0)
                    / (data.length / 4);
            });
            return reds.reduce((sum, red) => sum + red, 0) / reds.length;
        }"""
    )


async def test_theme_of_the_admin_decides_over_that_of_the_system(visit):
    async with visit(DISPATCHER, DAY, color_scheme="light") as page:
        await opened(page)
        panel = part(page, "panel")
        for scheme, theme, colour in (
            ("light", "auto", "rgb(255, 255, 255)"),
            ("light", "dark", "rgb(24, 29, 39)"),
            ("dark", "light", "rgb(255, 255, 255)"),
            ("dark", "auto", "rgb(24, 29, 39)"),
        ):
            await page.emulate_media(color_scheme=scheme)
            await page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            await expect(panel).to_have_css("background-color", colour)
            async with asyncio.timeout(DEADLINE / 1000):
                while (await brightness(page) > 128) != (colour == "rgb(255, 255, 255)"):
                    await page.wait_for_timeout(50)


async def test_day_is_played_over_its_gap_and_drawn_once(visit):
    async with visit(DISPATCHER, f"{DAY}#06:19:00") as page:
        await opened(page)
        line = page.locator(".tracking-day-canvas")
        await part(page, "follow").click()
        draws = await line.get_attribute("data-draws")
        await part(page, "speed-choice").select_option("60")
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press(" ")
        await expect(part(page, "note")).to_have_text("Skipped a gap: no fixes, 06:19–06:40")
        await expect(part(page, "time")).to_have_value(re.compile("^06:4"))
        await expect(part(page, "play")).to_have_accessible_name("Pause")
        await page.keyboard.press(" ")
        await expect(part(page, "play")).to_have_accessible_name("Play")
        # While the car moves, the line is not drawn again.
        assert await line.get_attribute("data-draws") == draws
        assert int(await line.get_attribute("data-strokes")) <= 7
        await page.keyboard.press("-")
        await expect(part(page, "speed-choice")).to_have_value("30")
        shown = await part(page, "time").input_value()
        await page.keyboard.press("ArrowRight")
        await expect(part(page, "time")).not_to_have_value(shown)


async def test_map_follows_the_car_until_it_is_dragged(visit):
    async with visit(DISPATCHER, DAY, reduced_motion="reduce") as page:
        await opened(page)
        for _ in range(4):
            await part(page, "map").press("+")
        await part(page, "speed-choice").select_option("60")
        await part(page, "play").click()
        await expect(part(page, "time")).to_have_value(re.compile("^06:0[5-9]"), timeout=DEADLINE)
        surface = await part(page, "map").bounding_box()
        car = await page.locator(".tracking-car").bounding_box()
        assert surface["y"] < car["y"] < surface["y"] + surface["height"]
        await page.mouse.move(surface["x"] + 600, surface["y"] + 300)
        await page.mouse.down()
        await page.mouse.move(surface["x"] + 500, surface["y"] + 200, steps=5)
        await page.mouse.up()
        await expect(part(page, "follow")).to_have_attribute("aria-pressed", "false")
        await part(page, "play").click()


REPLAY = f"/driver/{DRIVER}/replay/"


async def test_replay_of_a_day_is_in_the_time_zone_of_the_viewer(visit):
    with_zone = f"{REPLAY}?date=2026-03-29&tz=Europe%2FHelsinki"
    async with visit(DRIVER, f"{REPLAY}?date=2026-03-29&tz=Europe%2FHelsinki") as page:
        await opened(page)
        await part(page, "time").fill("04:00")
        await expect_metres(page, 600)
        await expect(part(page, "hours")).not_to_contain_text("03:00")
        assert page.url.partition("#")[0].endswith(with_zone)
    async with visit(DISPATCHER, DAY, timezone_id="America/Bogota") as page:
        await page.goto(page.url.partition("/admin/")[0] + f"{REPLAY}?date=2026-03-30")
        await opened(page)
        await part(page, "time").fill("01:01")
        await expect_metres(page, 600)
        await expect(part(page, "battery")).to_have_text("80 %")
        await expect(part(page, "summary")).to_have_text("18.0 km · Stops: 1 · Gaps: 1")
        await expect(page).to_have_url(re.compile(r"date=2026-03-30&tz=America%2FBogota#01:01:00$"))
        await part(page, "day-after").click()
        await expect(part(page, "notice-text")).to_have_text("No fixes on this day")


async def test_rider_replays_no_more_of_a_trip_than_was_permitted(visit):
    async with visit(RIDER, "/trips/1/replay/", timezone_id="UTC", **PHONE) as page:
        await opened(page)
        await expect(page.get_by_label("Start, 06:02")).to_be_attached()
        await expect(page.get_by_label("End, 06:03")).to_be_attached()
        controls = await part(page, "play").bounding_box()
        assert controls["y"] + controls["height"] <= PHONE["viewport"]["height"]
        assert await page.evaluate(
            "document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"
        )
        await keep(page, "replay-trip-phone")


async def test_fleet_is_shown_as_it_was_known_at_a_moment(visit):
    path = "/fleet/replay/?time=2026-03-30T06:01:00Z&tz=UTC"
    async with visit(DISPATCHER, path) as page:
        await expect(part(page, "clock")).to_have_text("06:01:00")
        await expect(part(page, "detail")).to_have_text("All recent")
        await expect(page.locator(".tracking-past")).to_have_attribute("data-cars", "1")
        await part(page, "slider").press("PageUp")
        await part(page, "slider").press("PageUp")
        await expect(part(page, "clock")).to_have_text("06:21:00")
        await part(page, "play").click()
        await expect(part(page, "detail")).to_have_text("0 recent, 1 older")
        await expect(part(page, "clock")).to_have_text("06:24:00")
        await part(page, "play").click()
        # The link leads there, with the car in the middle of what is beside the panel.
        await expect(page).to_have_url(re.compile(r"\?time=2026-03-30T06%3A24%3A00\.000Z&tz=UTC$"))
        await page.reload()
        await expect(page.locator(".tracking-past")).to_have_attribute("data-cars", "1")
        surface = await part(page, "map").bounding_box()
        panel = await part(page, "panel").bounding_box()
        left = panel["x"] + panel["width"]
        await page.mouse.click(
            (left + surface["x"] + surface["width"]) / 2, surface["y"] + surface["height"] / 2
        )
        await expect(part(page, "picked-name")).to_have_text(f"Driver {DRIVER}")
        await part(page, "open").click()
        await opened(page)
        await expect(part(page, "time")).to_have_value("06:19:50")


async def test_lists_are_there_without_javascript(visit, browser, host):
    async with visit(DISPATCHER, DAY) as page:
        state = await page.context.storage_state()
    context = await browser.browser.new_context(java_script_enabled=False, storage_state=state)
    page = await context.new_page()
    await page.goto(f"{host.http_url}{DAY}")
    await expect(page.locator(".history-stops li")).to_have_count(1)
    await context.close()
