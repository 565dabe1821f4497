"""Staff in a real browser: an app is set up and used, and idle sessions are logged out."""

import asyncio
import time
from base64 import b32decode

import pytest
from django_otp.oath import totp
from playwright.async_api import expect

from tests import services

from .visits import PASSWORD, PHONE, Visits, keep, person

DISPATCHER, COLLEAGUE = 31, 32
FLEET = "/driver/fleet/"
DEADLINE = 20_000  # ms


@pytest.fixture(scope="module")
def environment():
    with services.sqlite() as database_url:
        environment = services.environment(database_url, REQUIRE_SECOND_FACTOR="true")
        services.migrate(environment)
        people = [person(pk, "dispatcher") for pk in (DISPATCHER, COLLEAGUE)]
        services.create_users(environment, people)
        yield environment


async def log_in(page, url):
    await page.goto(f"{url}/accounts/login/?next={FLEET}")
    await page.get_by_label("e-mail").fill(f"{DISPATCHER}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def test_dispatcher_sets_up_an_app_on_a_phone_and_comes_back(environment, browser):
    with services.Runserver(environment) as server:
        visits = Visits(browser.browser, server.http_url)
        context = await browser.browser.new_context(**PHONE)
        page = await context.new_page()
        visits.listen(page)
        await log_in(page, server.http_url)
        await expect(page.get_by_role("heading")).to_have_text("Protect your account")
        # The image is shown: no policy blocks it.
        picture = page.get_by_role("img", name="QR code")
        assert await picture.evaluate(
            "picture => picture.decode().then(() => picture.naturalWidth)"
        )
        await keep(page, "second-factor-set-up")
        key = b32decode((await page.locator(".key").inner_text()).replace(" ", ""))
        used = totp(key)
        await page.get_by_label("Enter the 6 digits").fill(f"{used:06}")
        await page.get_by_role("button", name="Turn on").click()
        codes = page.locator(".codes li")
        await expect(codes).to_have_count(10, timeout=DEADLINE)
        await keep(page, "second-factor-recovery-codes")
        recovery_code = await codes.first.inner_text()
        await page.get_by_role("link", name="I've saved them").click()
        await page.wait_for_url(server.http_url + FLEET)
        # The stream is open: the page has received a token.
        await expect(page.locator("[data-part=count-live]")).to_have_text("0", timeout=DEADLINE)
        await context.close()

        context = await browser.browser.new_context(**PHONE)
        page = await context.new_page()
        visits.listen(page)
        await log_in(page, server.http_url)
        field = page.get_by_label("Code")
        await field.fill(f"{used:06}")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("alert")).to_contain_text("was used already")
        await keep(page, "second-factor-wrong-code")
        await page.get_by_label("Code").fill(recovery_code)
        await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url(server.http_url + FLEET)
        await page.goto(f"{server.http_url}/accounts/second-factor/settings/")
        await expect(page.get_by_text("You have 9 recovery codes left.")).to_be_visible()
        await keep(page, "second-factor-settings")
        await page.goto(f"{server.http_url}/admin/")
        await page.get_by_role("link", name="Second factor").click()
        await expect(page.get_by_role("heading")).to_have_text("Your second factor")
        await context.close()
        visits.check()


async def test_idle_open_map_is_logged_out_and_one_in_use_is_not(environment, browser):
    variables = environment | {
        "REQUIRE_SECOND_FACTOR": "false",
        "STAFF_IDLE_TIMEOUT_SECONDS": "8",
    }
    with services.Runserver(variables) as server:
        visits = Visits(browser.browser, server.http_url)
        async with visits(COLLEAGUE, FLEET) as left, visits(COLLEAGUE, FLEET) as used:
            for page in (left, used):
                live = page.locator("[data-part=count-live]")
                await expect(live).to_have_text("0", timeout=DEADLINE)
            opened_at = time.monotonic()
            ends = asyncio.create_task(
                expect(left.get_by_role("link", name="Log in again")).to_be_visible(
                    timeout=DEADLINE
                )
            )
            x = 0
            while not ends.done():
                x = (x + 10) % 300
                await used.mouse.move(x, 200)
                await asyncio.wait([ends], timeout=0.5)
            await ends
            assert time.monotonic() - opened_at < 12
            await keep(left, "fleet-logged-out")
            assert await used.get_by_role("link", name="Log in again").is_hidden()
            answer = await used.request.get(server.http_url + FLEET)
            assert answer.url == server.http_url + FLEET
            answer = await left.request.get(server.http_url + FLEET)
            assert "/accounts/login/" in answer.url
