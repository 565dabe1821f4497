"""The contract's JavaScript in a real browser."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from ridehail.demo.welcome import SEND, WATCH

from .client import DEADLINE
from .stack import DRIVER, RIDER


class Pages(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        """Write nothing into the test's output."""


@pytest.fixture(scope="module")
def other_site():
    """Start a web server other than the tracking server, and yield its URL."""
    handler = functools.partial(Pages, directory=Path(__file__).parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest_asyncio.fixture(loop_scope="session")
async def second_page(browser):
    return await browser.new_page()


def snippet(template, server, token):
    return template.format(port=server.port, driver_id=DRIVER, token=token)


async def test_the_snippets_of_the_demo_work_as_they_are(stack, browser_page, second_page):
    watching = snippet(WATCH, stack.watcher_server, stack.tokens[RIDER])
    sending = snippet(SEND, stack.driver_server, stack.tokens[DRIVER])
    frame = {"location_lat": "-1.4354", "location_lon": "0.9871"}
    for page, script, word in (
        (second_page, sending, "acknowledged"),
        (browser_page, watching, "watching"),
    ):
        async with page.expect_console_message(timeout=DEADLINE * 1000) as message:
            await page.add_script_tag(content=script)
        said = [await argument.json_value() for argument in (await message.value).args]
        assert said == [word, frame]


async def open_page(page, site, server, route, token):
    query = urlencode({"route": route, "port": server.port, "userId": DRIVER, "token": token})
    await page.goto(f"{site}/contract.html?{query}")


async def test_pages_of_another_site_send_and_watch_as_they_always_did(
    stack, other_site, browser_page, second_page
):
    await open_page(
        second_page, other_site, stack.driver_server, "set-tracking", stack.tokens[DRIVER]
    )
    await open_page(
        browser_page, other_site, stack.watcher_server, "get-tracking", stack.tokens[RIDER]
    )
    for page in (browser_page, second_page):
        await page.locator("li:nth-of-type(5)").wait_for(timeout=DEADLINE * 1000)
    sent = await second_page.locator("li").all_inner_texts()
    seen = await browser_page.locator("li").all_inner_texts()
    assert sent[:2] == ["-1.4354 0.9871", "-1.4344 0.9871"]
    # The watcher joined later and began with the stored location. It may miss the location that was
    # in flight while it joined; from the first live one on it received each.
    assert seen[0] in sent
    first = sent.index(seen[1])
    assert first > sent.index(seen[0])
    assert seen[1:5] == sent[first:][:4]


@pytest.mark.parametrize("route", ["set-tracking", "get-tracking"])
async def test_a_page_sees_the_error_and_the_close_code(stack, other_site, browser_page, route):
    server = stack.driver_server if route == "set-tracking" else stack.watcher_server
    await open_page(browser_page, other_site, server, route, "x.y.z")
    await browser_page.get_by_text("closed 4401").wait_for(timeout=DEADLINE * 1000)
    texts = await browser_page.locator("li").all_inner_texts()
    assert [text.partition(":")[0] for text in texts] == ["token_invalid", "closed 4401"]
