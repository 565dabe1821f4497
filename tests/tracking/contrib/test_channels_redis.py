"""The channel layer on a real Redis that fails and recovers."""

import asyncio
from contextlib import suppress
from itertools import islice

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests import services
from tests.faults.proxy import Proxy
from tracking import metrics
from tracking.contrib.channels_redis import ChannelLayer
from tracking.contrib.channels_redis import layer as layer_module

DEADLINE = 10.0


@pytest.fixture
def redis():
    with services.Redis(services.find_redis()) as redis:
        yield redis


@pytest.fixture
async def proxy(redis):
    async with Proxy(redis.port) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(layer_module, "PING_AFTER", 0.05)
    monkeypatch.setattr(layer_module, "RECEIVE_TIMEOUT", 0.3)
    monkeypatch.setattr(layer_module, "MAX_RETRY_DELAY", 0.05)


TIMEOUTS = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}


def host(port):
    return {"address": f"redis://127.0.0.1:{port}/0", **TIMEOUTS}


@pytest.fixture
async def layer(proxy):
    layer = ChannelLayer(hosts=[host(proxy.port)])
    yield layer
    await layer.flush()


async def join(layer):
    channel = await layer.new_channel()
    await layer.group_add("group", channel)
    return channel


async def is_sent(layer):
    try:
        await layer.group_send("group", {"text": "hello"})
    except RedisError:
        return False
    return True


async def receive(layer, channel):
    """Send to the group until something is received: what is sent during an outage is lost."""
    receiving = asyncio.ensure_future(layer.receive(channel))
    async with asyncio.timeout(DEADLINE):
        while not receiving.done():
            await is_sent(layer)
            await asyncio.wait([receiving], timeout=0.05)
    return receiving.result()


async def send_until_unavailable(layer):
    """Send to the group until a send fails because Redis is unavailable."""
    async with asyncio.timeout(DEADLINE):
        while await is_sent(layer):
            pass


async def test_what_is_sent_to_a_group_is_received(layer):
    assert await receive(layer, await join(layer)) == {"text": "hello"}


async def test_a_channel_that_cannot_be_subscribed_leaves_nothing_behind(layer, proxy):
    await proxy.refuse()
    for _ in range(3):
        with pytest.raises(RedisError, match="Connect call failed"):
            await layer.new_channel()
    assert layer.channels == {}
    await proxy.accept()
    assert await receive(layer, await join(layer)) == {"text": "hello"}


async def test_a_connection_that_went_silent_without_a_reset_is_replaced(layer, proxy, caplog):
    caplog.set_level("INFO")
    channel = await join(layer)
    proxy.swallow()
    await send_until_unavailable(layer)
    await proxy.accept()
    assert await receive(layer, channel) == {"text": "hello"}
    assert metrics.degraded.parts() == []
    assert caplog.records[-1].getMessage() == "Redis is back"


async def test_an_outage_is_logged_briefly_and_ends(layer, redis, proxy, caplog):
    channel = await join(layer)
    await asyncio.to_thread(redis.kill)
    await send_until_unavailable(layer)
    await asyncio.to_thread(redis.start)
    assert await receive(layer, channel) == {"text": "hello"}
    assert len(caplog.records) <= 2
    assert not any(record.exc_info for record in caplog.records)


async def test_silence_is_no_outage(layer, caplog):
    channel = await join(layer)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4 * layer_module.RECEIVE_TIMEOUT):
            await layer.receive(channel)
    assert caplog.records == []


async def test_a_redis_that_refuses_to_subscribe_is_asked_at_intervals(
    layer, redis, caplog, monkeypatch
):
    monkeypatch.setattr(layer_module, "MAX_RETRY_DELAY", 0.2)
    caplog.set_level("INFO")
    channel = await join(layer)
    async with Redis.from_url(redis.url) as operator:
        await operator.execute_command("ACL", "SETUSER", "default", "resetchannels")
        before = (await operator.info("stats"))["total_connections_received"]
        await asyncio.sleep(1)
        made = (await operator.info("stats"))["total_connections_received"] - before
        assert 2 <= made <= 10
        assert metrics.degraded.parts() == ["receiver"]
        assert len(caplog.records) == 1
        await operator.execute_command("ACL", "SETUSER", "default", "allchannels")
    assert await receive(layer, channel) == {"text": "hello"}
    assert metrics.degraded.parts() == []


async def test_a_connection_that_is_lost_is_replaced_at_once(layer, redis, monkeypatch):
    monkeypatch.setattr(layer_module, "MAX_RETRY_DELAY", 1000.0)
    channel = await join(layer)
    async with Redis.from_url(redis.url) as operator:
        await operator.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert await receive(layer, channel) == {"text": "hello"}


