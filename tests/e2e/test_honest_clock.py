"""Pages whose server has stopped, or whose driver's place is old, in a real browser."""

import re
import time

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services

from .visits import Visits, person

DRIVER, RIDER, DISPATCHER = 951, 952, 953
DEADLINE = 15_000  # ms
# The phone measured four hours ago, and was heard from just now.
PLACE = f"""
from datetime import timedelta
from django.utils import timezone
from tracking.models import DriverLocation

now = timezone.now()
DriverLocation.objects.create(
    driver_id={DRIVER}, latitude=51.5, longitude=0.1, heard_at=now,
    recorded_at=now - timedelta(hours=4, minutes=1), received_at=now - timedelta(hours=4),
)
"""
# The first attempt after a lost connection is then made after 15.5 s.
SLOW_RETRY = "Math.random = () => 10"


@pytest.fixture(scope="module")
def server():
    with services.sqlite() as database_url:
        environment = services.environment(database_url, TRACKING_OFFLINE_AFTER="3600")
        services.migrate(environment)
        roles = {DRIVER: "driver", RIDER: "rider", DISPATCHER: "dispatcher"}
        services.create_users(environment, [person(pk, role) for pk, role in roles.items()])
        services.manage(environment, "shell", "--verbosity", "0", "--command", PLACE)
        with services.Runserver(environment) as server:
            yield server


@pytest_asyncio.fixture(loop_scope="session")
async def visit(server, browser):
    visits = Visits(browser.browser, server.http_url)
    yield visits
    visits.check()


async def test_rider_reads_how_old_a_place_is_and_that_the_phone_is_online(visit):
    async with visit(RIDER, f"/driver/{DRIVER}/map/") as page:
        await expect(page.locator("[data-part=status]")).to_have_text(
            "Here 4 hr ago, phone online", timeout=DEADLINE
        )
        await expect(page.locator(".tracking-car")).to_have_attribute("data-status", "stale")


async def test_dispatcher_reads_it_in_the_drivers_panel(visit):
    async with visit(DISPATCHER, "/driver/fleet/") as page:
        await expect(page.locator("[data-part=count-stale]")).to_have_text("1", timeout=DEADLINE)
        await page.locator(".console-list [role=option]").first.click()
        panel = page.locator("[data-part=panel]")
        await expect(panel).to_contain_text("Here 4 hr ago, phone online", timeout=DEADLINE)


@pytest.mark.parametrize(
    ("user_id", "path"), [(RIDER, f"/driver/{DRIVER}/map/"), (DISPATCHER, "/driver/fleet/")]
)
async def test_server_that_stops_is_seen_at_once_and_try_now_does_not_wait(
    server, visit, user_id, path
):
    async with visit(user_id, "/") as page:
        await page.add_init_script(SLOW_RETRY)
        await page.goto(f"{server.http_url}{path}")
        await expect(page.locator("[data-located]")).to_be_attached(timeout=DEADLINE)
        widget = page.locator("[data-tracking]")
        server.kill()
        await expect(widget).to_have_attribute("data-connection", "reconnecting", timeout=2_000)
        await expect(page.locator("[data-part=connection]")).to_have_text(
            "Connection lost. Reconnecting…"
        )
        if user_id == RIDER:
            # The page does not call the driver offline.
            await expect(page.locator("[data-part=status]")).to_have_text(
                re.compile("Last seen 4 hr ago")
            )
            car = page.locator(".tracking-car")
            await expect(car).to_have_attribute("data-status", "unconnected")
        else:
            await expect(widget).to_have_attribute("data-frozen", "")
        server.start()
        clicked = time.monotonic()
        await page.get_by_role("button", name="Try now").click()
        await expect(widget).to_have_attribute("data-connection", "open", timeout=DEADLINE)
        assert time.monotonic() - clicked < 10
        await expect(page.locator("[data-part=banner]")).to_be_hidden()
        await expect(widget).not_to_have_attribute("data-frozen", "")
