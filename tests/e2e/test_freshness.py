"""Live, stale and offline: the same over every interface, and signalled on each change."""

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack
from itertools import product
from urllib.request import Request, urlopen

import pytest

from tests import services

from .client import DEADLINE, Driver, Watcher
from .stack import RIDER, Stack, person

STALE_AFTER, OFFLINE_AFTER = 1.5, 7.0
GRACE_PERIOD = 5.0  # seconds from a driver's disconnection until it is offline
# Seconds within which a change must be signalled.
MAX_DELAY = 1.0

DISPATCHER = person(809, "dispatcher", is_staff=True, is_superuser=True)
HERE, THERE = ("-1.4354", "0.9871"), ("-1.4355", "0.9872")
RECORDED_AT = "2026-01-31T12:00:00.000Z"


class SignalReceiver:
    """Receives the signals that the servers' host project reports."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port = self._socket.getsockname()[1]
        self.news = []

    async def until(self, driver_id, changes):
        """Wait until a driver has had so many changes, and return them."""
        async with asyncio.timeout(DEADLINE):
            while len(received := self.of("change", driver_id)) < changes:
                datagram = await asyncio.get_running_loop().sock_recv(self._socket, 65_536)
                self.news.append(json.loads(datagram))
        return [tuple(change) for change in received]

    def of(self, key, driver_id):
        return [news[key] for news in self.news if news["driver"] == driver_id and key in news]

    def close(self):
        self._socket.close()


@pytest.fixture(scope="module")
def signals():
    signals = SignalReceiver()
    yield signals
    signals.close()


@pytest.fixture(scope="module")
def hasty_environment(cluster_stack, signals):
    """Return an environment where drivers are soon stale and offline, and signals are reported."""
    return {
        **cluster_stack.environment,
        "DEBUG": "true",  # With DEBUG, the admin's pages need no collected static files.
        "DJANGO_SETTINGS_MODULE": "tests.e2e.listening.settings",
        "LISTENING_PORT": str(signals.port),
        "TRACKING_STALE_AFTER": str(STALE_AFTER),
        "TRACKING_OFFLINE_AFTER": str(OFFLINE_AFTER),
        "TRACKING_DRAIN_SECONDS": "0",
    }


@pytest.fixture(scope="module")
def hasty(cluster_stack, hasty_environment):
    """Start two more workers on the stack's database."""
    services.create_users(hasty_environment, [DISPATCHER])
    with services.cluster(hasty_environment) as workers:
        yield Stack(workers, cluster_stack.tokens)


@pytest.fixture
async def watch(cluster_stack):
    """Return a function that watches drivers, with details, until the test ends."""
    async with AsyncExitStack() as watchers:

        async def watch(server, driver_id):
            watcher = Watcher(server.websocket_url, driver_id, cluster_stack.tokens[RIDER])
            await watchers.enter_async_context(watcher)
            await watcher.start(details=True)
            await watcher.frame(0)
            return watcher

        yield watch


@pytest.fixture
async def connect(cluster_stack):
    """Return a function that connects drivers, who stay until they leave or the test ends."""
    async with AsyncExitStack() as drivers:

        async def connect(server, driver_id):
            driver = Driver(server.websocket_url, driver_id, cluster_stack.tokens[driver_id])
            return await drivers.enter_async_context(driver)

        yield connect


def statuses(watcher):
    return [json.loads(frame)["status"] for frame in watcher.frames]


async def becomes(watcher, status):
    """Wait until the newest frame has this status, and return its time of arrival."""
    await watcher.until(lambda frames: frames and json.loads(frames[-1])["status"] == status)
    return watcher.times[-1]


async def get(server, path, **headers):
    def read():
        with urlopen(Request(server.http_url + path, headers=headers), timeout=DEADLINE) as answer:
            return answer.read().decode()

    return await asyncio.to_thread(read)


SESSION = """
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
client = Client()
client.force_login(get_user_model().objects.get(pk=pk))
name = settings.SESSION_COOKIE_NAME
result = f"{name}={client.cookies[name].value}"
"""


async def test_status_is_the_same_on_every_worker_in_the_admin_over_rest_and_on_the_socket(
    cluster_stack, hasty, watch, connect
):
    driver_id = cluster_stack.new_driver()
    session = await hasty.host(SESSION, pk=DISPATCHER["id"])
    token = cluster_stack.tokens[RIDER]

    async def shown(server):
        details = await get(
            server, f"/driver/{driver_id}/location/", Authorization=f"Bearer {token}"
        )
        page = await get(
            server,
            f"/admin/tracking/driverlocation/?q=driver{driver_id}%40example.org",
            Cookie=session,
        )
        assert page.count("tracking-status ") == 1
        return json.loads(details)["status"], page.split("tracking-status tracking-")[1].split('"')[
            0
        ]

    watchers = [await watch(server, driver_id) for server in hasty.servers]
    driver = await connect(hasty.servers[0], driver_id)
    # The server receives it between this and the acknowledgement.
    sent_at = time.time()
    await driver.send(*HERE)  # And stays connected, silently.
    for status, after in (("live", 0), ("stale", STALE_AFTER), ("offline", OFFLINE_AFTER)):
        for watcher, server in zip(watchers, hasty.servers, strict=True):
            changed_at = await becomes(watcher, status)
            assert sent_at + after <= changed_at < driver.times[0] + after + MAX_DELAY
            assert await shown(server) == (status, status)
    for watcher in watchers:
        assert statuses(watcher) == ["unknown", "live", "stale", "offline"]
        assert len({frame.replace("stale", "live") for frame in watcher.frames[1:3]}) == 1


