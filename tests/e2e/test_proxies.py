"""Pages behind proxies that block WebSockets, or also collect streams, in a real browser."""

import asyncio
import contextlib

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests import services

from .client import Driver
from .test_pages import car_at
from .tokens import login_token
from .visits import Visits, keep, person

RIDER, MIA = 971, 972
DEADLINE = 20_000  # ms


class Proxy:
    """An HTTP proxy in front of a server, which can refuse handshakes and collect streams."""

    def __init__(self, target):
        self._target = target
        self._tasks = set()
        self.blocks = self.collects = False
        self.paths = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        try:
            # A cancelled task of a stream's callback would be logged as an error.
            ending = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)
            with contextlib.suppress(*ending):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        self.paths.append(head.split()[1].decode())
        is_handshake = b"upgrade: websocket" in head.lower()
        if is_handshake and self.blocks:
            writer.write(
                b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            return
        if not is_handshake:
            # One request on each connection, so that each is seen here.
            lines = [
                line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")
            ]
            head = b"\r\n".join([lines[0], b"Connection: close", *lines[1:]])
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
        up_writer.write(head)
        collects = self.collects and b"text/event-stream" in head.lower()
        try:
            up = asyncio.create_task(self._pump(reader, up_writer))
            await self._pump(up_reader, writer, collects=collects)
            up.cancel()
        finally:
            up_writer.close()

    @staticmethod
    async def _pump(reader, writer, *, collects=False):
        collected = b""
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                collected += part
                if not collects:
                    writer.write(collected)
                    await writer.drain()
                    collected = b""
            writer.write(collected)


@pytest.fixture(scope="module")
def host():
    with services.sqlite() as database_url:
        environment = services.environment(
            database_url, DJANGO_SETTINGS_MODULE="tests.e2e.host_project.settings"
        )
        services.migrate(environment)
        people = [person(RIDER, "rider"), person(MIA, "driver")]
        services.create_users(environment, people)
        with services.Runserver(environment, "host project") as server:
            yield server


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(host):
    async with Proxy(host.port) as proxy:
        yield proxy


@pytest.fixture
def visit(proxy, browser):
    # Not checked: Chromium logs each handshake that the proxy refuses.
    return Visits(browser.browser, f"http://127.0.0.1:{proxy.port}")


async def test_the_map_works_without_websockets_and_goes_back_to_them(host, proxy, visit):
    proxy.blocks = True
    async with Driver(host.websocket_url, MIA, token=login_token(MIA)) as mia:
        await mia.send(0.5071, 101.4478)
        async with visit(RIDER, f"/driver/{MIA}/map/") as page:
            widget = page.locator(".tracking-widget")
            await expect(car_at(page, 0.5071, 101.4478)).to_be_visible(timeout=DEADLINE)
            await expect(widget).to_have_attribute("data-connection", "open", timeout=DEADLINE)
            await expect(page.locator('[data-part="banner"]')).to_be_hidden()
            assert any(path.endswith("/location/stream/") for path in proxy.paths)
            await mia.send(0.5081, 101.4488)
            await expect(car_at(page, 0.5081, 101.4488)).to_be_visible()
            await keep(page, "driver-map-over-http")
            proxy.blocks = False
            async with page.expect_websocket() as socket:
                await page.evaluate("dispatchEvent(new Event('online'))")
            await (await socket.value).wait_for_event("framereceived")
            proxy.paths.clear()
            await mia.send(0.5091, 101.4498)
            await expect(car_at(page, 0.5091, 101.4498)).to_be_visible()
            await expect(widget).to_have_attribute("data-connection", "open")
            assert not any("stream" in path for path in proxy.paths)


async def test_the_map_works_behind_a_proxy_that_collects_streams(host, proxy, visit):
    proxy.blocks = proxy.collects = True
    async with Driver(host.websocket_url, MIA, token=login_token(MIA)) as mia:
        await mia.send(0.5071, 101.4478)
        async with visit(RIDER, f"/driver/{MIA}/map/") as page:
            # The stream gets ten seconds.
            await page.locator(".tracking-car").wait_for(timeout=30_000)
            widget = page.locator(".tracking-widget")
            await expect(widget).to_have_attribute("data-connection", "open", timeout=DEADLINE)
            async with page.expect_response(lambda answer: answer.status == 304) as polled:
                pass
            assert (await polled.value).url.endswith("/location/stream/")