def test_attempts_to_reconnect_are_further_and_further_apart_up_to_a_limit(monkeypatch):
    monkeypatch.setattr(layer_module, "MAX_RETRY_DELAY", 1.0)
    delays = [*islice(layer_module._retry_delays(), 8)]
    for delay, expected in zip(delays, [0, 0.25, 0.5, 1, 1, 1, 1, 1], strict=True):
        assert 0.75 * expected <= delay <= 1.25 * expected
    assert len(set(delays)) == len(delays)


class Deaf:
    """Ignores, as `asyncio.wait_for` may before Python 3.12, that its task is cancelled."""

    def __init__(self, function):
        self.function = function
        self.called = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, *args, **kwargs):
        self.called.set()
        with suppress(asyncio.CancelledError):
            await self.go_on.wait()
        return await self.function(*args, **kwargs)


async def send(layer, channel):
    await layer.group_send("group", {"text": "hello"})


async def add(layer, channel):
    await layer.group_add("other", channel)


async def discard(layer, channel):
    await layer.group_discard("group", channel)


@pytest.mark.parametrize(
    ("connection", "method", "call"),
    [
        ("_redis", "publish", send),
        ("_pubsub", "subscribe", add),
        ("_pubsub", "unsubscribe", discard),
    ],
)
async def test_a_task_that_is_cancelled_just_when_something_is_sent_ends(
    layer, monkeypatch, connection, method, call
):
    channel = await join(layer)
    sender = getattr(layer._get_layer()._shards[0], connection)
    deaf = Deaf(getattr(sender, method))
    monkeypatch.setattr(sender, method, deaf)

    async def call_forever():
        while True:
            await call(layer, channel)

    task = asyncio.create_task(call_forever())
    async with asyncio.timeout(DEADLINE):
        await deaf.called.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("method", ["ping", "connect"])
async def test_the_receiver_that_is_cancelled_just_when_something_is_sent_ends(
    layer, proxy, monkeypatch, method
):
    await join(layer)
    shard = layer._get_layer()._shards[0]
    deaf = Deaf(getattr(shard._pubsub, method))
    monkeypatch.setattr(shard._pubsub, method, deaf)
    if method == "connect":
        await proxy.refuse()
        await proxy.accept()
    async with asyncio.timeout(DEADLINE):
        await deaf.called.wait()
        # So does `asyncio.run` at its end.
        task = shard._receive_task
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_a_host_has_timeouts_by_default(redis):
    layer = ChannelLayer(hosts=[("127.0.0.1", redis.port), {"address": redis.url} | TIMEOUTS])
    one, other = (shard.host for shard in layer._get_layer()._shards)
    assert (one["socket_timeout"], one["socket_connect_timeout"]) == (2, 2)
    assert (other["socket_timeout"], other["socket_connect_timeout"]) == (0.5, 0.5)


async def degraded(parts):
    async with asyncio.timeout(DEADLINE):
        while metrics.degraded.parts() != parts:  # noqa: ASYNC110 - there is no event to await
            await asyncio.sleep(0.01)


async def test_drivers_are_spread_evenly_over_several_hosts(redis):
    with services.Redis(services.find_redis()) as second:
        layer = ChannelLayer(hosts=[host(redis.port), host(second.port)], prefix="ridehail")
        channel = await layer.new_channel()
        for shard in range(4):
            await layer.group_add(f"tracking.shard.{shard}", channel)
        for shard in range(4):
            await layer.group_send(f"tracking.shard.{shard}", {"shard": shard})
        events = [(await layer.receive(channel))["shard"] for _ in range(4)]
        assert sorted(events) == [0, 1, 2, 3]
        for server, expected in ((redis, "02"), (second, "13")):
            async with Redis.from_url(server.url, decode_responses=True) as operator:
                names = await operator.pubsub_channels("*tracking.shard.*")
            assert sorted(name[-1] for name in names) == list(expected)
        await layer.flush()


async def test_a_host_that_is_back_does_not_hide_another_that_is_unavailable(redis):
    async with Proxy(redis.port) as one, Proxy(redis.port) as other:
        layer = ChannelLayer(hosts=[host(one.port), host(other.port)])
        for shard in layer._get_layer()._shards:
            await shard.subscribe("something")
        await one.refuse()
        await other.refuse()
        await degraded(["receiver"])
        await one.accept()
        async with asyncio.timeout(DEADLINE):
            while len(metrics.degraded._parts["receiver"]) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert metrics.degraded.parts() == ["receiver"]
        await other.accept()
        await degraded([])
        await layer.flush()
