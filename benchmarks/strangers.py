"""Measure the effect of `MAX_UNAUTHENTICATED_PER_ADDRESS` on a depot's phones and an attacker.

`python -m benchmarks.strangers [limit ...]` starts a worker on PostgreSQL and Redis for each limit.
It prints the cost of a silent connection, in memory until its time to authenticate is up and in
processor time to open and close it, and the time until 2,000 phones of one address that reconnect
at once are all back. `tests/e2e/test_comeback.py` asserts the latter.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from benchmarks.load.wire import access_token, send_frame_parts
from tests import services
from tests.services.server import JWT_SIGNING_KEY

PHONES: Final = 2_000
# Seconds between the handshake and the first message on a bad mobile network, during which each
# phone counts as unauthenticated.
ROUND_TRIP: Final = 1.0

_CONNECT_OPTIONS: Final[dict[str, Any]] = {"websocket_handshake_timeout": 30}


class Phone(WSListener):
    """Connect and send one fix; reconnect with jittered backoff until it is acknowledged."""

    def __init__(self, driver_id: int, token: bytes) -> None:
        self.acknowledged_at: float | None = None
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        head, tail = send_frame_parts(driver_id, token)
        self._message = head + b"10.1" + tail
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        asyncio.get_running_loop().call_later(ROUND_TRIP, self._send)

    def _send(self) -> None:
        if self.transport is not None and not self.ended.done():
            self.transport.send(WSMsgType.TEXT, self._message)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self._end(int(frame.get_close_code()))
        elif b"location_lat" in frame.get_payload_as_bytes():
            self.acknowledged_at = time.monotonic()
            self._end(0)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end(1006)

    def _end(self, code: int) -> None:
        if not self.ended.done():
            self.ended.set_result(code)


async def come_back(
    port: int, drivers: Sequence[int], address: str = "127.0.0.1"
) -> tuple[float, Counter[int]]:
    """Connect a phone of each driver at once.

    Return the seconds until the last is acknowledged, and the number of refusals by close code.
    """
    refusals: Counter[int] = Counter()
    tokens = {driver: access_token(driver, JWT_SIGNING_KEY) for driver in drivers}
    began = time.monotonic()
    kept: list[WSTransport] = []

    async def phone(driver: int) -> float:
        for attempt in range(8):
            listener = Phone(driver, tokens[driver])
            url = f"ws://127.0.0.1:{port}/driver/set-tracking?userId={driver}"
            transport, _ = await ws_connect(
                partial(_same, listener), url, local_addr=(address, 0), **_CONNECT_OPTIONS
            )
            kept.append(transport)
            code = await listener.ended
            if listener.acknowledged_at is not None:
                return listener.acknowledged_at
            refusals[code] += 1
            await asyncio.sleep(random.uniform(0.5, 1) * 2**attempt)  # noqa: S311
        raise AssertionError("a phone was refused eight times")

    last = max(await asyncio.gather(*map(phone, drivers)))
    for transport in kept:
        transport.disconnect()
    return last - began, refusals


def _same(listener: Phone) -> Phone:
    return listener


class Silent(WSListener):
    """A client that connects and sends nothing."""

    def __init__(self) -> None:
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE and not self.code.done():
            self.code.set_result(int(frame.get_close_code()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if not self.code.done():
            self.code.set_result(1006)


async def stay_silent(port: int, count: int, address: str = "127.0.0.2") -> list[Silent]:
    """Open silent connections from one address, and measure their cost."""
    url = f"ws://127.0.0.1:{port}/driver/set-tracking?userId=1"

    async def one() -> Silent:
        _, listener = await ws_connect(Silent, url, local_addr=(address, 0), **_CONNECT_OPTIONS)
        return listener

    return [*await asyncio.gather(*(one() for _ in range(count)))]


async def measure(server: services.Uvicorn, drivers: Sequence[int]) -> None:
    # First, as memory that was used before and freed would hide the growth.
    memory, cpu, began = server.resident(), server.cpu_seconds(), time.monotonic()
    silent = await stay_silent(server.port, PHONES)
    opened, grown = time.monotonic() - began, server.resident() - memory
    await asyncio.gather(*(listener.code for listener in silent))
    spent = server.cpu_seconds() - cpu
    print(f"{PHONES} silent connections, opened in {opened:.1f} s: {grown / PHONES / 1024:.1f} KiB")
    print(f"and {spent / PHONES * 1e3:.2f} ms of a core each, until their time was up")
    for attempt in ("the first time", "again"):
        seconds, refusals = await come_back(server.port, drivers)
        print(f"{PHONES} phones back {attempt} after {seconds:.1f} s, refused: {dict(refusals)}")


def main() -> None:
    print("load of the machine:", Path("/proc/loadavg").read_text().strip())
    with services.postgres_service() as postgres, services.redis_service() as redis:
        environment = services.environment(postgres.url, redis.url)
        services.manage(environment, "migrate", "--no-input")
        drivers = range(1, PHONES + 1)
        services.create_users(
            environment,
            [{"id": i, "email": f"driver{i}@example.org", "role": "driver"} for i in drivers],
        )
        for limit in sys.argv[1:] or ["2000"]:
            limited = {**environment, "TRACKING_MAX_UNAUTHENTICATED_PER_ADDRESS": limit}
            print(f"MAX_UNAUTHENTICATED_PER_ADDRESS = {limit}")
            with services.Uvicorn(limited) as server:
                asyncio.run(measure(server, drivers))


if __name__ == "__main__":
    main()
