"""The reference of the REST API and the page with a device's token, in a real browser."""

import re

import pytest_asyncio
from playwright.async_api import expect

from tests.services import create_users

from .stack import person

ADMIN = 951
PASSWORD = "correct horse battery staple"
DEADLINE = 15_000  # ms


@pytest_asyncio.fixture(loop_scope="session")
async def page(runserver_stack, browser_page):
    """Return a page that, at the end, must have no error and no request to another host."""
    own = runserver_stack.driver_server.http_url
    complaints = []
    browser_page.on(
        "console",
        lambda message: message.type in ("error", "warning") and complaints.append(message.text),
    )
    browser_page.on("pageerror", lambda error: complaints.append(str(error)))
    browser_page.on(
        "request",
        lambda request: (
            request.url.startswith((own, "data:")) or complaints.append(f"request to {request.url}")
        ),
    )
    yield browser_page
    assert complaints == []


async def test_reference_shows_every_call_under_the_strict_policy(runserver_stack, page):
    answer = await page.goto(f"{runserver_stack.driver_server.http_url}/api/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for summary in (
        "Get a driver's location",
        "Report from OwnTracks in HTTP mode",
        "Permit a user to watch a driver",
        "Create a trip, and with a driver, assign it",
        "Begin or end a driver's shift",
    ):
        await expect(page.get_by_text(summary)).to_be_visible(timeout=DEADLINE)


async def test_reference_makes_calls(runserver_stack, page):
    driver_id = runserver_stack.new_driver()
    await page.goto(f"{runserver_stack.driver_server.http_url}/api/")
    await page.get_by_role("button", name="Authorize").first.click(timeout=DEADLINE)
    form = page.locator(".auth-container", has_text="accessToken")
    await form.locator("input").fill(runserver_stack.tokens[driver_id])
    await form.get_by_role("button", name="Apply credentials").click()
    await form.get_by_role("button", name="Close").click()
    call = page.locator(".opblock-put", has_text="Report a location")
    await call.locator(".opblock-summary-control").click()
    await call.get_by_role("button", name="Try it out").click()
    await call.get_by_placeholder("driver_id").fill(str(driver_id))
    await call.get_by_role("button", name="Execute").click()
    status = call.locator(".live-responses-table .response-col_status")
    await expect(status.last).to_have_text("201", timeout=DEADLINE)
    assert runserver_stack.stored(driver_id).latitude == -1.4354


async def test_admin_issues_a_token_in_a_page_of_its_own(runserver_stack, page):
    stack, driver_id = runserver_stack, runserver_stack.new_driver()
    staff = person(ADMIN, password=PASSWORD, is_staff=True, is_superuser=True)
    create_users(stack.environment, [staff])
    await page.goto(f"{stack.driver_server.http_url}/admin/login/?next=/admin/tracking/device/add/")
    await page.fill("[name=username]", staff["email"])
    await page.fill("[name=password]", PASSWORD)
    await page.click("[type=submit]")
    await page.get_by_label("Label").fill("Mary's phone", timeout=DEADLINE)
    await page.locator(".field-driver .select2-selection").click()
    await page.locator(".select2-search__field").fill(f"driver{driver_id}@example.org")
    await page.locator(".select2-results__option", has_text=f"Person {driver_id}").click()
    await page.get_by_role("button", name="Save", exact=True).click()
    token = page.locator("dd code").first
    await expect(token).to_have_text(re.compile("^trk_[a-z2-7]{32}$"), timeout=DEADLINE)
    await expect(page.get_by_text("/driver/report/owntracks/")).to_be_visible()
    secret = await token.inner_text()
    await page.get_by_role("link", name="All devices").click()
    await expect(page.locator(".tracking-live").first).to_have_text("valid")
    assert secret not in await page.content()
