"""Pages in a real browser, opened as somebody, and all that goes wrong in them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page

from tests import services

ARTEFACTS = services.server.PROJECT / "artefacts"
PASSWORD = "correct horse battery staple"
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "device_scale_factor": 2}
# Chromium says so whenever a server is away, which is what some tests are about.
UNREACHABLE = re.compile(r"WebSocket connection to .* failed|ERR_CONNECTION_REFUSED|ERR_INTERNET_")


def person(pk: int, role: str, **fields: Any) -> dict[str, Any]:
    """Somebody for `services.create_users`, who can log in."""
    return {
        "id": pk,
        "email": f"{pk}@example.org",
        "name": f"Person {pk}",
        "role": role,
        "password": PASSWORD,
        "is_staff": role == "dispatcher",
        "is_superuser": role == "dispatcher",
        **fields,
    }


class Visits:
    """Opens pages of the server at `url`. In the end, `check` that nothing went wrong in any."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._complaints: list[str] = []

    @asynccontextmanager
    async def __call__(self, user_id: int, path: str, **options: Any) -> AsyncIterator[Page]:
        """Log in as somebody and go there, in a browser context with these options."""
        context = await self._browser.new_context(**options)
        page = await context.new_page()
        self.listen(page)
        log_in = await page.goto(f"{self._url}/accounts/login/?next={path}")
        assert log_in is not None
        assert "default-src 'none'" in log_in.headers["content-security-policy"]
        await page.get_by_label("e-mail").fill(f"{user_id}@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{self._url}{path}")
        yield page
        await context.close()

    def check(self) -> None:
        """Nothing was said in the console, and no other host was asked for anything."""
        assert [said for said in self._complaints if not UNREACHABLE.search(said)] == []

    def listen(self, page: Page) -> None:
        complain, here = self._complaints.append, urlsplit(self._url).netloc
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and complain(message.text),
        )
        page.on("pageerror", lambda error: complain(str(error)))
        page.on(
            "request",
            lambda request: (
                urlsplit(request.url).netloc in (here, "") or complain(f"request to {request.url}")
            ),
        )


async def keep(page: Page, name: str) -> None:
    """Keep a screenshot as an artefact."""
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"{name}.png")
