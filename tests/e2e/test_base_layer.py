"""The map of a project without tiles, in a real browser: its drawing and its requests."""

import math
import re
from contextlib import contextmanager

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services

from .visits import PHONE, Visits, keep, person

RIDER, DISPATCHER = 981, 982
# Drivers by latitude: each page begins at zoom 16, where the driver is.
EQUATOR, LAGOS, TROMSO = 991, 992, 993
LATITUDES = {EQUATOR: 0.001, LAGOS: 6.4541, TROMSO: 69.6492}
LONGITUDE = 3.3947
DEADLINE = 15_000  # ms
# More than the pause before the coastlines are fetched (coastlines.js).
LOOK = 2_000  # ms
EARTH = 2 * math.pi * 6_378_137  # m around the equator, as Web Mercator has it
PLACE = f"""
from django.utils import timezone
from tracking.models import DriverLocation

for driver_id, latitude in {LATITUDES}.items():
    now = timezone.now()
    DriverLocation.objects.create(
        driver_id=driver_id, latitude=latitude, longitude={LONGITUDE},
        recorded_at=now, received_at=now,
    )
"""


@contextmanager
def running(server_kind, tmp_path, **variables):
    """Start a server of this kind with users and locations."""
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.production",
            STATIC_ROOT=str(tmp_path / "static"),
            TRACKING_STALE_AFTER="3600",
            TRACKING_OFFLINE_AFTER="7200",
            **variables,
        )
        services.migrate(environment)
        people = [person(RIDER, "rider"), person(DISPATCHER, "dispatcher")]
        people += [person(pk, "driver") for pk in LATITUDES]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", PLACE)
        if server_kind is services.Uvicorn:
            in_production = environment | {"DEBUG": "false"}
            services.manage(in_production, "collectstatic", "--no-input", "--verbosity", "0")
        with server_kind(environment, "base layer") as server:
            yield server


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    """Start a server with hashed static files, a content security policy, and DEBUG off."""
    with running(services.Uvicorn, tmp_path_factory.mktemp("production")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def visit(production, browser):
    visits = Visits(browser.browser, production.http_url)
    yield visits
    visits.check()


async def located(page):
    await expect(page.locator("[data-located]")).to_be_attached(timeout=DEADLINE)


async def fetched(page):
    """Return the names of the static files that the page has requested, without their hashes."""
    urls = await page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    names = [url.rpartition("/")[2] for url in urls if "/static/" in url]
    return {re.sub(r"\.[0-9a-f]{12}(?=\.)", "", name) for name in names}


async def labels(page, kind):
    """Return the degrees shown at the lines of this kind."""
    return [
        text
        for text in await page.locator(f".tracking-{kind} > span").all_inner_texts()
        if text.strip()
    ]


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desktop", "phone"])
async def test_production_page_shows_degrees_and_a_scale_and_fetches_nothing_for_them(
    visit, options
):
    async with visit(RIDER, f"/driver/{LAGOS}/map/", **options) as page:
        await located(page)
        await expect(page.locator(".leaflet-control-scale-line")).to_have_text("200 m")
        assert "6.455° N" in await labels(page, "parallel")
        assert "3.395° E" in await labels(page, "meridian")
        await page.wait_for_timeout(LOOK)
        assert {"coastlines.json", "city.json", "town.js", "labels.js"}.isdisjoint(
            await fetched(page)
        )
        assert await page.locator("[data-part=map] .leaflet-tile").count() == 0
        await keep(page, f"rider-base-layer-{'phone' if options else 'desktop'}")


async def test_coastlines_come_once_when_the_view_is_wide_enough_for_them(visit):
    async with visit(DISPATCHER, "/driver/fleet/", reduced_motion="reduce") as page:
        await located(page)
        await expect(page.get_by_text("Coastlines: Natural Earth")).to_be_visible(timeout=DEADLINE)
        await expect(page.locator("[data-part=map] .leaflet-tile").first).to_be_visible()
        assert "40° N" in await labels(page, "parallel")
        await keep(page, "fleet-base-layer")
        await page.get_by_role("button", name="Zoom in").click()
        await page.wait_for_timeout(LOOK)
        urls = await page.evaluate(
            "performance.getEntriesByType('resource').map(({ name }) => name)"
        )
        assert sum("coastlines." in url and url.endswith(".json") for url in urls) == 1
        assert {"city.json", "town.js", "labels.js"}.isdisjoint(await fetched(page))


async def test_coastlines_that_failed_to_load_come_after_a_zoom_and_end_the_error(
    production, browser
):
    # The browser logs an error for each aborted request.
    visits = Visits(browser.browser, production.http_url)
    async with visits(DISPATCHER, "/", reduced_motion="reduce") as page:
        coastlines = re.compile(r"coastlines\.[^/]*json$")
        failures = []

        async def fail_twice(route):
            if len(failures) < 2:
                failures.append(route)
                await route.abort()
            else:
                await route.continue_()

        await page.route(coastlines, fail_twice)
        await page.goto(f"{production.http_url}/driver/fleet/")
        await located(page)
        error = page.get_by_text("Couldn't load the map")
        zoom_in = page.get_by_role("button", name="Zoom in")
        await expect(error).to_be_visible(timeout=DEADLINE)
        async with page.expect_event("requestfailed"):
            await zoom_in.click()
        await expect(error).to_be_visible()
        async with page.expect_response(coastlines):
            await zoom_in.click()
        await expect(page.get_by_text("Coastlines: Natural Earth")).to_be_visible(timeout=DEADLINE)
        await expect(error).to_be_hidden()


@pytest.mark.parametrize("driver_id", LATITUDES)
async def test_scale_is_right_at_the_latitude_of_the_map(visit, driver_id):
    async with visit(RIDER, f"/driver/{driver_id}/map/", reduced_motion="reduce") as page:
        await located(page)
        bar = page.locator(".leaflet-control-scale-line")
        metres = int((await bar.inner_text()).removesuffix(" m"))
        width = (await bar.bounding_box())["width"]
        metres_per_pixel = EARTH * math.cos(math.radians(LATITUDES[driver_id])) / (256 * 2**16)
        assert width * metres_per_pixel == pytest.approx(metres, rel=0.02)


async def test_degrees_move_with_the_map_and_are_those_of_the_place(visit):
    async with visit(RIDER, f"/driver/{EQUATOR}/map/", reduced_motion="reduce") as page:
        await located(page)
        car = await page.locator(".tracking-car").bounding_box()
        equator = page.locator(".tracking-parallel", has_text=re.compile(r"^0\.000°$"))
        below = (await equator.bounding_box())["y"] - (car["y"] + car["height"] / 2)
        assert below == pytest.approx(0.001 / 360 * 256 * 2**16, abs=2)
        await page.locator("[data-part=map]").focus()
        await page.keyboard.press("ArrowDown")
        await page.wait_for_function(
            "top => document.querySelector('.tracking-car').getBoundingClientRect().top < top - 20",
            arg=car["y"],
        )
        moved = await page.locator(".tracking-car").bounding_box()
        still = (await equator.bounding_box())["y"] - (moved["y"] + moved["height"] / 2)
        assert still == pytest.approx(below, abs=1.5)


async def test_development_draws_the_demos_town_on_the_base_layer(tmp_path, browser):
    with running(services.Runserver, tmp_path) as server:
        visits = Visits(browser.browser, server.http_url)
        async with visits(RIDER, f"/driver/{EQUATOR}/map/", reduced_motion="reduce") as page:
            await located(page)
            await page.wait_for_function(
                "() => performance.getEntriesByType('resource')"
                ".some(({ name }) => name.endsWith('/city.json'))"
            )
            await expect(page.locator(".leaflet-control-scale-line")).to_have_text("200 m")
        visits.check()


@pytest.mark.long
async def test_base_layer_that_fails_leaves_the_map_as_it_is_without(tmp_path, browser):
    variables = {"TRACKING_BASE_LAYER": "tracking/mark.svg"}
    with running(services.Runserver, tmp_path, **variables) as server:
        visits = Visits(browser.browser, server.http_url)
        async with visits(RIDER, f"/driver/{LAGOS}/map/", reduced_motion="reduce") as page:
            await located(page)
            await expect(page.get_by_text("Couldn't load the map")).to_be_visible()
            await expect(page.locator(".tracking-car")).to_be_visible()
            assert "6.455° N" in await labels(page, "parallel")
        # The console says why.
        with pytest.raises(AssertionError, match=r"mark\.svg"):
            visits.check()
