"""A driver's connection: its fixes are stored, and acknowledged in order."""

import asyncio

import pytest
from django.db import OperationalError

from tracking.consumers import base
from tracking.consumers import driver as driver_module
from tracking.pipeline import storage
from tracking.protocol import encode_location
from tracking.runtime import get_runtime

from ..fakes import settle
from ..sockets import Server, stored, token_for

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_sent_location_is_stored_and_echoed(connect, driver):
    socket = await connect("set", driver)
    await socket.report(token_for(driver))
    assert await socket.frame() == '{"location_lat": "-1.4354", "location_lon": "0.9871"}'
    fix = await stored(driver)
    assert (fix.latitude, fix.longitude) == (-1.4354, 0.9871)
    assert fix.recorded_at == fix.received_at


async def test_acknowledgements_keep_the_order_of_the_sends(connect, driver):
    socket = await connect("set", driver)
    token = token_for(driver)
    for number in range(50):
        await socket.report(token, lat=number)
    frames = [await socket.frame() for _ in range(50)]
    assert frames == [encode_location(float(number), 0.9871) for number in range(50)]
    assert (await stored(driver)).latitude == 49


async def test_the_acknowledgement_is_canonical_whatever_was_sent(connect, driver):
    socket = await connect("set", driver)
    await socket.report(token_for(driver), lat="+01.50", lon=-1e-9)
    assert await socket.frame() == '{"location_lat": "1.5", "location_lon": "0"}'


async def test_a_driver_may_not_report_for_another(connect, driver, other_driver):
    socket = await connect("set", other_driver)
    await socket.report(token_for(driver))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)
    assert await stored(other_driver) is None


async def test_a_rider_may_not_report(connect, rider):
    socket = await connect("set", rider)
    await socket.report(token_for(rider))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)


async def test_the_token_of_another_user_is_forbidden_on_an_open_connection(
    connect, driver, other_driver
):
    socket = await connect("set", driver)
    await socket.report(token_for(driver))
    await socket.frame()
    await socket.report(token_for(other_driver))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)


async def test_nothing_is_accepted_from_a_connection_that_is_closing(connect, driver, rider):
    socket = await connect("set", driver)
    await socket.report(token_for(rider))
    await socket.report(token_for(driver))
    assert (await socket.error(), await socket.close_code()) == ("forbidden", 4403)
    assert await socket.receive_nothing()
    assert await stored(driver) is None


async def test_a_driver_ahead_of_the_database_is_not_read_from_until_it_catches_up(
    app_layer, driver, monkeypatch
):
    for module in (base, driver_module):
        monkeypatch.setattr(module, "MAX_UNACKNOWLEDGED", 5)
    server = Server("set", driver)
    token = token_for(driver)
    server.report(token)
    await server.client.events.reach(2)
    thread, gate = get_runtime()._storage._thread, asyncio.Event()
    run = thread.run

    class Slow:
        async def run(self, *args):
            await gate.wait()
            return await run(*args)

    monkeypatch.setattr(get_runtime()._storage, "_thread", Slow())
    for number in range(20):
        server.report(token, lat=number)
    await settle(100)
    assert server.taken == 1 + 1 + 5
    gate.set()
    await server.client.events.reach(2 + 20)
    frames = [event["text"] for event in server.client.events[2:]]
    assert frames == [encode_location(float(number), 0.0) for number in range(20)]
    await server.end()


async def test_a_driver_that_does_not_read_its_acknowledgements_is_not_read_from_either(
    app_layer, driver, monkeypatch
):
    for module in (base, driver_module):
        monkeypatch.setattr(module, "MAX_UNACKNOWLEDGED", 5)
    server = Server("set", driver)
    token = token_for(driver)
    server.report(token)
    await server.client.events.reach(2)
    server.client.stop_reading()
    for number in range(50):
        server.report(token, lat=number)
    taken = 0
    while taken != server.taken:  # until the server reads no more
        taken = server.taken
        for _ in range(10):
            await get_runtime().drain()
            await asyncio.sleep(0.005)
    assert server.taken <= 2 + 3 * 5
    server.client.read_on()
    await server.client.events.reach(2 + 50)
    frames = [event["text"] for event in server.client.events[2:]]
    assert frames == [encode_location(float(number), 0.0) for number in range(50)]
    await server.end()


async def test_unacknowledged_locations_survive_an_outage_of_the_database(
    connect, driver, monkeypatch
):
    monkeypatch.setattr(storage, "RETRY_AFTER", 0.01)
    socket = await connect("set", driver)
    token = token_for(driver)
    await socket.report(token)
    await socket.frame()
    thread = get_runtime()._storage._thread
    run, failures = thread.run, iter(range(3))

    class Flaky:
        async def run(self, *args):
            for _ in failures:
                raise OperationalError("unavailable")
            return await run(*args)

    monkeypatch.setattr(get_runtime()._storage, "_thread", Flaky())
    for number in range(3):
        await socket.report(token, lat=number)
    frames = [await socket.frame() for _ in range(3)]
    assert frames == [encode_location(float(number), 0.9871) for number in range(3)]
    assert (await stored(driver)).latitude == 2


async def test_a_fix_that_can_never_be_stored_is_refused_and_the_next_is_taken(
    connect, driver, monkeypatch
):
    def refuse_first(fixes, upsert=storage.upsert):
        monkeypatch.setattr(storage, "upsert", upsert)
        raise storage.PartlyStoredError(set(), {driver}, set())

    monkeypatch.setattr(storage, "upsert", refuse_first)
    socket = await connect("set", driver)
    token = token_for(driver)
    await socket.report(token)
    assert await socket.error() == "invalid_location"
    await socket.report(token, lat=2)
    assert await socket.frame() == encode_location(2.0, 0.9871)


async def test_an_acknowledgement_that_fails_ends_its_connection_alone_and_counts_no_longer(
    app_layer, driver, other_driver, monkeypatch, caplog
):
    server, other = Server("set", driver), Server("set", other_driver)
    for each, user in ((server, driver), (other, other_driver)):
        each.report(token_for(user))
        await each.client.events.reach(2)

    def fail(latitude, longitude):
        if latitude == 7:
            raise LookupError("a bug")
        return encode_location(latitude, longitude)

    consumer = next(
        connection for connection in get_runtime().connections if connection.driver_id == driver
    )
    monkeypatch.setattr(driver_module.protocol, "encode_location", fail)
    server.report(token_for(driver), lat=7)
    other.report(token_for(other_driver), lat=8)
    assert (await server.client.events.reach(3))[2]["code"] == 1011
    assert (await other.client.events.reach(3))[2]["text"] == encode_location(8.0, 0.0)
    assert consumer.unacknowledged == 0
    assert (await stored(driver)).latitude == 7
    server._input.put_nowait({"type": "websocket.disconnect", "code": 1011})
    await other.end()


async def test_a_bug_in_the_delivery_keeps_no_fix_from_being_stored(connect, driver, monkeypatch):
    def fail(fix):
        raise LookupError("a bug")

    socket = await connect("set", driver)
    monkeypatch.setattr(get_runtime().hub, "deliver", fail)
    await socket.report(token_for(driver))
    assert await socket.frame() == encode_location(-1.4354, 0.9871)
    assert (await stored(driver)).latitude == -1.4354
