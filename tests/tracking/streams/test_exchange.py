"""A consumer that runs without a socket, and its reader."""

import asyncio

import pytest

from tracking.pipeline.outbox import Outbox, abort
from tracking.streams.exchange import Exchange, Refused


def frame(text):
    return {"type": "websocket.send", "text": text}


def exchange_with(consumer):
    exchange = Exchange(consumer, {}, "start")
    exchange.start()
    return exchange


async def test_the_consumer_gets_the_message_and_the_reader_its_frames():
    received = []

    async def consumer(scope, receive, send):
        received.append((await receive())["type"])
        await send({"type": "websocket.accept", "headers": [(b"x-connection-id", b"1")]})
        received.append((await receive())["text"])
        await send(frame("{}"))
        received.append((await receive())["code"])

    exchange = exchange_with(consumer)
    assert await exchange.read_first() == "{}"
    assert exchange.headers == {"x-connection-id": "1"}
    exchange.leave()
    await exchange._task
    assert received == ["websocket.connect", "start", 1001]


async def test_a_reader_that_does_not_read_is_ended_and_costs_one_frame(settings):
    settings.TRACKING = {**settings.TRACKING, "SEND_TIMEOUT": 0.05}
    failed = asyncio.Event()

    async def consumer(scope, receive, send):
        outbox = Outbox(send, lambda error: failed.set())
        for number in range(1000):
            outbox.offer(frame(str(number)))
        await failed.wait()
        abort(send)
        await receive()

    exchange = exchange_with(consumer)

    async def read_and_stop():
        assert (await exchange.read(1))["text"] == "0"
        await asyncio.Event().wait()

    reader = asyncio.create_task(read_and_stop())
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await reader
    assert exchange._outgoing.qsize() <= 1
    exchange.leave()


async def test_an_error_before_the_first_frame_is_a_refusal():
    async def consumer(scope, receive, send):
        await send(frame('{"error": {"code": "forbidden", "message": "no"}}'))
        await send({"type": "websocket.close", "code": 4403})

    with pytest.raises(Refused) as refusal:
        await exchange_with(consumer).read_first()
    assert (refusal.value.close_code, refusal.value.code) == (4403, "forbidden")


async def test_a_consumer_that_fails_is_a_close_with_1011():
    async def consumer(scope, receive, send):
        raise ValueError

    assert (await exchange_with(consumer).read(1))["code"] == 1011
