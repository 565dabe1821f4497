"""Costs that must not grow with the load. They are counted, as times on a busy machine vary.

A batch costs one statement, one thread hop and one message per shard, however many fixes it
holds; a message costs no task and no signature check; a fan-out costs one encoding.
"""

import asyncio
from collections import Counter
from unittest.mock import AsyncMock

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from redis.asyncio import Redis

from tests.services import redis_service
from tracking.access import tokens
from tracking.arrival.watch import Watch
from tracking.engine.receiver import Receiver
from tracking.pipeline import feed, storage
from tracking.pipeline.broadcast import Publisher
from tracking.pipeline.hub import Hub
from tracking.pipeline.outbox import Outbox

from ..fakes import HERE, Client, Loads, Log, fix_of, settle, within_deadline
from ..sockets import Server, token_for


@pytest.fixture
async def counts(monkeypatch):
    """Yield the counts of tasks, thread hops, stored batches, fixes and statements."""
    counts = Counter()
    loop = asyncio.get_running_loop()
    # It looks every 5 s whether zones have changed, beginning with the first fix.
    monkeypatch.setattr(Watch, "_refresh_zones", AsyncMock())
    run_in_executor, upsert = loop.run_in_executor, storage.upsert

    def make_task(loop, coroutine, **options):
        counts["tasks"] += 1
        return asyncio.Task(coroutine, loop=loop, **options)

    def hop(*args):
        counts["thread hops"] += 1
        return run_in_executor(*args)

    def counted_upsert(fixes):
        with CaptureQueriesContext(connection) as queries:
            rejected = upsert(fixes)
        counts["batches"] += 1
        counts["fixes"] += len(fixes)
        counts["statements"] += len(queries)
        return rejected

    loop.set_task_factory(make_task)
    monkeypatch.setattr(loop, "run_in_executor", hop)
    monkeypatch.setattr(storage, "upsert", counted_upsert)
    yield counts
    loop.set_task_factory(None)


@pytest.mark.django_db(transaction=True)
async def test_a_burst_of_one_driver_costs_what_one_message_costs(app_layer, driver, counts):
    server, token = Server("set", driver), token_for(driver)
    server.report(token)
    await server.client.events.reach(2)  # The accept, and the acknowledgement.
    await settle()
    counts.clear()
    sent, signatures = len(app_layer.sent), tokens._verify_signature.cache_info()
    for number in range(200):
        server.report(token, lat=number / 10)
    await server.client.events.reach(202)
    await settle()
    assert counts["batches"] == counts["statements"] == counts["thread hops"] == 1
    assert len(app_layer.sent) - sent == 1
    # One for each flusher that ran.
    assert counts["tasks"] == 2
    assert tokens._verify_signature.cache_info() == signatures
    await server.end()


@pytest.mark.django_db(transaction=True)
async def test_a_batch_of_many_drivers_costs_one_statement_and_a_message_per_shard(
    app_layer, counts
):
    create = get_user_model().objects.acreate
    drivers = [
        (await create(email=f"driver{number}@example.com", role="driver")).pk
        for number in range(40)
    ]
    servers = [Server("set", driver) for driver in drivers]
    tokens = [token_for(driver) for driver in drivers]
    for server, token in zip(servers, tokens, strict=True):
        server.report(token)
    for server in servers:
        await server.client.events.reach(2)
    await settle()
    counts.clear()
    sent = len(app_layer.sent)
    for server, token in zip(servers, tokens, strict=True):
        server.report(token, lat=2.0)
    for server in servers:
        await server.client.events.reach(3)
    await settle()
    assert counts["fixes"] == 40
    assert counts["statements"] == counts["thread hops"] == counts["batches"] < 10
    assert len(app_layer.sent) - sent <= 4 * counts["batches"]
    # One to store, and one for each shard.
    assert counts["tasks"] <= (1 + 4) * counts["batches"]
    for server in servers[1:]:
        server._input.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await within_deadline(server.task)
    await servers[0].end()


async def test_a_fan_out_costs_one_encoding_and_no_task(layer, counts, monkeypatch):
    encode, encoded = feed.encode_location, Log()

    def counted(*location):
        encoded.append(location)
        return encode(*location)

    monkeypatch.setattr(feed, "encode_location", counted)
    receiver = Receiver(layer)
    watched = Hub(receiver, HERE, Loads())
    clients = [Client() for _ in range(200)]
    for client in clients:
        await within_deadline(watched.join(19, Outbox(client, Log().append)))
    counts.clear()
    assert watched.deliver(fix_of(19, 1)) == 200
    assert counts == {}
    assert len(encoded) == 1
    # All share one event object, so that a server can serialize it once.
    assert len({id(client.events[-1]) for client in clients}) == 1
    await watched.close()
    await receiver.close()


async def test_a_batch_costs_one_redis_command_per_shard():
    with redis_service() as server:
        layer = RedisPubSubChannelLayer(hosts=[server.url])
        publisher = Publisher(layer, HERE)
        async with Redis.from_url(server.url) as redis:
            await redis.config_resetstat()
            for driver_id in range(1, 101):
                publisher.publish(fix_of(driver_id))
            await within_deadline(publisher.drain())
            commands = await redis.info("commandstats")
        await layer.flush()
    assert commands["cmdstat_publish"]["calls"] == 4


@pytest.mark.django_db(transaction=True)
async def test_a_storm_of_reconnects_is_loaded_together(app_layer, located, rider, counts):
    servers = [Server("get", located) for _ in range(50)]
    token = token_for(rider)
    for server in servers:
        server.send({"token": token, "command": "start"})
    for server in servers:
        await server.client.events.reach(2)  # The accept, and the snapshot.
    # Each loads its user, its driver and the snapshot: together three loads, not 150.
    assert counts["thread hops"] <= 6
    for server in servers[1:]:
        server._input.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await within_deadline(server.task)
    await servers[0].end()
