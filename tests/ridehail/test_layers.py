"""The channel layer on a real Redis, which is not always there."""

import asyncio

import pytest
from redis.exceptions import RedisError

from ridehail import layers
from ridehail.layers import ChannelLayer
from tests import services
from tests.faults.proxy import Proxy
from tracking.monitoring import metrics

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
    monkeypatch.setattr(layers, "ASK_AFTER", 0.05)
    monkeypatch.setattr(layers, "GIVE_UP_AFTER", 0.3)
    monkeypatch.setattr(layers, "RETRY_AFTER", 0.05)


@pytest.fixture
async def layer(proxy):
    host = {
        "address": f"redis://127.0.0.1:{proxy.port}/0",
        "socket_timeout": 0.5,
        "socket_connect_timeout": 0.5,
    }
    layer = ChannelLayer(hosts=[host])
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


async def hear(layer, channel):
    """Send to the group until something is heard, as what is sent during an outage is lost."""
    hearing = asyncio.ensure_future(layer.receive(channel))
    async with asyncio.timeout(DEADLINE):
        while not hearing.done():
            await is_sent(layer)
            await asyncio.wait([hearing], timeout=0.05)
    return hearing.result()


async def notice(layer):
    """Send to the group until Redis is noticed to be away."""
    async with asyncio.timeout(DEADLINE):
        while await is_sent(layer):
            pass


async def test_what_is_sent_to_a_group_is_heard(layer):
    assert await hear(layer, await join(layer)) == {"text": "hello"}


async def test_a_channel_that_cannot_be_had_leaves_nothing_behind(layer, proxy):
    await proxy.refuse()
    for _ in range(3):
        with pytest.raises(RedisError, match="Connect call failed"):
            await layer.new_channel()
    assert layer.channels == {}
    await proxy.accept()
    assert await hear(layer, await join(layer)) == {"text": "hello"}


async def test_a_connection_that_went_mute_without_a_reset_is_made_anew(layer, proxy, caplog):
    caplog.set_level("INFO")
    channel = await join(layer)
    proxy.swallow()
    await notice(layer)
    await proxy.accept()
    assert await hear(layer, channel) == {"text": "hello"}
    assert metrics.degraded.parts() == []
    assert caplog.records[-1].getMessage() == "Redis is there again"


async def test_an_outage_is_logged_briefly_and_ends(layer, redis, proxy, caplog):
    channel = await join(layer)
    await asyncio.to_thread(redis.kill)
    await notice(layer)
    await asyncio.to_thread(redis.start)
    assert await hear(layer, channel) == {"text": "hello"}
    assert len(caplog.records) <= 2
    assert not any(record.exc_info for record in caplog.records)


async def test_silence_is_no_outage(layer, caplog):
    channel = await join(layer)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(4 * layers.GIVE_UP_AFTER):
            await layer.receive(channel)
    assert caplog.records == []
