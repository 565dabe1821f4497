"""Opening a page and checking what holds for every page."""

import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from .stage import Stage
from .states import State

DEADLINE: Final = 15_000  # ms
SIZES: Final[dict[str, dict[str, Any]]] = {
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
}
# Seconds without a change after which a page is complete.
QUIET: Final = 0.5
AXE: Final = Path(__file__).parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"
# Of WCAG 2.2, A and AA.
TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# The map is one element to axe; Django's own admin breaks some rules of "best practice".
RUN: Final = """async ([tags, exclude]) => {
    const context = { exclude: exclude.map((selector) => [selector]) };
    const { violations } = await axe.run(context, { runOnly: tags });
    // Where places on a map are decides how near each other their signs are (WCAG 2.5.8).
    const isOnMap = ({ target }) => document.querySelector(target[0])?.closest(".leaflet-map-pane");
    return violations.flatMap(({ id, help, nodes }) => {
        const ours = nodes.filter((node) => id !== "target-size" || !isOnMap(node));
        const html = ours.map((node) => node.html.slice(0, 120)).join(" | ");
        return ours.length ? [`${id}: ${help}: ${html}`] : [];
    });
}"""


async def prepared(stage: Stage, state: State) -> str:
    """Prepare a state, and return the path of its page."""
    stage.before = stage.act = None
    return await state.prepare(stage)


@asynccontextmanager
async def opened(
    stage: Stage, state: State, path: str, language: str, **options: Any
) -> AsyncIterator[Page]:
    """Open a state's page. Fail if it logs to the console, or requests from another host."""
    context = await stage.context(state.user, language, **state.options, **options)
    if state.script:
        await context.add_init_script(state.script)
    if stage.before is not None:
        await stage.before(context)
    page = await context.new_page()
    said: list[str] = []
    here = urlsplit(stage.server.http_url).netloc
    page.on("console", lambda message: said.append(message.text) if is_bad(message, state) else "")
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on(
        "request",
        lambda request: (
            urlsplit(request.url).netloc in (here, "") or said.append(f"requests {request.url}")
        ),
    )
    answer = await page.goto(f"{stage.server.http_url}{path}")
    assert answer is not None
    assert answer.status == state.status, (state.name, path, answer.status)
    try:
        await expect(page.locator(state.ready).first).to_be_visible(timeout=DEADLINE)
    except AssertionError as error:
        raise AssertionError(f"{state.name}: {error}, the console says {said}") from error
    await settled(page)
    for act in (state.act, stage.act):
        if act is not None:
            await act(page)
            await settled(page)
    yield page
    await context.close()
    assert said == [], (state.name, said)


async def settled(page: Page) -> None:
    """Wait until a widget's texts, but for their numbers, have stayed the same for a while."""
    if not await page.locator("[data-tracking]").count():
        return
    before, since = "", time.monotonic()
    deadline = since + 5
    while (now := time.monotonic()) < deadline and now - since < QUIET:
        text = re.sub(r"\d+", "", await page.evaluate("document.body.innerText"))
        if text != before:
            before, since = text, now
        await page.wait_for_timeout(50)


def is_bad(message: Any, state: State) -> bool:
    """Return whether a line of the console is a fault, such as a violation of the policy."""
    # Chromium says so about the page itself.
    expected = state.status != 200 and f"status of {state.status}" in message.text
    expected |= state.logs is not None and state.logs.search(message.text) is not None
    return message.type in ("error", "warning") and not expected


async def faults(page: Page, *, exclude: tuple[str, ...] = ()) -> list[str]:
    """Return what axe finds on the page."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run `npm ci` in tests/js")
    # Playwright evaluates it in the page without a script element, which the policy would block.
    await page.evaluate(AXE.read_text(encoding="utf-8") + "; undefined")
    found: list[str] = await page.evaluate(RUN, [TAGS, list(exclude)])
    return found
