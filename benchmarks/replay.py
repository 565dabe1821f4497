"""`python -m benchmarks.replay`: frames per second while a day of 36,000 fixes is replayed.

It plays a day of 10 hours at one fix a second, 60 times as fast and followed by the map, and drags
and zooms the map, in headless Chromium with software rendering. Each frame's length is the time
between two calls of `requestAnimationFrame`. Run it alone: other work on the machine counts.
"""

import asyncio
import sys
from statistics import median
from typing import Any, Final

from playwright.async_api import Page, async_playwright

from tests import services
from tests.e2e.visits import Visits, person

DISPATCHER: Final = 961
DRIVER: Final = 962
FIXES: Final = 36_000
PAGE: Final = f"/driver/{DRIVER}/replay/?date=2026-03-30&tz=UTC"
REPETITIONS: Final = 3

# A drive through a grid of streets, with turns, lights and changing speeds, from 05:00 to 15:00.
STORE: Final = f"""
import math, random
from datetime import UTC, datetime, timedelta
from tracking.models import HistoryFix

chance = random.Random(1)
latitude, longitude, heading, speed = 60.17, 24.94, 0, 10.0
fixes = []
for second in range({FIXES}):
    if chance.random() < 0.02:
        heading = (heading + chance.choice((-90, 90))) % 360
    if math.hypot(latitude - 60.17, (longitude - 24.94) / 2) > 0.08:
        heading = math.degrees(math.atan2((24.94 - longitude) / 2, 60.17 - latitude)) % 360
    speed = max(2.0, min(22.0, speed + chance.gauss(0, 0.5)))
    latitude += (math.cos(math.radians(heading)) * speed + chance.gauss(0, 1)) / 111_195
    longitude += (math.sin(math.radians(heading)) * speed + chance.gauss(0, 1)) / 55_300
    at = datetime(2026, 3, 30, 5, tzinfo=UTC) + timedelta(seconds=second)
    fixes.append(HistoryFix(
        driver_id={DRIVER}, recorded_at=at, received_at=at, speed=round(speed, 1),
        heading=heading, accuracy=5.0, battery=80, charging=False, mock=False,
        latitude_e7=round(latitude * 1e7), longitude_e7=round(longitude * 1e7),
    ))
HistoryFix.objects.bulk_create(fixes, batch_size=2000)
"""

# Collects the lengths of frames in ms until `window.stopFrames()` returns them.
COUNT: Final = """() => {
    const lengths = [];
    let last = performance.now();
    let frame = requestAnimationFrame(function next(now) {
        lengths.push(now - last);
        last = now;
        frame = requestAnimationFrame(next);
    });
    window.stopFrames = () => (cancelAnimationFrame(frame), lengths.slice(1));
}"""


def main() -> int:
    """Measure and print; return 0 if every median is 30 frames/s or more."""
    return asyncio.run(_measure())


async def _measure() -> int:
    with services.sqlite() as url:
        environment = services.environment(
            url, DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings"
        )
        services.migrate(environment)
        people = [person(DISPATCHER, "dispatcher"), person(DRIVER, "driver")]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", STORE)
        with services.Runserver(environment, "host project") as server:
            async with async_playwright() as playwright:
                options = services.launch_options(services.find_browser())
                browser = await playwright.chromium.launch(**options)
                is_fluid = True
                async with Visits(browser, server.http_url)(DISPATCHER, PAGE) as page:
                    await page.locator("[data-located]").wait_for(timeout=60_000)
                    for _ in range(REPETITIONS):
                        is_fluid &= await _repeat(page)
                await browser.close()
                return 0 if is_fluid else 1


async def _repeat(page: Page) -> bool:
    """Measure each action once, and return True if all medians are fluid."""
    fluid = True
    await page.locator("[data-part=speed-choice]").select_option("60")
    box = await page.locator("[data-part=map]").bounding_box()
    if box is None:
        raise RuntimeError("the map has no size")
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    async def play(_: Any = None) -> None:
        await page.locator("[data-part=play]").click()
        await page.wait_for_timeout(5000)
        await page.locator("[data-part=play]").click()

    async def drag() -> None:
        for turn in range(4):
            await page.mouse.move(*middle)
            await page.mouse.down()
            for step in range(60):
                shift = step * 5 * (1 if turn % 2 else -1)
                await page.mouse.move(middle[0] + shift, middle[1] + shift / 2)
                await page.wait_for_timeout(12)
            await page.mouse.up()

    async def zoom() -> None:
        for key in "++--":
            await page.locator("[data-part=map]").press(key)
            await page.wait_for_timeout(600)

    for name, action in (("play at 60x, whole day in view", play), ("pan", drag), ("zoom", zoom)):
        fluid &= await _frames(page, name, action)
    for _ in range(3):
        await page.locator("[data-part=map]").press("+")
        await page.wait_for_timeout(600)
    await page.locator("[data-part=follow][aria-pressed=false]").click()
    for name, action in (("play at 60x, close and followed", play), ("pan, close", drag)):
        fluid &= await _frames(page, name, action)
    for _ in range(3):
        await page.locator("[data-part=map]").press("-")
        await page.wait_for_timeout(600)
    return fluid


async def _frames(page: Page, name: str, action: Any) -> bool:
    await page.evaluate(COUNT)
    await action()
    lengths = sorted(await page.evaluate("window.stopFrames()"))
    late = lengths[int(len(lengths) * 0.95)]
    points = await page.locator(".tracking-day-canvas").get_attribute("data-points")
    print(
        f"{name:34} {1000 / median(lengths):5.1f} frames/s (median), 95 % of frames within"
        f" {late:.0f} ms, longest {lengths[-1]:.0f} ms, {len(lengths)} frames, {points} points"
    )
    return bool(median(lengths) <= 1000 / 30)


if __name__ == "__main__":
    sys.exit(main())