async def test_driver_whose_socket_closed_is_offline_after_five_seconds_on_every_worker(
    cluster_stack, hasty, watch, connect
):
    driver_id = cluster_stack.new_driver()
    driver = await connect(hasty.servers[0], driver_id)
    await driver.send(*HERE)
    watchers = [await watch(server, driver_id) for server in hasty.servers]
    vanished_at = time.time()
    driver.vanish()
    await driver.close_code()
    for watcher in watchers:
        changed_at = await becomes(watcher, "offline")
        assert vanished_at + GRACE_PERIOD <= changed_at
        assert changed_at < driver.closed_at + GRACE_PERIOD + MAX_DELAY
        assert statuses(watcher) == ["live", "stale", "offline"]
    assert hasty.stored(driver_id).latitude == float(HERE[0])
    # Repeated, it is no new location, but the driver is live again.
    back = await connect(hasty.servers[1], driver_id)
    await back.send(*HERE)
    for watcher in watchers:
        await becomes(watcher, "live")


async def test_driver_whose_socket_is_replaced_in_time_does_not_go_offline(
    cluster_stack, watch, connect
):
    """Replace it on the same worker or the other, with a new fix or the last one again."""
    servers = cluster_stack.servers
    watchers = []
    for server, again in product(servers, (HERE, THERE)):
        driver_id = cluster_stack.new_driver()
        driver = await connect(servers[0], driver_id)
        await driver.send(*HERE, recorded_at=RECORDED_AT)
        watchers.append(await watch(servers[0], driver_id))
        driver.vanish()
        await driver.close_code()
        replacement = await connect(server, driver_id)
        await replacement.send(*again, **({"recorded_at": RECORDED_AT} if again == HERE else {}))
    # A driver whose socket is not replaced shows when the time is up.
    gone_id = cluster_stack.new_driver()
    gone = await connect(servers[0], gone_id)
    await gone.send(*HERE)
    watcher_of_gone = await watch(servers[0], gone_id)
    gone.vanish()
    await becomes(watcher_of_gone, "offline")
    for watcher in watchers:
        assert watcher.frames
        assert "offline" not in statuses(watcher)


async def test_server_that_is_stopped_declares_nobody_offline(
    cluster_stack, hasty_environment, watch, connect
):
    environment = {
        **hasty_environment,
        "TRACKING_STALE_AFTER": "30",
        "TRACKING_OFFLINE_AFTER": "60",
    }
    surviving = cluster_stack.servers[0]
    driver_id, gone_id = cluster_stack.new_driver(), cluster_stack.new_driver()
    with services.Uvicorn(environment, "stopped") as stopped:
        driver = await connect(stopped, driver_id)
        await driver.send(*HERE)
        watcher = await watch(surviving, driver_id)
        await asyncio.to_thread(stopped.stop)
    assert await driver.close_code() == 1012
    gone = await connect(surviving, gone_id)
    await gone.send(*HERE)
    watcher_of_gone = await watch(surviving, gone_id)
    gone.vanish()
    await becomes(watcher_of_gone, "offline")
    assert statuses(watcher) == ["live"]


async def test_each_change_is_signalled_once_over_all_workers(
    cluster_stack, hasty, signals, connect
):
    driver_id, last_id = cluster_stack.new_driver(), cluster_stack.new_driver()
    first, second = hasty.servers
    driver = await connect(first, driver_id)
    await driver.send(*HERE)
    assert await signals.until(driver_id, 3) == [
        (None, "live"),
        ("live", "stale"),
        ("stale", "offline"),
    ]
    # Sent on the other worker while the first connection is still open.
    driver = await connect(second, driver_id)
    await driver.send(*THERE)
    await driver.send(*THERE)
    assert await signals.until(driver_id, 5) == [
        (None, "live"),
        ("live", "stale"),
        ("stale", "offline"),
        ("offline", "live"),
        ("live", "stale"),
    ]
    # A repeated signal would arrive before this.
    last = await connect(first, last_id)
    await last.send(*HERE)
    await signals.until(last_id, 2)
    assert len(signals.of("change", driver_id)) == 5
    locations = [[*map(float, HERE)], [*map(float, THERE)], [*map(float, THERE)]]
    assert signals.of("location", driver_id) == locations


async def test_a_departure_is_signalled_once(cluster_stack, hasty, signals, connect):
    driver_id = cluster_stack.new_driver()
    driver = await connect(hasty.servers[0], driver_id)
    await driver.send(*HERE)
    driver.vanish()
    await signals.until(driver_id, 3)
    back = await connect(hasty.servers[1], driver_id)
    await back.send(*HERE)
    assert await signals.until(driver_id, 5) == [
        (None, "live"),
        ("live", "stale"),
        ("stale", "offline"),
        ("offline", "live"),
        ("live", "stale"),
    ]
