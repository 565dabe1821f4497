"""A browser that tests use one after the other, each with contexts of its own."""

import asyncio

from playwright.async_api import Browser, Playwright, async_playwright

from tests import services

# Seconds in which a browser, or what a test has left running, must end.
STOP_TIMEOUT = 10


class SharedBrowser:
    """Launches a headless browser for the first test, and a new one after a failure or a crash.

    To start one, and Playwright's driver, takes 1 s of a core. All tests must run in one event
    loop, as the objects of Playwright's async API belong to the loop that made them. Its sync API
    keeps an event loop running in the test's thread, which no async client could then use.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    async def lend(self) -> Browser:
        """Return a running browser without contexts."""
        if self._browser is not None and not self._browser.is_connected():
            await self.stop()
        if self._browser is None:
            self._playwright = await async_playwright().start()
            options = services.launch_options(services.find_browser())
            self._browser = await self._playwright.chromium.launch(**options)
        self._tasks = asyncio.all_tasks()
        return self._browser

    async def take_back(self, *, failed: bool) -> None:
        """Close the test's contexts, and end the tasks that it has left.

        A test that failed may have left the browser, or Playwright's driver, in any state: both
        are stopped.
        """
        if self._browser is not None and not failed:
            for context in self._browser.contexts:
                await context.close()
        # The loop goes on after the test. A test that exceeds its time limit leaves its own task.
        left = asyncio.all_tasks() - self._tasks - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), STOP_TIMEOUT)
        if failed:
            await self.stop()

    async def stop(self) -> None:
        """Stop the driver, which ends its browser."""
        playwright, self._playwright, self._browser = self._playwright, None, None
        if playwright is not None:
            await asyncio.wait_for(playwright.stop(), STOP_TIMEOUT)
