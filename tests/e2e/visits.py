"""Pages in a real browser, opened by a logged-in user, and their errors."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.async_api import Browser, Page

from tests import services

ARTEFACTS = services.server.PROJECT / "artefacts"
PASSWORD = "correct horse battery staple"
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "device_scale_factor": 2}
# Chromium logs these whenever a server is unavailable, which some tests cause on purpose.
UNREACHABLE = re.compile(r"WebSocket connection to .* failed|ERR_CONNECTION_REFUSED|ERR_INTERNET_")


def person(pk: int, role: str, **fields: Any) -> dict[str, Any]:
    """Return a user for `services.create_users` who can log in."""
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
    """Opens pages of the server at `url`, and records their errors for `check`."""

    def __init__(self, browser: Browser, url: str, sessions: dict[int, Any] | None = None) -> None:
        self._browser = browser
        self._url = url
        # Of users who have logged in, for further visits: a server limits log-ins, and each takes
        # a second. Without it, each visit begins with a log-in.
        self._sessions = sessions
        self._complaints: list[str] = []

    @asynccontextmanager
    async def __call__(self, user_id: int, path: str, **options: Any) -> AsyncIterator[Page]:
        """Open the path as a user, in a browser context with these options."""
        session = None if self._sessions is None else self._sessions.get(user_id)
        context = await self._browser.new_context(storage_state=session, **options)
        page = await context.new_page()
        self.listen(page)
        if session is None:
            await self._log_in(page, user_id, path)
            if self._sessions is not None:
                self._sessions[user_id] = await context.storage_state()
        else:
            await page.goto(f"{self._url}{path}")
        yield page
        await context.close()

    async def _log_in(self, page: Page, user_id: int, path: str) -> None:
        log_in = await page.goto(f"{self._url}/accounts/login/?next={quote(path)}")
        assert log_in is not None
        assert "default-src 'none'" in log_in.headers["content-security-policy"]
        await page.get_by_label("e-mail").fill(f"{user_id}@example.org")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{self._url}{path}")

    def leave_out(self, text: str) -> None:
        """Leave out what has been said so far with this text in it."""
        self._complaints[:] = [said for said in self._complaints if text not in said]

    def check(self) -> None:
        """Assert that no page logged to the console or requested anything from another host."""
        found = [said for said in self._complaints if not UNREACHABLE.search(said)]
        assert found == [], found

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
    """Save a screenshot as an artefact."""
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"{name}.png")
