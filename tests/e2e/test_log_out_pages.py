"""A log-out shows at once in the browser's other tabs, for every role."""

import time

import pytest
from playwright.async_api import expect

from tests import services

from .client import Driver
from .tokens import login_token
from .visits import PHONE, Visits, person

DRIVER, RIDER, DISPATCHER = 921, 922, 923
# Seconds: the sockets end within one (test_log_out.py), and a busy browser shows it a little later.
AT_ONCE = 3.0
DEADLINE = 15_000  # ms


@pytest.fixture(scope="module")
def server():
    with services.sqlite() as database_url:
        environment = services.environment(database_url)
        services.migrate(environment)
        roles = {DRIVER: "driver", RIDER: "rider", DISPATCHER: "dispatcher"}
        services.create_users(environment, [person(pk, role) for pk, role in roles.items()])
        with services.Runserver(environment) as server:
            yield server


@pytest.mark.alone
@pytest.mark.parametrize(
    ("user_id", "path", "shown"),
    [
        (RIDER, f"/driver/{DRIVER}/map/", "[data-part=status]:has-text('Live')"),
        # On a phone the counts are among the filters.
        (DISPATCHER, "/driver/fleet/", "[data-part=drivers] [role=option]:has-text('Live')"),
        (DRIVER, "/driver/share/", "[data-part=status]:has-text('Sharing your location')"),
    ],
    ids=["rider", "dispatcher", "driver"],
)
async def test_every_tab_offers_to_log_in_again_once_another_logs_out(
    server, browser, user_id, path, shown
):
    visits = Visits(browser.browser, server.http_url)
    where = {"latitude": -1.4354, "longitude": 0.9871}
    options = {**PHONE, "permissions": ["geolocation"], "geolocation": where}
    token = login_token(DRIVER)
    async with (
        Driver(server.websocket_url, DRIVER, token) as driver,
        visits(user_id, path, **options) as page,
    ):
        await driver.send(1, 2)
        if user_id == DRIVER:
            await page.get_by_role("button", name="Start sharing").click()
        await expect(page.locator(shown)).to_be_visible(timeout=DEADLINE)
        other = await page.context.new_page()
        await other.goto(server.http_url)
        await other.get_by_role("button", name="Log out").click()
        await other.wait_for_url("**/accounts/login/")
        logged_out_at = time.time()
        again = page.get_by_role("link", name="Log in again")
        await expect(again).to_be_visible(timeout=DEADLINE)
        assert time.time() - logged_out_at < AT_ONCE
        await again.click()
        await expect(page.get_by_label("Password")).to_be_visible()
