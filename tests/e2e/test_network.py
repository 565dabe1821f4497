"""A page whose network is cut and comes back, as in a tunnel."""

import re

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services
from tests.faults.proxy import Proxy

from .client import Driver
from .tokens import login_token
from .visits import Visits, keep, person

RIDER, DRIVER = 911, 901
DEADLINE = 15_000  # ms
RECOVERY = 30_000  # ms


@pytest.fixture(scope="module")
def server():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url, TRACKING_STALE_AFTER="2", TRACKING_OFFLINE_AFTER="4"
        )
        services.migrate(environment)
        services.create_users(environment, [person(RIDER, "rider"), person(DRIVER, "driver")])
        with services.Runserver(environment) as server:
            yield server


@pytest_asyncio.fixture(loop_scope="session")
async def network(server):
    async with Proxy(server.port) as network:
        yield network


@pytest_asyncio.fixture(loop_scope="session")
async def visit(network, browser):
    visits = Visits(browser.browser, f"http://127.0.0.1:{network.port}")
    yield visits
    visits.check()


async def lose_silently(network, page):
    """Leave the connection open, and drop everything that is sent over it."""
    network.swallow()


async def lose_noticed(network, page):
    """Set the browser offline, and reset every connection."""
    await page.context.set_offline(True)
    await network.refuse()


@pytest.mark.parametrize("lose", [lose_silently, lose_noticed])
async def test_rider_page_recovers_and_shows_the_newest_location(server, network, visit, lose):
    car = "[data-latitude='{}'][data-longitude='{}']"
    async with (
        visit(RIDER, f"/driver/{DRIVER}/map/") as page,
        Driver(server.websocket_url, DRIVER, login_token(DRIVER)) as driver,
    ):
        status = page.locator("[data-part=status]")
        await driver.send("-1.45", "0.99")
        await expect(page.locator(car.format(-1.45, 0.99))).to_be_visible(timeout=DEADLINE)
        await expect(status).to_have_text("Live")
        await lose(network, page)
        await driver.send("-1.451", "0.991")
        # The page does not claim to know the status.
        await expect(status).to_have_text(re.compile("Last seen|Offline"), timeout=DEADLINE)
        await keep(page, f"rider-{lose.__name__}")
        await network.accept()
        # The browser fires its "online" event, the only notice that a page gets.
        await page.context.set_offline(True)
        await page.context.set_offline(False)
        await expect(page.locator(car.format(-1.451, 0.991))).to_be_visible(timeout=RECOVERY)
        await driver.send("-1.452", "0.992")
        await expect(page.locator(car.format(-1.452, 0.992))).to_be_visible(timeout=DEADLINE)
        await expect(status).to_have_text("Live")
        await expect(page.locator("[data-part=banner]")).to_be_hidden()
