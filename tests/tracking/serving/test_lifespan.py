import asyncio

import pytest
from channels.routing import ProtocolTypeRouter

from tracking.serving.lifespan import Lifespan

STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
COMPLETE = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def returns_at_once(scope, receive, send):
    pass


async def run(host):
    """Return what happens in the lifespan of a server, in order."""
    happened = []
    events = asyncio.Queue()
    for event in (STARTUP, SHUTDOWN):
        events.put_nowait(event)

    async def send(event):
        happened.append(event["type"])

    async def start():
        happened.append("start")

    async def stop():
        happened.append("stop")

    await Lifespan(host(happened), start, stop)({"type": "lifespan"}, events.get, send)
    return happened


@pytest.mark.parametrize("application", [ProtocolTypeRouter({}), returns_at_once])
async def test_host_without_a_lifespan_gets_ours(application):
    happened = await run(lambda happened: application)
    assert happened == ["start", COMPLETE[0], "stop", COMPLETE[1]]


async def test_host_starts_before_tracking_and_stops_before_it():
    def host(happened):
        async def application(scope, receive, send):
            assert await receive() == STARTUP
            happened.append("host starts")
            await send({"type": COMPLETE[0]})
            assert await receive() == SHUTDOWN
            happened.append("host stops")
            await send({"type": COMPLETE[1]})

        return application

    assert await run(host) == [
        *("host starts", "start", COMPLETE[0]),
        *("host stops", "stop", COMPLETE[1]),
    ]


async def test_host_that_fails_to_start_is_not_served():
    def host(happened):
        async def application(scope, receive, send):
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no"})

        return application

    assert await run(host) == ["lifespan.startup.failed"]


async def test_host_that_raises_while_it_starts_is_not_served():
    def host(happened):
        async def application(scope, receive, send):
            await receive()
            raise LookupError

        return application

    with pytest.raises(LookupError):
        await run(host)


async def test_tracking_stops_although_the_host_fails_to():
    def host(happened):
        async def application(scope, receive, send):
            await receive()
            await send({"type": COMPLETE[0]})
            await receive()
            await send({"type": "lifespan.shutdown.failed"})

        return application

    assert await run(host) == ["start", COMPLETE[0], "stop", "lifespan.shutdown.failed"]
