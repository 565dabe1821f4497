"""The admin as an operator uses it: log in, and see where the drivers are."""

from tests.services import create_users

from .client import DEADLINE
from .stack import person

ADMIN = person(808, "dispatcher", is_staff=True, is_superuser=True, password="admin-for-tests")


async def test_a_driver_who_sends_shows_as_live_in_the_admin(runserver_stack, browser_page):
    stack = runserver_stack
    create_users(stack.environment, [ADMIN])
    driver_id = stack.new_driver()
    browser_page.set_default_timeout(DEADLINE * 1000)
    await browser_page.goto(f"{stack.driver_server.http_url}/admin/tracking/driverlocation/")
    await browser_page.locator("input[name=username]").fill(ADMIN["email"])
    await browser_page.locator("input[name=password]").fill(ADMIN["password"])
    await browser_page.locator("input[type=submit]").click()
    row = browser_page.get_by_role("row").filter(has_text=f"driver{driver_id}@example.org")
    await browser_page.get_by_role("heading", name="Select last known location").wait_for()
    assert await row.count() == 0
    async with stack.driver(driver_id) as driver:
        await driver.send("-1.4354", "0.9871")
        await browser_page.reload()
    cells = await row.inner_text()
    for text in (f"Person {driver_id}", "live", "s ago", "-1.4354", "0.9871"):
        assert text in cells
