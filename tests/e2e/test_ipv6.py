"""Clients and proxies that connect over IPv6, through the recommended nginx and without it."""

import json
import re
import urllib.request
from contextlib import AsyncExitStack, suppress
from time import monotonic, sleep

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests import services
from tests.programs import skip_without
from tests.services.nginx import has_ipv6
from tests.services.program import PROJECT

from .client import DEADLINE, Driver, Watcher, read_error
from .stack import DRIVER, RIDER

pytestmark = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


class OnIPv6(services.Uvicorn):
    def command(self):
        return [*super().command(), "--host", "::1"]

    def ask(self):
        urllib.request.urlopen(f"http://[::1]:{self.port}/health/live/", timeout=5).close()


@pytest.fixture(scope="module")
def environment(cluster_stack):
    """Allow one stranger of each address, so that a second one shows which address is counted."""
    return {**cluster_stack.environment, "TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS": "1"}


@pytest.fixture(scope="module")
def nginx(environment):
    skip_without(services.find_nginx)
    behind = {**environment, "TRUSTED_PROXIES": "127.0.0.1"}
    with (
        services.Uvicorn(behind, "behind nginx") as server,
        services.Nginx([server.port, server.port]) as nginx,
    ):
        yield nginx


def test_every_port_is_listened_to_in_both_families():
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    four = re.findall(r"listen (\d.*);", text)
    six = re.findall(r"listen \[::\]:(.*);", text)
    assert four == six == ["80", "443 ssl http2"]


async def test_driver_and_watcher_meet_over_ipv6(nginx, cluster_stack):
    number, tokens = cluster_stack.new_driver(), cluster_stack.tokens
    url = f"ws://[::1]:{nginx.port}"
    async with Driver(url, number, tokens[number]) as phone:
        frame = await phone.send("1.5", "2.5")
        assert json.loads(frame) == {"location_lat": "1.5", "location_lon": "2.5"}
        async with Watcher(url, number, tokens[RIDER]) as watcher:
            await watcher.start()
            assert await watcher.frame(0) == frame


def test_pages_are_served_over_ipv6_and_logged_with_the_address(nginx):
    url = f"http://[::1]:{nginx.port}/api/schema/"
    request = urllib.request.Request(url, headers={"Host": "localhost"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    # nginx logs a request after the client has the whole answer.
    deadline = monotonic() + DEADLINE
    while not re.search(r'^::1 \[.+\] "GET /api/schema/" 200', nginx.access_log(), re.MULTILINE):
        assert monotonic() < deadline, nginx.access_log()
        sleep(0.01)


async def is_refused(url, forwarded_for=None):
    """Return whether a stranger is refused as one too many for its address."""
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    url = f"{url}/driver/get-tracking?userId={DRIVER}"
    async with connect(url, proxy=None, additional_headers=headers) as stranger:
        with suppress(ConnectionClosed):
            await stranger.send("")  # an admitted client receives an error for this
        code, _ = read_error(await stranger.recv())
    return {"over_capacity": True, "invalid_message": False}[code]


async def stranger(stack, url, forwarded_for=None):
    headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
    url = f"{url}/driver/get-tracking?userId={DRIVER}"
    await stack.enter_async_context(connect(url, proxy=None, additional_headers=headers))


async def test_nginx_names_a_client_by_its_ipv6_address(nginx):
    six, four = f"ws://[::1]:{nginx.port}", nginx.websocket_url
    async with AsyncExitStack() as stack:
        await stranger(stack, six)
        assert await is_refused(six)
        # Whatever address it claims to have.
        assert await is_refused(six, "2001:db8::1")
        # It is neither nginx itself nor a client over IPv4.
        assert not await is_refused(four)


async def test_a_proxy_is_trusted_that_comes_over_ipv6(environment):
    with OnIPv6({**environment, "TRUSTED_PROXIES": "::1"}, "on IPv6") as server:
        url = f"ws://[::1]:{server.port}"
        async with AsyncExitStack() as stack:
            await stranger(stack, url, "2001:db8::1")
            # The same customer's /64 in another notation, and another customer's.
            assert await is_refused(url, "2001:db8:0:0::2")
            assert await is_refused(url, "[2001:db8::3]:4711")
            assert not await is_refused(url, "2001:db8:0:1::1")
            assert not await is_refused(url, "192.0.2.1")
