"""Trips in the admin and on the fleet map, in a real browser."""

import pytest
from playwright.async_api import expect

from tests import services

from .visits import PHONE, keep, person

DISPATCHER, DRIVER, RIDER = 971, 972, 973
DEADLINE = 15_000  # ms
TRIPS = "/admin/tracking/trip/"
STATES = "/admin/tracking/driverstate/"
MAP = "/wall/"

LOCATE = f"""
from django.utils import timezone
from tracking.models import DriverLocation
now = timezone.now()
DriverLocation.objects.create(
    driver_id={DRIVER}, latitude=-1.4354, longitude=0.9871, recorded_at=now, received_at=now
)
"""


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            TRACKING_OFFLINE_AFTER="3600",
        )
        services.migrate(environment)
        people = [
            person(DISPATCHER, "dispatcher"),
            person(DRIVER, "driver", name="Jonh"),
            person(RIDER, "rider", name="Ada"),
        ]
        services.create_users(environment, people)
        services.manage(environment, "shell", "--verbosity", "0", "--command", LOCATE)
        with services.Runserver(environment, "host project") as server:
            yield server


async def choose(page, field, name):
    """Choose a user in a field with autocompletion."""
    await page.locator(f".field-{field} .select2-selection").click()
    await page.locator(".select2-search__field").last.fill(name)
    await page.get_by_role("option", name=name).click()


async def run(page, action, *, confirm=None):
    """Run an action for the first row of a list."""
    await page.locator("input.action-select").first.check()
    await page.locator("select[name=action]").select_option(action)
    await page.locator("button[name=index]").first.click()
    if confirm:
        await page.get_by_role("button", name=confirm).click()


async def test_trip_is_created_assigned_seen_on_the_map_and_completed(visit):
    async with visit(DISPATCHER, f"{TRIPS}add/") as page:
        page.set_default_timeout(DEADLINE)
        await page.get_by_label("Reference").fill("T-7")
        await choose(page, "riders", "Ada")
        await page.get_by_role("button", name="Save", exact=True).click()
        await page.locator("#result_list").get_by_role("link", name="T-7").click()
        await expect(page.get_by_text("No driver yet.")).to_be_visible()
        await choose(page, "driver", "Jonh")
        await page.get_by_label("Vehicle").fill("white Prius")
        await page.get_by_role("button", name="Assign driver").click()
        await expect(page.locator(".messagelist")).to_have_text("Jonh has this trip now.")
        await keep(page, "admin-trip")
        # Jonh can't go off duty now.
        await page.get_by_role("link", name="reserved").click()
        await page.goto(page.url.split(STATES)[0] + STATES)
        await run(page, "set_off_duty")
        await expect(page.locator(".messagelist")).to_contain_text("Jonh has trip T-7")

        site = page.url.split(STATES)[0]
        await page.goto(site + MAP)
        await expect(page.locator("[data-located]")).to_be_visible(timeout=DEADLINE)
        await expect(page.get_by_text("Reserved or on a trip")).to_be_visible()
        await page.get_by_role("button", name="Next driver").click()
        popup = page.locator(".tracking-popup")
        await expect(popup.get_by_text("Reserved for trip")).to_be_visible()
        await keep(page, "fleet-trip")
        await popup.get_by_role("link", name="Open trip").click()
        await expect(page.get_by_role("heading", name="Trip T-7")).to_be_visible()

        await page.goto(site + TRIPS)
        await run(page, "complete_selected", confirm="Complete trips")
        await expect(page.locator(".messagelist")).to_have_text("1 trip completed.")


async def test_pages_fit_a_phone(visit):
    for path in (STATES, f"{STATES}{DRIVER}/change/", TRIPS, f"{TRIPS}add/"):
        async with visit(DISPATCHER, path, **PHONE) as page:
            width = await page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["viewport"]["width"], path
