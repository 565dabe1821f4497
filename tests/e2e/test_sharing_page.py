"""The page with which a driver shares the phone's location, in a real browser.

Positions stay live for as long as a test takes. `test_pages.py` has those that become old.
"""

import pytest
from playwright.async_api import expect

from tests import services

from .test_pages import DEADLINE, sockets, status
from .visits import PHONE, keep, person

DRIVERS = (901, 902, 903)
LOCKS = "locks.map(({ type, released }) => ({ type, released }))"


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url,
            DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings",
            TRACKING_STALE_AFTER="3600",
            TRACKING_OFFLINE_AFTER="7200",
        )
        services.migrate(environment)
        services.create_users(environment, [person(pk, "driver") for pk in DRIVERS])
        with services.Runserver(environment, "host project") as server:
            yield server


async def test_driver_page_shares_the_phone_s_position(host, visit):
    position = {"latitude": -1.25, "longitude": 2.5, "accuracy": 7}
    options = {**PHONE, "geolocation": position, "permissions": ["geolocation"]}
    async with visit(901, "/", **options) as page:
        await page.add_init_script(
            """window.locks = [];
            Object.defineProperty(navigator, "wakeLock", { value: { async request(type) {
                const lock = { type, released: false, async release() { this.released = true; } };
                locks.push(lock);
                return lock;
            } } });"""
        )
        await page.goto(page.url.removesuffix("/") + "/driver/share/")
        await page.get_by_role("button", name="Start sharing").click()
        acknowledged = page.locator("[data-part=acknowledged]")
        await expect(acknowledged).to_contain_text("-1.25000, 2.50000", timeout=DEADLINE)
        await expect(page.locator("[data-part=sent]")).to_contain_text("-1.25000, 2.50000")
        await expect(page.locator("[data-part=waiting]")).to_have_text("0")
        await expect(status(page)).to_have_text("Sharing your location")
        await keep(page, "share-on")
        stored = services.locations(host.environment)[901]
        assert (stored.latitude, stored.longitude) == (-1.25, 2.5)
        await page.context.set_geolocation({**position, "latitude": -1.26})
        await expect(acknowledged).to_contain_text("-1.26000, 2.50000", timeout=DEADLINE)
        assert await page.evaluate(LOCKS) == [{"type": "screen", "released": False}]
        await page.get_by_role("button", name="Stop sharing").click()
        await expect(status(page)).to_have_text("Not sharing")
        assert await page.evaluate(LOCKS) == [{"type": "screen", "released": True}]


async def test_driver_page_that_is_reloaded_warns_and_goes_on_sharing(host, visit):
    options = {"geolocation": {"latitude": 1, "longitude": 2}, "permissions": ["geolocation"]}
    async with visit(903, "/driver/share/", **PHONE, **options) as page:
        warnings = []

        async def accept(dialog):
            warnings.append(dialog.type)
            await dialog.accept()

        page.on("dialog", accept)
        await page.get_by_role("button", name="Start sharing").click()
        await expect(status(page)).to_have_text("Sharing your location", timeout=DEADLINE)
        await page.reload()
        assert warnings == ["beforeunload"]
        await expect(status(page)).to_have_text("Sharing your location", timeout=DEADLINE)
        await page.get_by_role("button", name="Stop sharing").click()
        await page.reload()
        assert warnings == ["beforeunload"]
        await expect(status(page)).to_have_text("Not sharing")


async def test_driver_page_does_not_show_the_server_s_texts(host, visit):
    options = {"geolocation": {"latitude": 1, "longitude": 2}, "permissions": ["geolocation"]}
    async with visit(901, "/driver/share/", **options) as page:
        opened = await sockets(page, "set-tracking")
        await page.get_by_role("button", name="Start sharing").click()
        await expect(status(page)).to_have_text("Sharing your location", timeout=DEADLINE)
        opened[-1].send('{"error": {"code": "brand_new", "message": "raw English"}}')
        await expect(page.locator("[data-part=problem]")).to_have_text(
            "Something went wrong. Retrying…"
        )


async def test_driver_page_that_starts_again_claims_nothing_before_it_is_confirmed(host, visit):
    options = {"geolocation": {"latitude": 1, "longitude": 2}, "permissions": ["geolocation"]}
    async with visit(902, "/driver/share/", **options) as page:
        await page.get_by_role("button", name="Start sharing").click()
        await expect(status(page)).to_have_text("Sharing your location", timeout=DEADLINE)
        await page.get_by_role("button", name="Stop sharing").click()
        await expect(status(page)).to_have_text("Not sharing")
        await page.evaluate(
            """() => {
                const status = document.querySelector("[data-part=status]");
                window.said = [];
                const note = () => said.push(status.textContent);
                new MutationObserver(note).observe(status, { childList: true });
            }"""
        )
        await page.get_by_role("button", name="Start sharing").click()
        await expect(status(page)).to_have_text("Sharing your location", timeout=DEADLINE)
        said = await page.evaluate("said")
        assert "Connected, sending…" in said
        assert said.index("Connected, sending…") < said.index("Sharing your location")
