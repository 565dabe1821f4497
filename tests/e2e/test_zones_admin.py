"""Zones drawn on the map of the admin, in a real browser."""

import re

import pytest
from playwright.async_api import expect

from tests import services

from .visits import PHONE, keep, person

DISPATCHER, DRIVER = 951, 952
DEADLINE = 15_000  # ms
ZONES = "/admin/tracking/zone/"

SET_UP = f"""
from django.utils import timezone
from tracking.models import DriverLocation, Zone, ZoneVisit
now = timezone.now()
DriverLocation.objects.create(
    driver_id={DRIVER}, latitude=60.17, longitude=24.94, recorded_at=now, received_at=now
)
zone = Zone.objects.create(name="Harbour", latitude=60.155, longitude=24.955, radius=600)
ZoneVisit.objects.create(zone=zone, driver_id={DRIVER}, entered_at=now)
"""


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url, DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings"
        )
        services.migrate(environment)
        people = [person(DISPATCHER, "dispatcher"), person(DRIVER, "driver", name="Jonh")]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", SET_UP)
        with services.Runserver(environment, "host project") as server:
            yield server


def corners(page):
    return page.locator(".tracking-handle-corner")


async def opened(page):
    page.set_default_timeout(DEADLINE)
    await expect(page.locator(".tracking-zone-map[data-located]")).to_be_attached(timeout=DEADLINE)


async def surface(page):
    """Return the map, scrolled into view, and its box."""
    stage = page.locator(".tracking-stage")
    await stage.scroll_into_view_if_needed()
    return stage, await stage.bounding_box()


async def text_of_corners(page):
    return (await page.locator("#id_polygon").input_value()).splitlines()


async def drag(page, handle, east, south):
    await handle.scroll_into_view_if_needed()
    box = await handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await page.mouse.move(x, y)
    await page.mouse.down()
    await page.mouse.move(x + east / 2, y + south / 2)
    await page.mouse.move(x + east, y + south)
    await page.mouse.up()


async def click_map(page, *points):
    """Click at parts of the map's width and height. No two clicks are a double one."""
    stage, box = await surface(page)
    for x, y in points:
        await stage.click(position={"x": box["width"] * x, "y": box["height"] * y})
        await page.wait_for_timeout(450)


async def test_polygon_is_drawn_saved_seen_again_and_edited(visit):
    async with visit(DISPATCHER, f"{ZONES}add/") as page:
        await opened(page)
        await page.get_by_label("Name").fill("Airport")
        await page.get_by_role("radio", name="Polygon").check()
        hint = page.locator("[data-part=hint]")
        await expect(hint).to_have_text("Tap the map where the first corner is.")
        await expect(page.locator("#id_radius")).to_be_hidden()
        await click_map(page, (0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7))
        await expect(corners(page)).to_have_count(4)
        await expect(hint).to_contain_text("4 corners")
        drawn = await text_of_corners(page)
        assert len(drawn) == 4
        # Corners 1 and 2 are as high.
        assert drawn[0].split(",")[0] == drawn[1].split(",")[0]
        await keep(page, "zone-polygon")

        await drag(page, corners(page).nth(0), -30, -20)
        moved = await text_of_corners(page)
        assert moved[1:] == drawn[1:]
        assert moved[0] != drawn[0]
        await page.get_by_role("button", name="Undo").click()
        assert await text_of_corners(page) == drawn

        # By keys alone: a corner between two others, moved, and another one removed.
        await page.get_by_role("button", name="Add a corner after corner 2").press("Enter")
        await expect(corners(page)).to_have_count(5)
        await expect(corners(page).nth(2)).to_be_focused()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowRight")
        await expect(corners(page).nth(2)).to_be_focused()
        await corners(page).nth(0).focus()
        await page.keyboard.press("Delete")
        await expect(corners(page)).to_have_count(4)
        edited = await text_of_corners(page)
        assert [edited[0], *edited[2:]] == drawn[1:]

        await page.get_by_role("button", name="Save", exact=True).click()
        row = page.get_by_role("row").filter(has_text="Airport")
        await expect(row).to_contain_text("polygon, 4 corners")
        await row.get_by_role("link", name="Airport").click()
        await opened(page)
        await expect(corners(page)).to_have_count(4)
        assert await text_of_corners(page) == edited
        await expect(page.get_by_text("Nobody is inside.")).to_be_visible()

        # As text: a border that crosses itself is refused, and stays as it was typed.
        crossed = "\n".join([edited[1], edited[0], *edited[2:]])
        await page.locator("#id_polygon").fill(crossed)
        await expect(hint).to_have_text("The border crosses itself. Move a corner.")
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator(".errorlist")).to_contain_text("The border crosses itself")
        await opened(page)
        assert await text_of_corners(page) == crossed.splitlines()
        await expect(corners(page)).to_have_count(4)


async def test_circle_is_drawn_with_a_finger_on_a_phone(visit):
    async with visit(DISPATCHER, f"{ZONES}add/", **PHONE) as page:
        await opened(page)
        await page.get_by_label("Name").fill("Depot")
        stage, box = await surface(page)
        await stage.tap(position={"x": box["width"] / 2, "y": box["height"] / 2})
        radius = page.locator("#id_radius")
        await expect(radius).not_to_have_value("")
        latitude = await page.locator("#id_latitude").input_value()
        assert re.fullmatch(r"60\.\d+", latitude)
        before = float(await radius.input_value())
        await page.locator(".tracking-handle-edge").focus()
        await page.keyboard.press("ArrowRight")
        assert float(await radius.input_value()) > before
        await radius.fill("350")
        await expect(page.locator("[data-part=hint]")).to_contain_text("Radius 350 m")
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["viewport"]["width"]
        await page.locator(".tracking-stage").scroll_into_view_if_needed()
        await keep(page, "zone-circle-phone")
        await page.get_by_role("button", name="Save", exact=True).click()
        row = page.get_by_role("row").filter(has_text="Depot")
        await expect(row).to_contain_text("circle, 350 m")
        await row.get_by_role("link", name="Depot").click()
        await opened(page)
        await drag(page, page.locator(".tracking-handle-centre"), 0, 40)
        assert await page.locator("#id_latitude").input_value() < latitude
        await expect(page.locator("#id_radius")).to_have_value(re.compile(r"350(\.0)?"))


async def test_page_shows_who_is_inside_and_fits_a_phone(visit):
    async with visit(DISPATCHER, ZONES, **PHONE) as page:
        page.set_default_timeout(DEADLINE)
        await page.get_by_role("link", name="Harbour").click()
        await opened(page)
        await expect(page.locator("#inside")).to_contain_text("Jonh")
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["viewport"]["width"]
    async with visit(DISPATCHER, f"{ZONES}add/", color_scheme="dark") as page:
        await opened(page)
        await page.get_by_role("radio", name="Polygon").check()
        await click_map(page, (0.2, 0.2), (0.5, 0.2), (0.5, 0.6))
        # At the middle of the map, without a pointer.
        await page.get_by_role("button", name="Add corner here").click()
        await expect(corners(page)).to_have_count(4)
        await page.get_by_role("button", name="Delete corner").click()
        await expect(corners(page)).to_have_count(3)
        await keep(page, "zone-dark")
